"""Stratified splits: every class gives the same share of its rows to each part."""

import numpy as np

from mlpcli.arrays import Index, Labels
from mlpcli.errors import DataError


def split(
    labels: Labels, classes: tuple[str, ...], fractions: list[float], rng: np.random.Generator
) -> tuple[Index, list[Index]]:
    """The training rows, and one set of rows for each fraction; every row is in exactly one of them.

    A part's rows depend on the stream and on the fractions before it, not on those after it.
    Raises DataError for a class with too few rows to be in every part.
    """
    train: list[Index] = []
    parts: list[list[Index]] = [[] for _ in fractions]
    counts = np.bincount(labels, minlength=len(classes))
    of_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    for name, rows in zip(classes, of_class, strict=True):
        rest = rng.permutation(rows)
        for part, fraction in zip(parts, fractions, strict=True):
            count = max(1, round(fraction * len(rows)))
            part.append(rest[:count])
            rest = rest[count:]
        if not len(rest):
            held = f"{len(rows):,} " + ("row" if len(rows) == 1 else "rows")
            raise DataError(
                f"class {name!r} has {held}, too few to split into training, validation and test rows. "
                "Add rows of that class, leave it out, or set data.validation and data.test smaller."
            )
        train.append(rest)
    return _sorted(train), [_sorted(part) for part in parts]


def _sorted(pieces: list[Index]) -> Index:
    return np.sort(np.concatenate(pieces))
