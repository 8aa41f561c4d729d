"""Scores, against scikit-learn, SciPy and the row-by-row oracle."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from scipy.stats import binomtest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
)

from mlpcli.arrays import Floats, Labels, Shape
from mlpcli.model.buffers import Workspace, workspace
from mlpcli.model.initialisation import initialise_uniform
from mlpcli.model.metrics import ByRow, ClassScores, Scores, by_class, score, wilson_interval
from mlpcli.model.network import Network, forward
from mlpcli.model.network import probabilities as write_probabilities
from tests.support import reference
from tests.support.formats import some

N, D, H, K = 53, 7, 11, 5
SHAPE = Shape(D, H, K)


def network_and_rows(dtype: type = np.float64) -> tuple[Network, Floats, Labels]:
    """A network, and rows x (N,D) with labels (N)."""
    rng = np.random.default_rng(0)
    network = Network(SHAPE, "tanh", dtype)
    network.theta[:] = rng.normal(size=SHAPE.parameters)
    x: Floats = rng.normal(size=(N, D)).astype(dtype)
    return network, x, rng.integers(0, K, N)


def scored(
    size: int, B: int = 60, dtype: type = np.float64, weights: Floats | None = None
) -> Scores:
    """The scores of all rows, `size` at a time, in buffers for B rows that hold NaN at first."""
    network, x, labels = network_and_rows(dtype)
    ws = workspace(SHAPE, B, dtype)
    for buffer in (ws.a, ws.s, ws.h, ws.z, ws.p):
        buffer.fill(np.nan)

    def batches() -> Iterator[tuple[Floats, Labels]]:
        for start in range(0, N, size):
            yield x[start : start + size], labels[start : start + size]

    by_row = ByRow(np.full(N, np.nan, dtype), np.zeros(N, np.intp), np.full(N, np.nan, dtype))
    score(network, batches(), ws, by_row)
    return by_row.scores(labels, K, weights)


def probabilities() -> Floats:
    """softmax(z) of every row, by the oracle."""
    network, x, _ = network_and_rows()
    w = reference.unflat(network.theta, *SHAPE)
    nothing_dropped = np.ones(H)
    z = [reference.forward(w, "tanh", row, nothing_dropped, label=0).z for row in x]
    exponentials: Floats = np.exp(z)
    totals: Floats = exponentials.sum(axis=1, keepdims=True)
    return exponentials / totals


def test_loss_predictions_and_confidence_are_those_of_the_reference() -> None:
    scores = scored(N)
    p = probabilities()
    _, _, labels = network_and_rows()
    assert scores.loss == pytest.approx(log_loss(labels, p, labels=range(K)), rel=1e-12)
    np.testing.assert_array_equal(scores.labels, labels)
    np.testing.assert_array_equal(scores.predicted, p.argmax(axis=1))
    np.testing.assert_allclose(scores.confidence, p.max(axis=1), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 7, 20, 52, 53])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_of_any_size_give_the_same_scores(size: int, dtype: type) -> None:
    tolerance = 10 * float(np.finfo(dtype).eps)
    whole = scored(N, dtype=dtype)
    parts = scored(size, dtype=dtype)
    assert parts.n_rows == N
    assert parts.loss == pytest.approx(whole.loss, rel=tolerance)
    np.testing.assert_array_equal(parts.labels, whole.labels)
    np.testing.assert_array_equal(parts.predicted, whole.predicted)
    np.testing.assert_allclose(parts.confidence, whole.confidence, rtol=tolerance)


# 1e-3: the scale of the weights makes no difference
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_with_weights_the_loss_is_scikit_learns_and_all_else_counts_each_row_once(
    scale: float,
) -> None:
    weights = scale * np.resize([1.0, 0.0, 2.5], N)
    scores = scored(20, weights=weights)
    expected = log_loss(
        scores.labels, probabilities(), labels=range(K), sample_weight=weights / scale
    )
    assert scores.loss == pytest.approx(expected, rel=1e-12)
    without = scored(20)
    assert scores.loss != pytest.approx(without.loss, rel=1e-3)
    assert scores.accuracy == without.accuracy
    assert scores.balanced_accuracy == without.balanced_accuracy
    np.testing.assert_array_equal(scores.confusion, without.confusion)
    assert scores.weights is weights
    assert without.weights is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("of_weights", [np.float32, np.float64])
def test_weights_that_are_all_1_leave_every_byte_of_the_loss(dtype: type, of_weights: type) -> None:
    n = 100_003
    rng = np.random.default_rng(1)
    losses: Floats = rng.exponential(size=n).astype(dtype)
    labels = np.zeros(n, np.intp)
    by_row = ByRow(losses, labels, losses)
    ones: Floats = np.ones(n, of_weights)
    assert by_row.scores(labels, K, ones).loss == by_row.scores(labels, K).loss


def test_a_loss_that_is_infinite_is_so_with_weights_too_without_a_warning() -> None:
    labels = np.zeros(3, np.intp)
    losses = np.array([1.0, np.inf, 1.0], np.float32)
    for weights in ([1.0, 1.0, 2.0], [1.0, 0.0, 1.0]):
        scores = ByRow(losses, labels, losses).scores(labels, K, np.array(weights))
        assert not np.isfinite(scores.loss)


def test_accuracy_and_confusion_equal_scikit_learns() -> None:
    scores = scored(20)
    labels, predicted = scores.labels, scores.predicted
    assert 0 < scores.accuracy < 1
    assert scores.accuracy == accuracy_score(labels, predicted)
    assert scores.correct == accuracy_score(labels, predicted, normalize=False)
    np.testing.assert_array_equal(scores.confusion, confusion_matrix(labels, predicted))


def test_precision_recall_and_f1_equal_scikit_learns() -> None:
    scores = scored(20)
    expected = precision_recall_fscore_support(scores.labels, scores.predicted)
    precision, recall, f1, support = expected
    classes = by_class(scores.confusion)
    assert [c.n_rows for c in classes] == list(support)
    assert [c.precision for c in classes] == pytest.approx(precision, rel=1e-12)
    assert [c.recall for c in classes] == pytest.approx(recall, rel=1e-12)
    assert [c.f1 for c in classes] == pytest.approx(f1, rel=1e-12)


LABELS = np.array([0, 0, 1, 1, 4])
PREDICTED = np.array([0, 2, 2, 1, 0])  # 2 has no rows, 4 is never predicted, 3 neither


def test_what_is_undefined_in_a_class_is_none_where_scikit_learn_has_nan() -> None:
    scores = Scores(0.0, LABELS, PREDICTED, np.ones(5), K)
    expected = precision_recall_fscore_support(
        LABELS, PREDICTED, labels=range(K), zero_division=np.nan
    )
    classes = by_class(scores.confusion)
    with_rows = [0, 1, 4]
    for k in with_rows:
        c = classes[k]
        values = [np.nan if v is None else v for v in (c.precision, c.recall, c.f1, c.n_rows)]
        np.testing.assert_allclose(values, [column[k] for column in expected])
    assert scores.confusion.shape == (K, K)


@pytest.mark.parametrize("k", [2, 3])
def test_a_class_without_rows_has_no_scores_predicted_or_not(k: int) -> None:
    scores = Scores(0.0, LABELS, PREDICTED, np.ones(5), K)
    assert by_class(scores.confusion)[k] == ClassScores(0, None, None, None)


def test_a_class_that_is_never_predicted_has_no_precision_and_a_recall_of_0() -> None:
    scores = Scores(0.0, LABELS, PREDICTED, np.ones(5), K)
    assert by_class(scores.confusion)[4] == ClassScores(1, None, 0.0, 0.0)


rows_of_classes = st.lists(st.tuples(st.integers(0, K - 1), st.integers(0, K - 1)), min_size=1)


# scikit-learn warns of predictions that are no label, and of a single label.
@pytest.mark.filterwarnings("ignore::UserWarning")
@some
@given(rows_of_classes)
def test_balanced_accuracy_and_largest_class_equal_scikit_learns(
    rows: list[tuple[int, int]],
) -> None:
    labels, predicted = np.array(rows).T
    scores = Scores(0.0, labels, predicted, np.ones(len(rows)), K)
    expected = balanced_accuracy_score(labels, predicted)
    assert scores.balanced_accuracy == pytest.approx(expected, rel=1e-12)
    of_the_commonest = DummyClassifier(strategy="most_frequent").fit(labels, labels)
    assert scores.largest_class == of_the_commonest.score(labels, labels)


def test_guessing_the_largest_class_alone_has_its_share_and_a_balanced_accuracy_of_1_in_k() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    scores = Scores(0.0, labels, np.zeros_like(labels), np.ones(100), 2)
    assert (scores.accuracy, scores.largest_class) == (0.9, 0.9)
    assert scores.balanced_accuracy == 0.5


def test_classes_without_rows_do_not_lower_the_balanced_accuracy() -> None:
    labels = np.array([0, 0, 3, 3])
    scores = Scores(0.0, labels, np.array([0, 0, 3, 1]), np.ones(4), K)
    assert scores.balanced_accuracy == 0.75
    assert scores.largest_class == 0.5


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (3, 7), (17, 40), (9_801, 10_000)]
)
def test_the_interval_equals_scipys_wilson_interval(successes: int, n: int) -> None:
    expected = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(successes, n)
    assert low == pytest.approx(expected.low, rel=1e-12, abs=1e-15)
    assert high == pytest.approx(expected.high, rel=1e-12, abs=1e-15)


def test_the_interval_of_scores_is_that_of_their_accuracy() -> None:
    scores = scored(20)
    assert scores.interval == wilson_interval(scores.correct, N)
    assert scores.interval[0] < scores.accuracy < scores.interval[1]


def test_worst_are_the_wrong_predictions_by_falling_confidence_and_first_come_first() -> None:
    labels = np.array([0, 1, 2, 0, 1, 2])
    predicted = np.array([0, 0, 0, 1, 1, 1])
    confidence = np.array([0.9, 0.4, 0.7, 0.4, 0.9, 0.8])
    scores = Scores(0.0, labels, predicted, confidence, 3)
    assert list(scores.worst(10)) == [5, 2, 1, 3]
    assert list(scores.worst(2)) == [5, 2]
    assert list(scores.worst(0)) == []


def test_a_network_that_is_always_right_has_no_worst() -> None:
    labels = np.array([0, 1, 2])
    assert len(Scores(0.0, labels, labels, np.ones(3), 3).worst(3)) == 0


def test_weights_too_large_for_a_finite_loss_are_scored_so_without_a_warning() -> None:
    network, x, labels = network_and_rows(np.float32)
    network.theta *= 1e38
    network.activation = "relu"
    by_row = ByRow(np.zeros(N, np.float32), np.zeros(N, np.intp), np.zeros(N, np.float32))
    score(network, [(x, labels)], workspace(SHAPE, N), by_row)
    assert not np.isfinite(by_row.scores(labels, K).loss)


def smoothed_network(smoothing: float) -> tuple[Network, Workspace]:
    """A network and its logits for 50 rows of 3 classes, among them sure ones."""
    network = Network(Shape(4, 6, 3), "tanh", np.float64, smoothing)
    ws = workspace(network.shape, 50, np.float64)
    ws.z[...] = np.random.default_rng(0).normal(scale=4, size=(50, 3))
    return network, ws


def test_smoothing_that_was_learnt_is_taken_back() -> None:
    """A network that gives (1 − ε) p + ε/K predicts p."""
    network, ws = smoothed_network(0.1)
    truth = np.random.default_rng(1).dirichlet([2, 2, 2], 50)
    truth = np.maximum(truth, 0.02)
    truth /= truth.sum(axis=1, keepdims=True)
    ws.z[...] = np.log(0.9 * truth + 0.1 / 3)
    write_probabilities(network, ws)
    np.testing.assert_allclose(ws.p, truth, atol=1e-12)


def test_probabilities_are_no_less_than_a_tenth_of_the_smoothing_and_sum_to_1() -> None:
    network, ws = smoothed_network(0.1)
    order = ws.z.argsort(axis=1)
    write_probabilities(network, ws)
    assert ws.p.min() > 0.009
    np.testing.assert_allclose(ws.p.sum(axis=1), 1)
    np.testing.assert_array_equal(ws.p.argmax(axis=1), order[:, -1])


def test_without_smoothing_probabilities_are_the_softmax() -> None:
    network, ws = smoothed_network(0.0)
    write_probabilities(network, ws)
    np.testing.assert_allclose(ws.p, special.softmax(ws.z, axis=1), rtol=1e-12)


def test_the_loss_is_that_of_the_probabilities_with_smoothing_taken_back() -> None:
    network, ws = smoothed_network(0.2)
    initialise_uniform(network, np.random.default_rng(0))
    x = np.random.default_rng(2).normal(size=(50, 4))
    labels = np.arange(50) % 3
    by_row = ByRow(np.empty(50), np.empty(50, np.intp), np.empty(50))
    score(network, [(x, labels)], ws, by_row)
    forward(network, x, 1.0, ws)
    write_probabilities(network, ws)
    np.testing.assert_allclose(by_row.losses, -np.log(ws.p[np.arange(50), labels]))
    np.testing.assert_array_equal(by_row.confidence, ws.p.max(axis=1))
