"""Scoring sets of rows: the same rows again and again, or many rows once, by several threads."""

import numpy as np

from mlpcli.datasets.dataset import BatchLoader, Rows
from mlpcli.model.metrics import ByRow, Scores, score
from mlpcli.model.network import AllReduce, Network, no_reduce, workspace
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.training.forked import even_cuts

SCORED_TOGETHER = 512  # rows scored at a time
WORTH_SHARING = (
    200_000_000  # multiplications in x W1 for which a thread more pays, by docs/performance.md
)


class Scorer:
    """Scores a network on the same rows again and again, dropout off, in buffers made once."""

    def __init__(
        self, network: Network, scaling: Scaling, rows: Rows, allreduce: AllReduce = no_reduce
    ) -> None:
        B = min(SCORED_TOGETHER, len(rows))
        self.network, self.rows, self.allreduce = network, rows, allreduce
        self.buffers = workspace(network.shape, B, network.theta.dtype)
        self.loader = BatchLoader(rows, scaling, B)

    def score(self) -> Scores:
        """Score every one of the rows with the weights as they are now."""
        found = _room(len(self.rows), self.network)
        self.score_into(found)
        return found.scores(self.rows.labels[self.rows.index], self.network.shape.K)

    def score_into(self, found: ByRow) -> None:
        """Write down what becomes of every one of the rows."""
        score(
            self.network, self.loader.batches(self.buffers.x), self.buffers, found, self.allreduce
        )


def score_all(network: Network, scaling: Scaling, rows: Rows, cores: int) -> Scores:
    """Score every row once, each of at most so many threads its own part of them; the same bits for any number.

    Threads do here, as they do not in training: NumPy works on a whole block of rows without Python's lock.
    """
    from concurrent.futures import ThreadPoolExecutor

    blocks = -(-len(rows) // SCORED_TOGETHER)
    threads = max(
        1, min(cores, blocks, len(rows) * network.shape.D * network.shape.H // WORTH_SHARING)
    )
    cuts = [
        slice(cut.start * SCORED_TOGETHER, cut.stop * SCORED_TOGETHER)
        for cut in even_cuts(blocks, threads)
    ]
    found = _room(len(rows), network)

    def work(cut: slice) -> None:
        Scorer(network, scaling, rows.part(cut)).score_into(found.part(cut))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, cuts))
    return found.scores(rows.labels[rows.index], network.shape.K)


def _room(N: int, network: Network) -> ByRow:
    dtype = network.theta.dtype
    return ByRow(np.empty(N, dtype), np.empty(N, np.intp), np.empty(N, dtype))
