"""Columns of a table: their names and kinds, and the levels of those that hold words."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["number", "category", "ignored", "label", "weight"]
FEATURE_KINDS = ("number", "category", "ignored")  # of the columns that raw rows x have


@dataclass(frozen=True)
class Column:
    """A column of a source: its name ("" without one), its kind, and the levels of a category.

    In the raw rows x, a category's cell is the index of its level, −1 for a level that is not
    among them, and NaN where the cell is missing.
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()

    @property
    def is_feature(self) -> bool:
        """Whether the raw rows x have this column; one that is ignored is there, and not used."""
        return self.kind in FEATURE_KINDS


def unnamed_numbers(count: int) -> tuple[Column, ...]:
    """The columns of raw rows of which no more is known than that they are numbers."""
    return (Column("", "number"),) * count


def spelling(text: str) -> float | str:
    """What "1" and "1.0" have in common, and "True" and "true"; else the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower()
    if not text.isascii() or "_" in text:
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def other_spellings(levels: Sequence[str]) -> dict[float | str, float]:
    """The index of each level by its spelling, but for those of which several levels are one."""
    spellings = [spelling(level) for level in levels]
    n_levels = Counter(spellings)
    return {each: float(index) for index, each in enumerate(spellings) if n_levels[each] == 1}


def feature_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns that raw rows x have, in their order there."""
    return tuple(column for column in columns if column.is_feature)
