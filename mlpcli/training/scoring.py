"""Scores of sets of rows: the same rows again and again, or many rows once by several threads."""

from collections.abc import Callable
from itertools import takewhile
from threading import Event
from typing import TypeAlias

import numpy as np

from mlpcli.datasets.dataset import Rows
from mlpcli.datasets.loader import BatchLoader
from mlpcli.model.buffers import workspace
from mlpcli.model.metrics import ByRow, Scores, score
from mlpcli.model.network import AllReduce, Network, no_reduce
from mlpcli.preprocessing.encoding import Preprocessing
from mlpcli.training.resources import SCORING_ROWS, even_slices

THREAD_MIN_WORK = 200_000_000  # multiplications in x W1 that pay for one thread more

Cancelled: TypeAlias = Callable[[], bool]  # asked before each block of rows


def never() -> bool:
    """The answer where nothing cancels the scoring."""
    return False


class Scorer:
    """Scores a network on the same rows again and again, without dropout, in buffers made once."""

    def __init__(
        self,
        network: Network,
        preprocessing: Preprocessing,
        rows: Rows,
        allreduce: AllReduce = no_reduce,
    ) -> None:
        B = min(SCORING_ROWS, len(rows))
        self.network = network
        self.rows = rows
        self.allreduce = allreduce
        self.buffers = workspace(network.shape, B, network.theta.dtype)
        self.loader = BatchLoader(rows, preprocessing, B)

    def score(self) -> Scores:
        """The scores of all rows with the weights as they are now."""
        by_row = _empty_scores(len(self.rows), self.network)
        self.score_into(by_row)
        return _scores(by_row, self.rows, self.network)

    def score_into(self, by_row: ByRow, cancelled: Cancelled = never) -> None:
        """Write the loss, the predicted class and the confidence of every row into `by_row`.

        Stops early once `cancelled` returns True.
        """
        batches = self.loader.batches(self.buffers.x)
        wanted = takewhile(lambda _: not cancelled(), batches)
        score(self.network, wanted, self.buffers, by_row, self.allreduce)


def score_all(network: Network, preprocessing: Preprocessing, rows: Rows, n_cores: int) -> Scores:
    """Score every row once, in at most `n_cores` threads; any number gives the same bits.

    Threads suit scoring, as they do not suit training: NumPy works on a whole block of rows
    without holding Python's lock. If the system refuses a thread, this one does all the work.
    """
    by_row = _empty_scores(len(rows), network)
    pieces = _pieces(len(rows), thread_count(network, len(rows), n_cores))

    def work(piece: slice, cancelled: Cancelled) -> None:
        scorer = Scorer(network, preprocessing, rows.subset(piece))
        scorer.score_into(by_row.view(piece), cancelled)

    if len(pieces) == 1 or not _in_threads(work, pieces):
        for piece in pieces:
            work(piece, never)
    return _scores(by_row, rows, network)


def _in_threads(work: Callable[[slice, Cancelled], None], pieces: list[slice]) -> bool:
    """Work on each piece in a thread of its own; returns False if the system refuses a thread.

    If a signal ends the wait, each thread stops after the block of rows that it works on.
    """
    from concurrent.futures import ThreadPoolExecutor

    cancelled = Event()
    with ThreadPoolExecutor(len(pieces)) as pool:
        try:
            list(pool.map(lambda piece: work(piece, cancelled.is_set), pieces))
        except RuntimeError:
            cancelled.set()
            return False
        except BaseException:
            cancelled.set()
            raise
    return True


def thread_count(network: Network, n_rows: int, n_cores: int) -> int:
    """The number of threads to score in: one for each core, as far as the work pays for it."""
    by_work = n_rows * network.shape.D * network.shape.H // THREAD_MIN_WORK
    return max(1, min(n_cores, _blocks(n_rows), by_work))


def _blocks(n_rows: int) -> int:
    """How many blocks of SCORING_ROWS the rows make, a shorter last one included."""
    return -(-n_rows // SCORING_ROWS)


def _pieces(n_rows: int, count: int) -> list[slice]:
    """The rows of each thread: whole blocks, so that each row is scored as by one thread."""
    blocks = even_slices(_blocks(n_rows), count)
    return [slice(b.start * SCORING_ROWS, b.stop * SCORING_ROWS) for b in blocks]


def _empty_scores(n_rows: int, network: Network) -> ByRow:
    dtype = network.theta.dtype
    return ByRow(np.empty(n_rows, dtype), np.empty(n_rows, np.intp), np.empty(n_rows, dtype))


def _scores(by_row: ByRow, rows: Rows, network: Network) -> Scores:
    return by_row.scores(rows.labels[rows.index], network.shape.K, rows.own_weights)
