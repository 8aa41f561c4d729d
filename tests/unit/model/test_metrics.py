"""Scores, against scikit-learn, SciPy and the row-by-row oracle."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
)

from mlpcli.arrays import Floats, Labels, Shape
from mlpcli.model.buffers import workspace
from mlpcli.model.metrics import ByRow, Scores, by_class, score, wilson_interval
from mlpcli.model.network import Network
from tests.support import reference

N, D, H, K = 53, 7, 11, 5
SHAPE = Shape(D, H, K)


def rows(dtype: type = np.float64) -> tuple[Network, Floats, Labels]:
    stream = np.random.default_rng(0)
    network = Network(SHAPE, "tanh", dtype)
    network.theta[:] = stream.normal(size=SHAPE.parameters)
    return network, stream.normal(size=(N, D)).astype(dtype), stream.integers(0, K, N)


def scored(size: int, B: int = 60, dtype: type = np.float64) -> Scores:
    """All rows, `size` at a time, in buffers for B rows that hold rubbish at first."""
    network, x, labels = rows(dtype)
    ws = workspace(SHAPE, B, dtype)
    for buffer in (ws.a, ws.s, ws.h, ws.z, ws.p):
        buffer.fill(np.nan)

    def batches() -> Iterator[tuple[Floats, Labels]]:
        for start in range(0, N, size):
            yield x[start : start + size], labels[start : start + size]

    found = ByRow(np.full(N, np.nan, dtype), np.zeros(N, np.intp), np.full(N, np.nan, dtype))
    score(network, batches(), ws, found)
    return found.scores(labels, SHAPE.K)


def probabilities() -> Floats:
    """softmax(z) of every row, by the oracle."""
    network, x, labels = rows()
    w = reference.unflat(network.theta, *SHAPE)
    z = np.array([reference.forward(w, "tanh", x[n], np.ones(H), labels[n]).z for n in range(N)])
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def test_loss_guesses_and_confidence_are_those_of_the_reference() -> None:
    scores, p, labels = scored(N), probabilities(), rows()[2]
    assert scores.loss == pytest.approx(log_loss(labels, p, labels=range(K)), rel=1e-12)
    np.testing.assert_array_equal(scores.labels, labels)
    np.testing.assert_array_equal(scores.predicted, p.argmax(axis=1))
    np.testing.assert_allclose(scores.confidence, p.max(axis=1), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 7, 20, 52, 53])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_of_any_size_give_the_same_scores(size: int, dtype: type) -> None:
    whole, parts = scored(N, dtype=dtype), scored(size, dtype=dtype)
    assert parts.n_rows == N
    assert parts.loss == pytest.approx(whole.loss, rel=10 * float(np.finfo(dtype).eps))
    np.testing.assert_array_equal(parts.labels, whole.labels)
    np.testing.assert_array_equal(parts.predicted, whole.predicted)
    np.testing.assert_allclose(
        parts.confidence, whole.confidence, rtol=10 * float(np.finfo(dtype).eps)
    )


def test_accuracy_and_confusion_equal_scikit_learns() -> None:
    scores = scored(20)
    assert 0 < scores.accuracy < 1
    assert scores.accuracy == accuracy_score(scores.labels, scores.predicted)
    assert scores.correct == accuracy_score(scores.labels, scores.predicted, normalize=False)
    np.testing.assert_array_equal(
        scores.confusion, confusion_matrix(scores.labels, scores.predicted)
    )


def test_precision_recall_and_f1_equal_scikit_learns() -> None:
    scores = scored(20)
    precision, recall, f1, support = precision_recall_fscore_support(
        scores.labels, scores.predicted
    )
    got = by_class(scores.confusion)
    assert [s.n_rows for s in got] == list(support)
    assert [s.precision for s in got] == pytest.approx(precision, rel=1e-12)
    assert [s.recall for s in got] == pytest.approx(recall, rel=1e-12)
    assert [s.f1 for s in got] == pytest.approx(f1, rel=1e-12)


def test_classes_never_seen_or_never_guessed_score_0_as_in_scikit_learn() -> None:
    labels, predicted = (
        np.array([0, 0, 1, 1, 4]),
        np.array([0, 2, 2, 1, 0]),
    )  # 2 not seen, 4 not guessed, 3 neither
    scores = Scores(0.0, labels, predicted, np.ones(5), K)
    expected = precision_recall_fscore_support(labels, predicted, labels=range(K), zero_division=0)
    got = [(s.precision, s.recall, s.f1, s.n_rows) for s in by_class(scores.confusion)]
    np.testing.assert_allclose(np.array(got).T, expected)
    assert scores.confusion.shape == (K, K)


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (3, 7), (17, 40), (9_801, 10_000)]
)
def test_the_interval_equals_scipys_wilson_interval(successes: int, n: int) -> None:
    expected = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, n) == pytest.approx(
        (expected.low, expected.high), rel=1e-12, abs=1e-15
    )


def test_the_interval_of_scores_is_that_of_their_accuracy() -> None:
    scores = scored(20)
    assert scores.interval == wilson_interval(scores.correct, N)
    assert scores.interval[0] < scores.accuracy < scores.interval[1]


def test_worst_are_the_wrong_guesses_by_falling_confidence_and_first_come_first() -> None:
    labels, predicted = np.array([0, 1, 2, 0, 1, 2]), np.array([0, 0, 0, 1, 1, 1])
    scores = Scores(0.0, labels, predicted, np.array([0.9, 0.4, 0.7, 0.4, 0.9, 0.8]), 3)
    assert list(scores.worst(10)) == [5, 2, 1, 3]
    assert list(scores.worst(2)) == [5, 2]
    assert list(scores.worst(0)) == []


def test_a_network_that_is_always_right_has_no_worst() -> None:
    labels = np.array([0, 1, 2])
    assert len(Scores(0.0, labels, labels, np.ones(3), 3).worst(3)) == 0


def test_weights_too_large_for_a_finite_loss_are_scored_so_without_a_warning() -> None:
    network, x, labels = rows(np.float32)
    network.theta *= 1e38
    network.activation = "relu"
    found = ByRow(np.zeros(N, np.float32), np.zeros(N, np.intp), np.zeros(N, np.float32))
    score(network, [(x, labels)], workspace(SHAPE, N), found)
    assert not np.isfinite(found.scores(labels, SHAPE.K).loss)
