"""Many rows scored by several threads: the same bits as by one, and every row once."""

import signal
import threading
import time
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Shape
from mlpcli.datasets.dataset import Rows
from mlpcli.model.network import Network
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.training import scoring as scorer
from mlpcli.training.resources import SCORING_ROWS
from mlpcli.training.scoring import THREAD_MIN_WORK, Scorer, score_all
from tests.support import reference

D, H, K = 7, 11, 3
Case = tuple[Network, Scaling, Rows]


def case(N: int, dtype: type = np.float64) -> Case:
    """A network and N rows at scattered places of a table."""
    stream = np.random.default_rng(0)
    network = Network(Shape(D, H, K), "tanh", dtype)
    network.theta[:] = stream.normal(size=network.shape.parameters)
    x, labels = stream.normal(size=(N + 5, D)), stream.integers(0, K, N + 5)
    return (
        network,
        Scaling(np.full(D, 0.5), np.full(D, 1.5)),
        Rows(x, labels, stream.permutation(N + 5)[:N]),
    )


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where any work is worth a thread: the rows of each part that was scored by itself."""
    parts: list[int] = []
    score_into = Scorer.score_into

    def watched(self: Scorer, found: Any, cancelled: Any) -> None:
        parts.append(len(self.rows))
        score_into(self, found, cancelled)

    monkeypatch.setattr(Scorer, "score_into", watched)
    monkeypatch.setattr(scorer, "THREAD_MIN_WORK", 1)
    return parts


@pytest.mark.parametrize("N", [1, SCORING_ROWS, SCORING_ROWS + 1, 5 * SCORING_ROWS + 13])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_scores_are_the_same_bits_for_any_number_of_threads(
    N: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, scaling, rows = case(N, dtype)
    alone = Scorer(network, scaling, rows).score()
    monkeypatch.setattr(scorer, "THREAD_MIN_WORK", 1)
    for cores in (1, 2, 3, 50):
        scores = score_all(network, scaling, rows, cores)
        assert scores.loss == alone.loss
        for name in ("labels", "predicted", "confidence"):
            np.testing.assert_array_equal(getattr(scores, name), getattr(alone, name))


@pytest.mark.parametrize(
    ("N", "cores"), [(1, 4), (SCORING_ROWS, 2), (5 * SCORING_ROWS + 13, 3), (1025, 50)]
)
def test_each_thread_scores_its_own_part_of_whole_blocks(
    N: int, cores: int, started: list[int]
) -> None:
    score_all(*case(N), cores)
    assert len(started) == min(cores, -(-N // SCORING_ROWS))
    assert sum(started) == N
    assert all(
        part % SCORING_ROWS == 0 or part % SCORING_ROWS == N % SCORING_ROWS for part in started
    )


def test_the_scores_of_two_threads_equal_the_reference(started: list[int]) -> None:
    network, scaling, rows = case(2 * SCORING_ROWS + 7)
    scores = score_all(network, scaling, rows, 2)
    x, labels = (rows.x[rows.index] - 0.5) * 1.5, rows.labels[rows.index]
    w = reference.unflat(network.theta, D, H, K)
    assert scores.loss == pytest.approx(
        reference.loss(w, "tanh", x, np.ones((len(x), H)), labels), rel=1e-12
    )
    z = np.array([reference.forward(w, "tanh", row, np.ones(H), 0).z for row in x])
    np.testing.assert_array_equal(scores.labels, labels)
    np.testing.assert_array_equal(scores.predicted, z.argmax(axis=1))
    np.testing.assert_allclose(
        scores.confidence, np.exp(z).max(axis=1) / np.exp(z).sum(axis=1), rtol=1e-12
    )
    assert len(started) == 2


def refuse_threads(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the system refuse every thread after so many, as under a limit of threads."""
    start = threading.Thread.start
    left = iter(range(after))

    def start_or_fail(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_fail)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_where_a_thread_is_refused_this_one_scores_to_the_same_bits(
    after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    N = 5 * SCORING_ROWS + 13
    alone = Scorer(*case(N)).score()
    monkeypatch.setattr(scorer, "THREAD_MIN_WORK", 1)
    refuse_threads(monkeypatch, after)
    scores = score_all(*case(N), 3)
    assert scores.loss == alone.loss
    np.testing.assert_array_equal(scores.confidence, alone.confidence)


def test_a_signal_ends_the_wait_for_threads_within_a_block_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each block takes 50 ms here, so that all of them would take five seconds."""
    blocks: list[int] = []

    def slow(network: Network, batches: Any, *more: Any) -> None:
        for _ in batches:
            blocks.append(1)
            time.sleep(0.05)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    many = case(200 * SCORING_ROWS)
    monkeypatch.setattr(scorer, "THREAD_MIN_WORK", 1)
    monkeypatch.setattr(scorer, "score", slow)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            score_all(*many, 2)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert 0 < len(blocks) < 50


def test_few_rows_are_scored_without_a_thread(
    started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer, "THREAD_MIN_WORK", THREAD_MIN_WORK)
    refuse_threads(monkeypatch, after=0)
    score_all(*case(5 * SCORING_ROWS), 8)
    assert started == [5 * SCORING_ROWS]


def test_what_fails_in_one_thread_is_raised_and_leaves_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(self: Scorer, found: Any, cancelled: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(scorer, "THREAD_MIN_WORK", 1)
    monkeypatch.setattr(Scorer, "score_into", failing)
    before = threading.active_count()
    with pytest.raises(MemoryError):
        score_all(*case(3 * SCORING_ROWS), 3)
    assert threading.active_count() == before
