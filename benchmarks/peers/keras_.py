"""Keras 3 on TensorFlow: `model.fit` on arrays, compiled by XLA as Keras decides.

As its documentation advises for small models, `steps_per_execution` runs many minibatches in one
call of the compiled function. An `EarlyStopping` that never stops keeps the best weights, and
another callback replies to the harness.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

from typing import Any

import keras
import tensorflow as tf

from benchmarks.peers.protocol import WEIGHTS, EpochTimer, Settings, Task, read_task

STEPS = 32  # minibatches in one call


class TimingCallback(keras.callbacks.Callback):
    """Reports each epoch to the harness."""

    def __init__(self) -> None:
        super().__init__()
        n_cores = len(os.sched_getaffinity(0))
        threads = tf.config.threading.get_intra_op_parallelism_threads() or n_cores
        self.timer = EpochTimer(f"TensorFlow with XLA, Eigen and oneDNN, {threads} threads")

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Record the epoch; its validation scores are in the logs."""
        self.timer.epoch_done(logs["val_loss"], logs["val_accuracy"])


def first_model(task: Task) -> keras.Model:
    """The network with the task's first weights."""
    D, H = task.weights["W1"].shape
    K = len(task.weights["b2"])
    model = keras.Sequential(
        [
            keras.Input((D,)),
            keras.layers.Dense(H, activation="relu"),
            keras.layers.Dropout(task.settings.dropout),
            keras.layers.Dense(K),
        ]
    )
    model.set_weights([task.weights[name] for name in WEIGHTS])
    return model


def optimizer_of(settings: Settings) -> Any:
    """The optimizer; Adam with the epsilon of the other libraries."""
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(settings.lr, epsilon=1e-8)
    return keras.optimizers.SGD(settings.lr, momentum=0.9, nesterov=True)


def main() -> None:
    """Train for as long as epochs are requested."""
    task = read_task()
    keras.utils.set_random_seed(task.settings.seed)
    model = first_model(task)
    model.compile(
        optimizer_of(task.settings),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=STEPS,
    )
    best = keras.callbacks.EarlyStopping("val_loss", patience=10**9, restore_best_weights=True)
    model.fit(
        task.x,
        task.y,
        batch_size=task.settings.batch_size,
        epochs=10**6,
        validation_data=(task.x_validation, task.y_validation),
        validation_batch_size=512,
        callbacks=[best, TimingCallback()],
        verbose=0,
    )


if __name__ == "__main__":
    main()
