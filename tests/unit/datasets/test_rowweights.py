"""Weights of rows and classes: scikit-learn's balanced ones, and mean 1 over the training rows."""

from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from mlpcli.datasets.dataset import Rows
from mlpcli.datasets.rowweights import ClassWeight, row_weights
from mlpcli.errors import DataError

N = 90
LABELS = np.repeat([0, 1, 2], [60, 20, 10])
CLASSES = ("ash", "elm", "oak")
X = np.zeros((N, 1))


def weights(class_weight: ClassWeight, own: Any = None, train: Any = None) -> Any:
    """The weights of all rows, of which every second is for training if `train` is not given."""
    index = np.arange(0, N, 2) if train is None else np.asarray(train)
    rest = np.setdiff1d(np.arange(N), index)
    parts = {"train": Rows(X, LABELS, index, own), "test": Rows(X, LABELS, rest, own)}
    return row_weights(parts, CLASSES, class_weight)["train"]


def test_without_weights_there_are_none() -> None:
    assert weights("none") is None


def test_balanced_weights_are_scikit_learns() -> None:
    train = np.arange(0, N, 2)
    expected = compute_sample_weight("balanced", LABELS[train])
    np.testing.assert_allclose(weights("balanced")[train], expected, rtol=1e-6)


def test_balanced_classes_have_no_weights() -> None:
    assert weights("balanced", train=[0, 1, 60, 61, 80, 81]) is None


def test_weights_have_mean_1_over_the_training_rows() -> None:
    own = np.random.default_rng(0).random(N) * 50
    found = weights({"oak": 3.0}, own)
    assert found[::2].mean() == pytest.approx(1)
    ratio = found / (own * np.where(LABELS == 2, 3, 1))
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)


@pytest.mark.parametrize("weight", [0.1, 1.0, 7.0])
def test_equal_weights_are_none(weight: float) -> None:
    assert weights("none", np.full(N, weight)) is None


def test_a_class_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="class_weight names fir, and the classes are ash, elm"):
        weights({"fir": 2.0})


def test_weights_that_are_all_0_are_refused() -> None:
    with pytest.raises(DataError, match="the weights of the train rows are all 0"):
        weights({"ash": 0.0}, train=[0, 1, 2])
