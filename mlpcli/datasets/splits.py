"""Stratified splits: every class gives the same fraction of its rows to each subset."""

from collections.abc import Mapping

import numpy as np

from mlpcli.arrays import Index, Labels
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words

NEGLIGIBLE = 0.002  # share of the rows that may be of classes too small to be split


def split(
    labels: Labels,
    classes: tuple[str, ...],
    fractions: Mapping[str, float],
    rng: np.random.Generator,
) -> dict[str, Index]:
    """The indices of each subset's rows, in ascending order; "train" has what the others leave.

    Every row is in exactly one subset. A subset's rows depend on the random stream and on the
    fractions before its own, not on those after it. A class with too few rows to be in every
    subset is in "train" alone.
    Raises DataError if such classes have more than a negligible share of the rows.
    """
    _check_sizes(labels, classes, fractions)
    subsets = ["train", *fractions]
    pieces: dict[str, list[Index]] = {subset: [] for subset in subsets}
    for indices in _by_class(labels, len(classes)):
        rest = rng.permutation(indices)
        taken = _counts(len(indices), fractions)
        for subset, count in taken.items():
            pieces[subset].append(rest[:count])
            rest = rest[count:]
        pieces["train"].append(rest)
    return {subset: _joined(pieces[subset]) for subset in subsets}


def only_trained_on(
    labels: Labels, classes: tuple[str, ...], fractions: Mapping[str, float]
) -> list[str]:
    """The classes with too few rows to be in every subset."""
    if not fractions:
        return []
    n_rows = np.bincount(labels, minlength=len(classes)).tolist()
    return [
        name for name, n in zip(classes, n_rows, strict=True) if n and not _is_split(n, fractions)
    ]


def _check_sizes(labels: Labels, classes: tuple[str, ...], fractions: Mapping[str, float]) -> None:
    small = only_trained_on(labels, classes, fractions)
    if not small:
        return
    counts = dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))
    n_small = sum(counts[name] for name in small)
    if n_small > NEGLIGIBLE * len(labels):
        raise DataError(_too_few({name: counts[name] for name in small}))


def _is_split(n_rows: int, fractions: Mapping[str, float]) -> bool:
    return bool(_counts(n_rows, fractions))


def _counts(n_rows: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """The rows of each subset but "train", at least one; none if no row would be left to train."""
    counts = {subset: max(1, round(fraction * n_rows)) for subset, fraction in fractions.items()}
    if sum(counts.values()) >= n_rows:
        return {}
    return counts


def _by_class(labels: Labels, n_classes: int) -> list[Index]:
    """The indices of each class's rows, in ascending order."""
    counts = np.bincount(labels, minlength=n_classes)
    ends = np.cumsum(counts)
    order = np.argsort(labels, kind="stable")
    return np.split(order, ends[:-1])


def _joined(pieces: list[Index]) -> Index:
    if not pieces:
        return np.empty(0, np.intp)
    return np.sort(np.concatenate(pieces))


def _too_few(counts: Mapping[str, int]) -> str:
    named = names_in_words([f"{name!r} ({count:,})" for name, count in counts.items()])
    return (
        f"these classes have too few rows to be split into training and other rows: {named}. "
        "Add rows of them, or leave them out."
    )
