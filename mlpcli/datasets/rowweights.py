"""The weight w of each row: its own weight times that of its class, with mean 1 in training."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from mlpcli.arrays import Floats, Labels
from mlpcli.datasets.dataset import Rows
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words

ClassWeight: TypeAlias = Literal["none", "balanced"] | Mapping[str, float]


def row_weights(
    parts: Mapping[str, Rows], classes: tuple[str, ...], class_weight: ClassWeight
) -> dict[str, Floats | None]:
    """The weights of the rows of each part's table (N), or None for all if they are all alike.

    They are scaled to mean 1 over the training rows. Raises DataError for the weight of a class
    that there is not, and if all rows of a part have the weight 0.
    """
    train = parts["train"]
    by_class = _by_class(train, classes, class_weight)
    weights = {name: _own(rows) * by_class[rows.labels] for name, rows in parts.items()}
    for name, rows in parts.items():
        if len(rows) and not weights[name][rows.index].any():
            raise DataError(f"the weights of the {name} rows are all 0, so they count for nothing.")
    trained = weights["train"][train.index]
    used = [weights[name][rows.index] for name, rows in parts.items()]
    if np.all(np.concatenate(used) == trained[0]):
        return dict.fromkeys(parts)
    return {name: (each / trained.mean()).astype(np.float32) for name, each in weights.items()}


def _own(rows: Rows) -> Floats:
    if rows.weights is None:
        return np.ones(len(rows.labels))
    return rows.weights


def _by_class(train: Rows, classes: tuple[str, ...], class_weight: ClassWeight) -> Floats:
    """The weight of each class (K)."""
    K = len(classes)
    if class_weight == "none":
        return np.ones(K)
    if class_weight == "balanced":
        return _balanced(train.labels[train.index], K)
    assert not isinstance(class_weight, str)
    unknown = sorted(set(class_weight) - set(classes))
    if unknown:
        raise DataError(
            f"training.class_weight names {names_in_words(unknown)}, and the classes are "
            f"{names_in_words(classes)}."
        )
    return np.array([class_weight.get(name, 1.0) for name in classes])


def _balanced(labels: Labels, K: int) -> Floats:
    """N / (K n) for a class of n of the N training rows, so that all classes weigh the same."""
    counts = np.bincount(labels, minlength=K)
    weights: Floats = len(labels) / (K * np.maximum(counts, 1))
    return weights
