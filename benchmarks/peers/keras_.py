"""Keras 3 on TensorFlow: `model.fit` on arrays, compiled by XLA as Keras decides (`jit_compile="auto"`).

As its documentation advises for small models, `steps_per_execution` runs many minibatches in one call of the compiled
function; `EarlyStopping` that never stops keeps the best weights, and a callback waits for the next turn.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

from typing import Any

import keras
import tensorflow as tf

from benchmarks.peers.protocol import Settings, Task, Turns, read_task

STEPS = 32  # minibatches in one call


class Waiting(keras.callbacks.Callback):
    """Tells of each epoch and waits for the next turn."""

    def __init__(self) -> None:
        super().__init__()
        threads = tf.config.threading.get_intra_op_parallelism_threads() or len(
            os.sched_getaffinity(0)
        )
        self.turns = Turns(f"TensorFlow with XLA, Eigen and oneDNN, {threads} threads")

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """The validation scores are in the logs by now."""
        self.turns.epoch_done(logs["val_loss"], logs["val_accuracy"])


def network(task: Task) -> keras.Model:
    """The network with everybody's first weights."""
    D, H = task.weights["W1"].shape
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((D,)),
            layers.Dense(H, activation="relu"),
            layers.Dropout(task.settings.dropout),
            layers.Dense(len(task.weights["b2"])),
        ]
    )
    model.set_weights([task.weights[name] for name in ("W1", "b1", "W2", "b2")])
    return model


def optimizer_of(settings: Settings) -> Any:
    """The optimizer; Adam with the same epsilon as everybody's."""
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(settings.lr, epsilon=1e-8)
    return keras.optimizers.SGD(settings.lr, momentum=0.9, nesterov=True)


def main() -> None:
    """Train as long as asked."""
    task = read_task()
    keras.utils.set_random_seed(task.settings.seed)
    model = network(task)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer_of(task.settings), loss, metrics=["accuracy"], steps_per_execution=STEPS
    )
    best = keras.callbacks.EarlyStopping("val_loss", patience=10**9, restore_best_weights=True)
    model.fit(
        task.x,
        task.y,
        batch_size=task.settings.batch_size,
        epochs=10**6,
        validation_data=(task.x_validation, task.y_validation),
        validation_batch_size=512,
        callbacks=[best, Waiting()],
        verbose=0,
    )


if __name__ == "__main__":
    main()
