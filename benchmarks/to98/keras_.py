"""MNIST with Keras 3 on TensorFlow: `model.fit` on arrays, many minibatches a call, as its documentation advises."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
from keras import layers

from benchmarks.to98.shared import conclude, read_arguments, report


def main() -> None:
    """Train and score."""
    settings, rows = read_arguments()
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(settings.hidden, activation="relu", kernel_initializer="he_uniform"),
            layers.Dropout(settings.dropout),
            layers.Dense(10),
        ]
    )
    steps = settings.epochs * -(-len(rows.x) // settings.batch_size)
    rate = keras.optimizers.schedules.PolynomialDecay(settings.lr, steps, end_learning_rate=0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        loss,
        metrics=["accuracy"],
        steps_per_execution=32,
    )
    told = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: report(epoch + 1, logs["loss"])
    )
    model.fit(
        rows.x,
        rows.y,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        callbacks=[told],
        verbose=0,
    )
    conclude(model.evaluate(rows.x_test, rows.y_test, batch_size=512, verbose=0)[1])


if __name__ == "__main__":
    main()
