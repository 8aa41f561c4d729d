"""Scoring sets of rows: the same rows again and again, or many rows once, by several processes."""

import numpy as np

from mlpcli.arrays import shared_zeros
from mlpcli.datasets.dataset import Feed, Rows
from mlpcli.datasets.scaling import Scaling
from mlpcli.evaluation import ByRow, Scores, score
from mlpcli.network import Network, Summing, complete, workspace
from mlpcli.workers import Workers, even_cuts

SCORED_TOGETHER = 512  # rows scored at a time
WORTH_SHARING = 1_000_000_000  # multiplications in x W1 for which a process more pays, by docs/performance.md


class Scorer:
    """Scores a network on the same rows again and again, dropout off, in buffers made once."""

    def __init__(self, network: Network, scaling: Scaling, rows: Rows, add_up: Summing = complete) -> None:
        B = min(SCORED_TOGETHER, len(rows))
        self.network, self.rows, self.add_up = network, rows, add_up
        self.buffers = workspace(network.shape, B, network.theta.dtype)
        self.feed = Feed(rows, scaling, B)

    def score(self) -> Scores:
        """Score every one of the rows with the weights as they are now."""
        N, dtype = len(self.rows), self.network.theta.dtype
        found = ByRow(np.empty(N, dtype), np.empty(N, np.intp), np.empty(N, dtype))
        self.score_into(found)
        return found.scores(self.rows.labels[self.rows.index], self.network.shape.K)

    def score_into(self, found: ByRow) -> None:
        """Write down what becomes of every one of the rows."""
        score(self.network, self.feed.batches(self.buffers.x), self.buffers, found, self.add_up)


def score_all(network: Network, scaling: Scaling, rows: Rows, cores: int) -> Scores:
    """Score every row once, each of at most so many processes its own part of them; the same bits for any number."""
    blocks = -(-len(rows) // SCORED_TOGETHER)
    processes = max(1, min(cores, blocks, len(rows) * network.shape.D * network.shape.H // WORTH_SHARING))
    kinds = (network.theta.dtype, np.intp, network.theta.dtype)
    found = ByRow(*(shared_zeros(len(rows), kind) for kind in kinds))
    cuts = [slice(cut.start * SCORED_TOGETHER, cut.stop * SCORED_TOGETHER) for cut in even_cuts(blocks, processes)]

    def work(rank: int) -> None:
        Scorer(network, scaling, rows.part(cuts[rank])).score_into(found.part(cuts[rank]))

    crew = Workers(processes)
    try:
        crew.start(work)
        work(0)
        crew.settle()
    finally:
        crew.dismiss()
    return found.scores(rows.labels[rows.index], network.shape.K)
