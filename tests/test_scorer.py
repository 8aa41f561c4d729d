"""Many rows scored by several processes: the same bits as by one, and every row once."""

import os
from typing import Any

import numpy as np
import pytest

from mlpcli import scorer
from mlpcli.arrays import Shape
from mlpcli.datasets.dataset import Rows
from mlpcli.datasets.scaling import Scaling
from mlpcli.errors import WorkerError
from mlpcli.network import Network
from mlpcli.scorer import SCORED_TOGETHER, WORTH_SHARING, Scorer, score_all
from mlpcli.workers import Workers
from tests import reference

D, H, K = 7, 11, 3
Case = tuple[Network, Scaling, Rows]


def case(N: int, dtype: type = np.float64) -> Case:
    """A network and N rows at scattered places of a table."""
    stream = np.random.default_rng(0)
    network = Network(Shape(D, H, K), "tanh", dtype)
    network.theta[:] = stream.normal(size=network.shape.parameters)
    x, labels = stream.normal(size=(N + 5, D)), stream.integers(0, K, N + 5)
    return network, Scaling(np.full(D, 0.5), np.full(D, 1.5)), Rows(x, labels, stream.permutation(N + 5)[:N])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where any work is worth a process: how many each scoring has taken."""
    counts: list[int] = []
    start = Workers.start

    def watched(self: Workers, work: Any) -> None:
        counts.append(self.count)
        start(self, work)

    monkeypatch.setattr(Workers, "start", watched)
    monkeypatch.setattr(scorer, "WORTH_SHARING", 1)
    return counts


@pytest.mark.parametrize("N", [1, SCORED_TOGETHER, SCORED_TOGETHER + 1, 5 * SCORED_TOGETHER + 13])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_scores_are_the_same_bits_for_any_number_of_processes(N: int, dtype: type, started: list[int]) -> None:
    blocks = -(-N // SCORED_TOGETHER)
    network, scaling, rows = case(N, dtype)
    alone = Scorer(network, scaling, rows).score()
    assert started == []
    for cores in (1, 2, 3, 50):
        scores = score_all(network, scaling, rows, cores)
        assert scores.loss == alone.loss
        for name in ("labels", "predicted", "confidence"):
            np.testing.assert_array_equal(getattr(scores, name), getattr(alone, name))
    assert started == [min(cores, blocks) for cores in (1, 2, 3, 50)]


def test_the_scores_of_two_processes_equal_the_reference(started: list[int]) -> None:
    network, scaling, rows = case(2 * SCORED_TOGETHER + 7)
    scores = score_all(network, scaling, rows, 2)
    x, labels = (rows.x[rows.index] - 0.5) * 1.5, rows.labels[rows.index]
    w = reference.unflat(network.theta, D, H, K)
    assert scores.loss == pytest.approx(reference.loss(w, "tanh", x, np.ones((len(x), H)), labels), rel=1e-12)
    z = np.array([reference.forward(w, "tanh", row, np.ones(H), 0).z for row in x])
    np.testing.assert_array_equal(scores.labels, labels)
    np.testing.assert_array_equal(scores.predicted, z.argmax(axis=1))
    np.testing.assert_allclose(scores.confidence, np.exp(z).max(axis=1) / np.exp(z).sum(axis=1), rtol=1e-12)
    assert started == [2]


def test_few_rows_are_scored_in_one_process(started: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "WORTH_SHARING", WORTH_SHARING)
    score_all(*case(5 * SCORED_TOGETHER), 8)
    assert started == [1]


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("first", [False, True], ids=["a worker", "the first process"])
def test_what_fails_in_one_process_leaves_none(first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    here, score_into = os.getpid(), Scorer.score_into

    def failing(self: Scorer, found: Any) -> None:
        if (os.getpid() == here) == first:
            raise MemoryError
        score_into(self, found)

    monkeypatch.setattr(Scorer, "score_into", failing)
    with pytest.raises(MemoryError if first else WorkerError):
        score_all(*case(3 * SCORED_TOGETHER), 3)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
