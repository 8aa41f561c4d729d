"""Tables of Parquet, Feather and Arrow files, read column by column."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Raw
from mlpcli.datasets.arrowfile import ArrowFile, as_numbers, as_texts, open_arrow
from mlpcli.datasets.arrowlevels import BOOLEANS, add_booleans, codes_of, judged
from mlpcli.datasets.arrowroles import find_arrow_roles, layout_of
from mlpcli.datasets.csvcells import Levels, Numbers, cell_fault
from mlpcli.datasets.csvlabels import ONE_NUMBER, LabelReader
from mlpcli.datasets.csvroles import ABSENT
from mlpcli.datasets.labels import MAX_LENGTH, LabelColumn, checked_labels
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import MAX_FEATURE, Table, as_uint8_if_lossless, checked_table
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column
from mlpcli.storage.reading import check_memory

BYTES_PER_ROW = 40  # beside its features: labels, weights, copies of them


def read(path: Path, options: ReadingOptions) -> Table:
    """The rows of the file, with labels; those without one are left out.

    With `options.columns`, a model's, the columns of x are those, with their levels; else they are
    the file's own.

    Raises DataError if it cannot be learnt from, and UnreadableFileError if it is not a whole file
    or too large for the memory.
    """
    with open_arrow(path) as file:
        return _Reading(file, options, labelled=True).table()


def read_features(path: Path, options: ReadingOptions) -> Raw:
    """The features x (N,D) alone, in the columns of a model; labels need not be there."""
    with open_arrow(path) as file:
        return _Reading(file, options, labelled=False).features_alone()


class _Reading:
    """The reading of one open file."""

    def __init__(self, file: ArrowFile, options: ReadingOptions, labelled: bool) -> None:
        self.file = file
        self.origin = str(file.path)
        self.options = options
        self.notes: list[str] = []
        self.layout = layout_of(file)
        self.roles = find_arrow_roles(file, self.layout, options, labelled)
        self.numbers = Numbers(options.missing, options.decimal)
        self.kept: NDArray[np.bool_] = np.ones(0, bool)
        self.features = [column for column in self.roles.columns if column.is_feature]

    def table(self) -> Table:
        """The table of all rows with a label."""
        if self.roles.label is None:
            raise DataError(f"{self.origin}: has no column for the label.")
        self._check_memory()
        labels = self._labels(self.roles.label)
        weights = self._weights(self.roles.weight)
        x = self._x()
        notes = (*self.roles.notes, *self.notes)
        table = self._table_of(x, labels)
        return replace(table, columns=self._columns(), weights=weights, notes=notes)

    def features_alone(self) -> Raw:
        """The features of all rows."""
        self._check_memory()
        self.kept = np.ones(self.file.n_rows, bool)
        return self._x()

    def _check_memory(self) -> None:
        n_rows = self.file.n_rows
        if not n_rows:
            raise DataError(f"{self.origin}: has no rows.")
        check_memory(self.file.path, n_rows * (9 * len(self.features) + BYTES_PER_ROW))

    def _columns(self) -> tuple[Column, ...]:
        """All columns, those of features as they were found to be."""
        features = iter(self.features)
        columns = self.roles.columns
        return tuple(next(features) if column.is_feature else column for column in columns)

    # Labels and weights

    def _labels(self, place: int) -> LabelColumn:
        """The labels of the rows that have one; the others are left out from now on."""
        where = f"{self.origin}: {self.layout.describe(place)}"
        field = self.file.fields[place]
        if field.kind == "ignored":
            raise DataError(
                f"{where} is of type {field.type}, which cannot be a label. "
                "Name the label's column with data.target."
            )
        reader = LabelReader(self.origin, place, self.options.missing)
        codes: Floats = np.empty(self.file.n_rows)
        for rows, array in self._pieces(place):
            codes[rows] = codes_of(array, reader.levels)
        for name in reader.levels.names:
            if len(name) > MAX_LENGTH:
                raise DataError(f"{where} has a label of more than {MAX_LENGTH:,} characters.")
        self.kept = ~np.isnan(codes)
        n_kept = int(np.count_nonzero(self.kept))
        if not n_kept:
            raise DataError(f"{where} is the label's, and is empty. Name another: data.target.")
        if n_kept < len(codes):
            self.notes.append(
                f"{self.origin}: {len(codes) - n_kept:,} of {len(codes):,} rows have no label in "
                f"{self.layout.describe(place)}, and are left out."
            )
        labels = reader.column(codes[self.kept].astype(np.intp))
        return checked_labels(self.origin, labels, n_kept)

    def _weights(self, place: int | None) -> Floats | None:
        """The weights of the rows that are kept."""
        if place is None:
            return None
        where = f"{self.origin}: {self.layout.describe(place)}"
        if self.file.fields[place].kind != "number":
            raise DataError(f"{where} is the weight, and holds no numbers. {ONE_NUMBER}")
        weights: Floats = np.empty(self.file.n_rows)
        for rows, array in self._pieces(place):
            weights[rows] = as_numbers(array)
        fine = (weights >= 0) & (weights <= MAX_FEATURE)
        if not fine.all():
            row = int(np.argmin(fine))
            raise DataError(
                f"{where} has {weights[row]} in row {row:,} (counted from 0), and is the weight. "
                f"{ONE_NUMBER}"
            )
        if not weights[self.kept].any():
            raise DataError(f"{where} has the weights, and all are 0.")
        return weights[self.kept]

    # Features

    def _x(self) -> Floats:
        """The features of the rows that are kept, filled column by column."""
        x: Floats = np.zeros((int(np.count_nonzero(self.kept)), len(self.features)))
        for d, (column, place) in enumerate(zip(self.features, self.roles.features, strict=True)):
            if place == ABSENT or column.kind == "ignored":
                continue
            if column.kind == "number":
                self._fill_numbers(x[:, d], place)
            else:
                self.features[d] = self._fill_levels(x[:, d], place, column)
        return x

    def _pieces(self, place: int) -> Iterator[tuple[slice, Any]]:
        """The pieces of a column, and the rows of each."""
        done = 0
        for array in self.file.pieces(place):
            yield slice(done, done + len(array)), array
            done += len(array)

    def _fill(self, out: Floats, done: int, rows: slice, cells: Floats) -> int:
        """Put the cells that are kept behind the first `done`; how many are there then."""
        cells = cells[self.kept[rows]]
        out[done : done + len(cells)] = cells
        return done + len(cells)

    def _fill_numbers(self, out: Floats, place: int) -> None:
        done = 0
        where = self.layout.describe(place)
        self._check_useful(place, "numbers")
        for rows, array in self._pieces(place):
            is_text = self.file.fields[place].kind == "category" and str(array.type) != "bool"
            cells = self._parsed(array, where, rows) if is_text else as_numbers(array)
            bad = np.abs(cells) > MAX_FEATURE
            if bad.any():
                row = int(np.argmax(bad))
                raise DataError(self._fault(repr(float(cells[row])), where, rows.start + row))
            done = self._fill(out, done, rows, cells)

    def _parsed(self, array: Any, where: str, rows: slice) -> Floats:
        """The numbers that texts spell."""
        texts, indices = as_texts(array)
        numbers, bad = self.numbers.encode(texts)
        if bad:
            row = rows.start + int(np.argmax(indices == bad[0]))
            raise DataError(self._fault(texts[bad[0]], where, row))
        result: Floats = np.append(numbers, np.nan)[indices]
        return result

    def _fault(self, cell: str, where: str, row: int) -> str:
        fault = cell_fault(cell, where, self.options.decimal)
        return f"{self.origin}: row {row:,} (counted from 0){fault}"

    def _fill_levels(self, out: Floats, place: int, column: Column) -> Column:
        """Fill a category; the column with its levels, or ignored if it is none."""
        self._check_useful(place, "words")
        known = column.levels if self.options.columns else None
        is_boolean = self.file.fields[place].type == "bool"
        if known is None and is_boolean:
            known = BOOLEANS
        levels = Levels(self.options.missing, known)
        if known and is_boolean:
            add_booleans(levels)
        done = 0
        for rows, array in self._pieces(place):
            done = self._fill(out, done, rows, codes_of(array, levels))
            if levels.too_many:
                break
        if self.options.columns:
            return column
        if is_boolean:
            return replace(column, levels=BOOLEANS)
        where = f"{self.origin}: {self.layout.describe(place)}"
        column, note = judged(where, out, column, levels, place in self.roles.categorical)
        self.notes += [note] if note else []
        return column

    def _check_useful(self, place: int, needed: str) -> None:
        field = self.file.fields[place]
        if field.kind == "ignored":
            where = f"{self.origin}: {self.layout.describe(place)}"
            raise DataError(f"{where} is of type {field.type}; {needed} are needed there.")

    def _table_of(self, x: Floats, labels: LabelColumn) -> Table:
        """The table of x, as bytes where they are enough."""
        if all(column.kind == "ignored" for column in self.features):
            raise DataError(f"{self.origin}: has no column that can be learnt from.")
        if all(column.kind == "number" for column in self.features):
            small = as_uint8_if_lossless(x)
            if small.dtype == np.uint8:
                return checked_table(self.origin, small, labels)
        return Table(self.origin, x, labels)
