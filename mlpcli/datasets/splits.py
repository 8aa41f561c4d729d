"""Stratified splits: every class gives the same fraction of its rows to each subset."""

from collections.abc import Mapping

import numpy as np

from mlpcli.arrays import Index, Labels
from mlpcli.errors import DataError


def split(
    labels: Labels,
    classes: tuple[str, ...],
    fractions: Mapping[str, float],
    rng: np.random.Generator,
) -> dict[str, Index]:
    """The indices of each subset's rows, in ascending order; "train" has what the others leave.

    Every row is in exactly one subset. A subset's rows depend on the random stream and on the
    fractions before its own, not on those after it.
    Raises DataError for a class with too few rows to be in every subset.
    """
    subsets = ["train", *fractions]
    pieces: dict[str, list[Index]] = {subset: [] for subset in subsets}
    by_class = _by_class(labels, len(classes))
    for class_name, indices in zip(classes, by_class, strict=True):
        n_rows = len(indices)
        rest = rng.permutation(indices)
        for subset, fraction in fractions.items():
            share = round(fraction * n_rows)
            count = max(1, share)
            pieces[subset].append(rest[:count])
            rest = rest[count:]
        if not len(rest):
            raise DataError(_too_few(class_name, n_rows))
        pieces["train"].append(rest)
    return {subset: _joined(pieces[subset]) for subset in subsets}


def _by_class(labels: Labels, n_classes: int) -> list[Index]:
    """The indices of each class's rows, in ascending order."""
    counts = np.bincount(labels, minlength=n_classes)
    ends = np.cumsum(counts)
    order = np.argsort(labels, kind="stable")
    return np.split(order, ends[:-1])


def _joined(pieces: list[Index]) -> Index:
    return np.sort(np.concatenate(pieces))


def _too_few(class_name: str, n_rows: int) -> str:
    rows = "rows"
    if n_rows == 1:
        rows = "row"
    return (
        f"class {class_name!r} has {n_rows:,} {rows}, "
        "too few to split into training, validation and test rows. "
        "Add rows of that class, leave it out, or set data.validation and data.test smaller."
    )
