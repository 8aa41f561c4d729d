"""Columns of a table: their names and kinds, and the levels of those that hold words."""

from collections.abc import Iterable
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


def feature_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns that raw rows x have, in their order there."""
    return tuple(column for column in columns if column.is_feature)
