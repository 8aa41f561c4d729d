"""The categories of Parquet, Feather and Arrow files: codes of cells, and which are of use."""

from dataclasses import replace
from typing import Any

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.datasets.arrowfile import as_texts
from mlpcli.datasets.csvcells import Levels, sorted_levels
from mlpcli.datasets.csvkinds import judge
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column

BOOLEANS = ("False", "True")


def codes_of(array: Any, levels: Levels) -> Floats:
    """The index of each cell's level (n), NaN if it is missing, −1 if it is not known."""
    texts, indices = as_texts(array)
    codes: Floats = np.append(levels.encode(texts), np.nan)[indices]
    return codes


def add_booleans(levels: Levels) -> None:
    """Let True and False be known by the levels that a text file had for them, as "true"."""
    code_of = {level.lower(): code for level, code in levels.code_of.items()}
    for name in BOOLEANS:
        if name.lower() in code_of:
            levels.code_of.setdefault(name, code_of[name.lower()])


def judged(
    where: str, codes: Floats, column: Column, levels: Levels, is_asked: bool
) -> tuple[Column, str]:
    """A category with its levels in order, or ignored, and a note; the codes are changed to fit.

    It is not judged if the user has asked for a category. Raises DataError if it is probably none.
    """
    known = codes[codes >= 0].astype(np.intp)
    note = ""
    if not is_asked:
        counts = np.bincount(known, minlength=len(levels.names))
        fits, note = judge(where, levels.names, lambda: counts, levels.too_many)
        if not fits:
            codes[:] = 0
            return replace(column, kind="ignored"), note
    elif levels.too_many:
        raise DataError(f"{where} has too many different texts to be a category.")
    names = sorted_levels(levels.names)
    rank_of = {name: rank for rank, name in enumerate(names)}
    ranks = np.array([rank_of[name] for name in levels.names], np.float64)
    codes[codes >= 0] = ranks[known]
    return replace(column, levels=tuple(names)), note
