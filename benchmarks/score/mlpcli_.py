"""mlpcli: what `mlpcli eval` does with rows in memory, from uint8 to losses and predictions."""

import numpy as np

from benchmarks.score.protocol import read_rows, serve, weights
from mlpcli.arrays import Shape
from mlpcli.datasets.dataset import Rows
from mlpcli.machine import blas, blas_threads, cores
from mlpcli.model.network import Network
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.training.scoring import score_all


def network() -> Network:
    """The network with the weights of every subject."""
    arrays = weights()
    D, H = arrays["W1"].shape
    K = len(arrays["b2"])
    network = Network(Shape(D, H, K), "relu")
    for name, array in arrays.items():
        getattr(network, name)[...] = array
    return network


def main() -> None:
    """Score for as long as passes are requested."""
    x, y = read_rows()
    rows = Rows(x, y, np.arange(len(x)))
    D = x.shape[1]
    scaling = Scaling(np.zeros(D, np.float32), np.full(D, 1 / 255, np.float32))
    scored = network()
    n_cores = cores()
    with blas_threads(1):
        serve(
            lambda: score_all(scored, scaling, rows, n_cores),
            f"{blas()}, at most {n_cores} threads",
        )


if __name__ == "__main__":
    main()
