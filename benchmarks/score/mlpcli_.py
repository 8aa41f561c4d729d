"""mlpcli: what `mlpcli eval` does with rows in memory, from uint8 to loss and guesses."""

import numpy as np

from benchmarks.score.protocol import read_rows, serve, weights
from mlpcli.arrays import Shape
from mlpcli.datasets.dataset import Rows
from mlpcli.machine import blas, blas_threads, cores
from mlpcli.model.network import Network
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.training.scoring import score_all


def main() -> None:
    """Score as often as asked."""
    x, y = read_rows()
    values = weights()
    D, H = values["W1"].shape
    network = Network(Shape(D, H, len(values["b2"])), "relu")
    for name, value in values.items():
        getattr(network, name)[...] = value
    scaling = Scaling(np.zeros(D, np.float32), np.full(D, 1 / 255, np.float32))
    rows, processes = Rows(x, y, np.arange(len(x))), cores()
    with blas_threads(1):
        serve(
            lambda: score_all(network, scaling, rows, processes),
            f"{blas()}, at most {processes} processes",
        )


if __name__ == "__main__":
    main()
