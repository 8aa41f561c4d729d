"""What is right in form and wrong in meaning: ids, labels in other words, quantities as labels."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mlpcli.arrays import Floats, Labels, Raw
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column, feature_columns

FEW_ROWS = 10  # of so few rows, any column may be different in each
YEARS = (1500, 2100)  # whole numbers within are taken for years, and not for ids
ID_NAME = re.compile(r"(^|[\s_.-])(id|index|uuid|guid|key|nr|no|rownames?)$", re.IGNORECASE)
MANY_COLUMNS = 4096  # beyond them, a table is no sheet that somebody has numbered
ENOUGH_ROWS = 50  # to say of a column that it decides the label
MANY_NUMBERS, ROWS_EACH = 20, 5  # more labels, of fewer rows each, are a quantity


@dataclass(frozen=True)
class _Feature:
    """A column of raw rows: its index there, its place in the source from 1, and what it is."""

    index: int
    place: int
    column: Column

    @property
    def words(self) -> str:
        """The column in a sentence."""
        if self.column.name:
            return f"column {self.place:,} ({self.column.name})"
        return f"column {self.place:,}"

    @property
    def key(self) -> str:
        """The column as data.ignore takes it."""
        return self.column.name or str(self.place)


def checked(table: Table, options: ReadingOptions) -> Table:
    """The table with ids ignored, and with notes of what may be wrong.

    Raises DataError if training on it would be of no use: the label is a quantity, or the last one
    of several columns of 0 and 1 that are one label together.
    """
    _check_quantity(table)
    if table.image or table.n_features > MANY_COLUMNS:
        return table
    features = _features(table)
    labels = np.asarray(table.labels.indices, np.intp)
    _check_one_hot(table, features)
    ids: list[_Feature] = []
    if options.ignore is None:
        ids = [feature for feature in features if _is_id(table.x[:, feature.index], feature.column)]
    others = [feature for feature in features if feature not in ids]
    deciding = [
        feature for feature in others if _decides(table.x[:, feature.index], feature.column, labels)
    ]
    notes = [*_id_notes(ids), *_deciding_notes(deciding)]
    columns = _ignoring(table, ids)
    for feature in ids:
        table.x[:, feature.index] = 0  # as for every column that is ignored
    return replace(table, columns=columns, notes=(*table.notes, *notes))


def _features(table: Table) -> list[_Feature]:
    """The features that are used."""
    columns = table.columns or (Column("", "number"),) * table.n_features
    places = [place for place, column in enumerate(columns, start=1) if column.is_feature]
    features = zip(places, feature_columns(columns), strict=True)
    everything = [_Feature(index, *feature) for index, feature in enumerate(features)]
    return [feature for feature in everything if feature.column.kind != "ignored"]


def _is_id(cells: Raw, column: Column) -> bool:
    """Whether a column of whole numbers is different in every row, and not of years."""
    if column.kind != "number" or len(cells) < FEW_ROWS or not _is_whole(cells):
        return False
    low, high = cells.min(), cells.max()
    is_of_years = YEARS[0] <= low and high <= YEARS[1] and not ID_NAME.search(column.name)
    return not is_of_years and len(np.unique(cells)) == len(cells)


def _is_whole(cells: Raw) -> bool:
    if cells.dtype.kind != "f":
        return True
    first = cells[:FEW_ROWS]
    return bool(np.all(first == np.floor(first)) and np.all(cells == np.floor(cells)))


def _id_notes(ids: list[_Feature]) -> Iterator[str]:
    for feature in ids:
        yield (
            f"{feature.words} is a whole number that is different in every row, as an id is: it is "
            "ignored. To use it: --set 'data.ignore=[]'"
        )


def _ignoring(table: Table, ids: list[_Feature]) -> tuple[Column, ...]:
    """The columns, with these ignored."""
    if not ids:
        return table.columns
    columns = list(table.columns or (Column("", "number"),) * table.n_features)
    for feature in ids:
        columns[feature.place - 1] = replace(feature.column, kind="ignored")
    return tuple(columns)


def _decides(cells: Raw, column: Column, labels: Labels) -> bool:
    """Whether the cells of one column alone tell the class of every row."""
    if len(cells) < ENOUGH_ROWS or np.isnan(np.min(cells)):
        return False
    if column.kind == "category":
        return _levels_decide(cells, labels)
    return _ranges_decide(cells, labels)


def _levels_decide(cells: Raw, labels: Labels) -> bool:
    """Whether every level is of one class, and levels are few."""
    levels = len(np.unique(cells))
    pairs = np.unique(np.stack([cells.astype(np.intp), labels]), axis=1)
    return levels * ROWS_EACH <= len(cells) and pairs.shape[1] == levels


def _ranges_decide(cells: Raw, labels: Labels) -> bool:
    """Whether every class has a range of numbers to itself.

    In the order of the cells, the class changes only between cells that differ, and once for each
    class but the first.
    """
    n_classes = len(np.unique(labels))
    order = np.lexsort((labels, cells))
    changes = np.flatnonzero(np.diff(labels[order]))
    if len(changes) != n_classes - 1:
        return False
    in_order = cells[order]
    return bool(np.all(in_order[changes] != in_order[changes + 1]))


def _deciding_notes(deciding: list[_Feature]) -> Iterator[str]:
    for feature in deciding:
        yield (
            f"{feature.words} alone decides the label in every row. If it is the label in another "
            f"form, leave it out: --set data.ignore={feature.key}"
        )


def _check_one_hot(table: Table, features: list[_Feature]) -> None:
    """Raise DataError if the label and the columns before it are 0 or 1, and sum to 1."""
    names = table.labels.names
    if set(names) != {"0", "1"} or not table.columns or table.columns[-1].kind != "label":
        return
    total: Floats = np.array([float(name) for name in names])[table.labels.indices]
    for count, feature in enumerate(reversed(features), start=2):
        cells = table.x[:, feature.index]
        if feature.place != len(table.columns) + 1 - count or not np.isin(cells, (0, 1)).all():
            return
        total = total + cells
        if np.all(total == 1):
            first = feature.place
            raise DataError(
                f"{table.origin}: the columns {first:,} to {len(table.columns):,} are 0 or 1 and "
                "sum to 1 in every row, as a label in one-hot form does. "
                "Write one column with the name of the class."
            )


def _check_quantity(table: Table) -> None:
    """Raise DataError if labels are many whole numbers with few rows each."""
    names = table.labels.names
    n_rows = table.n_rows
    if len(names) < MANY_NUMBERS or len(names) * ROWS_EACH <= n_rows:
        return
    if not all(name.lstrip("-").isdigit() for name in names):
        return
    raise DataError(
        f"{table.origin}: the label is {len(names):,} different whole numbers in {n_rows:,} rows, "
        "which looks like a quantity; this tool tells classes apart. Make classes of its "
        "ranges, or name another column with data.target."
    )
