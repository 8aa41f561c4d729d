"""The lower bound: of all that an epoch needs, only the two big products, x W1 and xᵀ ∂a.

NumPy multiplies them, into buffers that are allocated once.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.protocol import EpochTimer, Task, blas, read_task

Floats = NDArray[np.float32]


def multiply(task: Task, x: Floats, da: Floats, a: Floats, dW1: Floats) -> None:
    """Compute the two products of every minibatch of an epoch, the last short one included.

    x is (B,D), da and a are (B,H), dW1 is (D,H).
    """
    n_rows = len(task.x)
    B = len(x)
    W1 = task.weights["W1"]
    for start in range(0, n_rows, B):
        n = min(B, n_rows - start)
        np.matmul(x[:n], W1, out=a[:n])
        np.matmul(x[:n].T, da[:n], out=dW1)


def main() -> None:
    """Multiply for as long as epochs are requested."""
    task = read_task()
    D, H = task.weights["W1"].shape
    x = task.x[: task.settings.batch_size].copy()
    da = np.random.default_rng(0).standard_normal((len(x), H), np.float32)
    a = np.empty_like(da)
    dW1 = np.empty((D, H), np.float32)
    timer = EpochTimer(blas())
    while True:
        multiply(task, x, da, a, dW1)
        timer.epoch_done()


if __name__ == "__main__":
    main()
