"""What is right in form and wrong in meaning: ids, labels in other words, quantities as labels."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mlpcli.arrays import Labels, Raw
from mlpcli.datasets.classes import check_one_hot, check_quantity, label_notes
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table
from mlpcli.messages import names_in_words
from mlpcli.preprocessing.columns import Column, feature_columns, unnamed_numbers

KEEP = "To use it: --set 'data.ignore=[]'"
NEARLY_ALL = 0.95  # of the cells, that differ in a column with the name of an id
FEW_ROWS = 10  # of so few rows, any column may be different in each
DATES = (1900_01_01, 2100_12_31)
YEARS = (1500, 2100)  # whole numbers within are taken for years, and not for ids
ID_NAME = re.compile(r"(^|[\s_.-])(id|index|uuid|guid|key|nr|no|rownames?)$", re.IGNORECASE)
MANY_COLUMNS = 4096  # beyond them, a table is no sheet that somebody has numbered
MOST_COLUMNS = 1 << 17  # of more, each would take memory that its cells do not
ENOUGH_ROWS = 50  # to say of a column that it decides the label
ROWS_EACH = 5  # of a level, on the mean, if it is to tell anything of the label


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
    check_quantity(table)
    if table.image or table.n_features > MOST_COLUMNS:
        return table
    check_one_hot(table)
    features = _features(table)
    if table.n_features > MANY_COLUMNS:
        features = [*features[:1], *features[-1:]]  # where an id is, if there is one
    labels = np.asarray(table.labels.indices, np.intp)
    dates: list[_Feature] = []
    ids: list[_Feature] = []
    if options.ignore is None:
        dates = [each for each in features if _is_date(table.x[:, each.index], each.column)]
        ids = [each for each in features if _is_id(table.x[:, each.index], each.column)]
        ids = [each for each in ids if each not in dates]
    others = [feature for feature in features if feature not in (*ids, *dates)]
    deciding = [
        feature for feature in others if _decides(table.x[:, feature.index], feature.column, labels)
    ]
    notes = [*_id_notes(table, ids), *_date_notes(dates), *_constant_notes(table, others)]
    notes += [*_deciding_notes(deciding), *label_notes(table)]
    columns = _ignoring(table, [*ids, *dates])
    for feature in (*ids, *dates):
        table.x[:, feature.index] = 0  # as for every column that is ignored
    return replace(table, columns=columns, notes=(*table.notes, *notes))


def _features(table: Table) -> list[_Feature]:
    """The features that are used."""
    columns = table.columns or unnamed_numbers(table.n_features)
    places = [place for place, column in enumerate(columns, start=1) if column.is_feature]
    features = zip(places, feature_columns(columns), strict=True)
    everything = [_Feature(index, *feature) for index, feature in enumerate(features)]
    return [feature for feature in everything if feature.column.kind != "ignored"]


def _is_id(cells: Raw, column: Column) -> bool:
    """Whether a column of numbers is different in every row, and not measured.

    That is whole numbers but years, or others that rise in equal steps; some cells may be missing.
    """
    if column.kind != "number" or len(cells) < FEW_ROWS:
        return False
    present = _present(cells)
    if 2 * len(present) < len(cells) or len(present) < FEW_ROWS:
        return False
    if not _is_whole(present):
        return len(present) == len(cells) and _counts_up(cells)
    low, high = present.min(), present.max()
    is_of_years = YEARS[0] <= low and high <= YEARS[1] and not ID_NAME.search(column.name)
    least = NEARLY_ALL if ID_NAME.search(column.name) else 1.0
    return not is_of_years and len(np.unique(present)) >= least * len(present)


def _present(cells: Raw) -> Raw:
    """The cells that are not missing."""
    if cells.dtype.kind != "f" or not np.isnan(np.min(cells)):
        return cells
    present: Raw = cells[~np.isnan(cells)]
    return present


def _counts_up(cells: Raw) -> bool:
    """Whether numbers rise in equal steps from row to row, as the times of a recording do."""
    step = float(cells[1] - cells[0])
    if step <= 0 or not np.isclose(float(cells[2] - cells[1]), step, rtol=1e-6, atol=0):
        return False
    return bool(np.allclose(np.diff(cells), step, rtol=1e-6, atol=1e-9 * float(abs(cells[-1]))))


def _is_date(cells: Raw, column: Column) -> bool:
    """Whether numbers are dates such as 20240131, and not alike in all rows."""
    if column.kind != "number" or len(cells) < FEW_ROWS:
        return False
    present = _present(cells)
    if not len(present) or present.min() < DATES[0] or present.max() > DATES[1]:
        return False
    months, days = present // 100 % 100, present % 100
    fits = (months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)
    return bool(np.all(fits)) and _is_whole(present) and len(np.unique(present)) > FEW_ROWS


def _is_whole(cells: Raw) -> bool:
    if cells.dtype.kind != "f":
        return True
    first = cells[:FEW_ROWS]
    return bool(np.all(first == np.floor(first)) and np.all(cells == np.floor(cells)))


def _id_notes(table: Table, ids: list[_Feature]) -> Iterator[str]:
    for feature in ids:
        found = "rises in equal steps from row to row"
        if _is_whole(_present(table.x[:, feature.index])):
            n_different = len(np.unique(table.x[:, feature.index]))
            every = "every" if n_different == table.n_rows else "nearly every"
            found = f"is a whole number that is different in {every} row"
        yield f"{feature.words} {found}, as an id is: it is ignored. {KEEP}"


def _date_notes(dates: list[_Feature]) -> Iterator[str]:
    for feature in dates:
        yield f"{feature.words} holds dates that are written as numbers: it is ignored. {KEEP}"


def _constant_notes(table: Table, features: list[_Feature]) -> Iterator[str]:
    """What to say of the columns of a file that have the same value in all rows, or none."""
    if not any(column.name for column in table.columns):
        return
    present = {each: _present(table.x[:, each.index]) for each in features}
    empty = [each.words for each, cells in present.items() if not len(cells)]
    constant = [
        each.words
        for each, cells in present.items()
        if len(cells) == table.n_rows > 1 and cells[0] == cells[-1] and np.all(cells == cells[0])
    ]
    if empty:
        yield f"Without a value in any row, and not used: {names_in_words(empty)}."
    if constant:
        yield f"With the same value in every row, and not used: {names_in_words(constant)}."


def _ignoring(table: Table, ids: list[_Feature]) -> tuple[Column, ...]:
    """The columns, with these ignored."""
    if not ids:
        return table.columns
    columns = list(table.columns or unnamed_numbers(table.n_features))
    for feature in ids:
        columns[feature.place - 1] = replace(feature.column, kind="ignored")
    return tuple(columns)


def _decides(cells: Raw, column: Column, labels: Labels) -> bool:
    """Whether the cells of one column alone tell the class of every row."""
    if cells.dtype.kind == "f" and np.isnan(np.min(cells)):
        is_there = ~np.isnan(cells)
        if 2 * np.count_nonzero(is_there) < len(cells):
            return False
        cells, labels = cells[is_there], labels[is_there]
    if len(cells) < ENOUGH_ROWS or len(np.unique(labels)) < 2:
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
