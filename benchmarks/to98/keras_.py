"""MNIST with Keras 3 on TensorFlow: `model.fit` on arrays, as its documentation advises.

One call of the compiled function runs many minibatches.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

from typing import Any

import keras
from keras import layers

from benchmarks.to98.protocol import Settings, print_accuracy, print_epoch, read_arguments

STEPS = 32  # minibatches in one call


def network(settings: Settings) -> keras.Model:
    """The untrained network."""
    hidden = layers.Dense(settings.hidden, activation="relu", kernel_initializer="he_uniform")
    dropout = layers.Dropout(settings.dropout)
    return keras.Sequential([keras.Input((784,)), hidden, dropout, layers.Dense(10)])


def optimizer_of(settings: Settings, n_rows: int) -> Any:
    """Nesterov's momentum with a learning rate that falls linearly to 0."""
    steps = settings.steps(n_rows)
    rate = keras.optimizers.schedules.PolynomialDecay(settings.lr, steps, end_learning_rate=0.0)
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)


def main() -> None:
    """Train and score."""
    settings, rows = read_arguments()
    keras.utils.set_random_seed(0)
    model = network(settings)
    model.compile(
        optimizer_of(settings, len(rows.x)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=STEPS,
    )
    printing = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: print_epoch(epoch + 1, logs["loss"])
    )
    model.fit(
        rows.x,
        rows.y,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        callbacks=[printing],
        verbose=0,
    )
    _, accuracy = model.evaluate(rows.x_test, rows.y_test, batch_size=512, verbose=0)
    print_accuracy(accuracy)


if __name__ == "__main__":
    main()
