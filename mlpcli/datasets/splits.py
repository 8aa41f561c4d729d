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
    pieces: dict[str, list[Index]] = {name: [] for name in ("train", *fractions)}
    n_by_class = np.bincount(labels, minlength=len(classes))
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(n_by_class)[:-1])
    for class_name, indices in zip(classes, by_class, strict=True):
        rest = rng.permutation(indices)
        for subset, fraction in fractions.items():
            count = max(1, round(fraction * len(indices)))
            pieces[subset].append(rest[:count])
            rest = rest[count:]
        if not len(rest):
            raise DataError(_too_few(class_name, len(indices)))
        pieces["train"].append(rest)
    return {subset: np.sort(np.concatenate(found)) for subset, found in pieces.items()}


def _too_few(class_name: str, n_rows: int) -> str:
    rows = "row" if n_rows == 1 else "rows"
    return (
        f"class {class_name!r} has {n_rows:,} {rows}, "
        "too few to split into training, validation and test rows. "
        "Add rows of that class, leave it out, or set data.validation and data.test smaller."
    )
