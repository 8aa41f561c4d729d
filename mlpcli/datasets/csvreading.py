"""The reading of a CSV file into a table.

The file is read in blocks, twice: its lines are counted, so that x can be made at once, and then
its cells are read. A column of numbers that turns out to have a word is read again as a category.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Raw
from mlpcli.datasets.csvcells import Levels, Numbers, as_number, cell_fault, shown, sorted_levels
from mlpcli.datasets.csvencoding import Encoder
from mlpcli.datasets.csvheader import repeats_the_header
from mlpcli.datasets.csvkinds import count_cells, judge, recode
from mlpcli.datasets.csvlabels import LabelReader, encode_weights
from mlpcli.datasets.csvlayout import Layout
from mlpcli.datasets.csvroles import Roles
from mlpcli.datasets.csvrows import Rows, cut
from mlpcli.datasets.csvtext import file_blocks, file_size, without_lines
from mlpcli.datasets.labels import LabelColumn, checked_labels
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table, as_uint8_if_lossless, checked_table
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column
from mlpcli.storage.reading import check_memory

BYTES_PER_ROW = 40  # beside its features: labels, weights, copies of them


class Reading:
    """The reading of one file, whose rows become the rows of x, but for those without a label."""

    def __init__(self, path: Path, layout: Layout, roles: Roles, options: ReadingOptions) -> None:
        self.path = path
        self.origin = str(path)
        self.layout = layout
        self.roles = roles
        self.options = options
        self.numbers = Numbers(options.missing, options.decimal)
        self.features = [column for column in roles.columns if column.is_feature]
        self.levels: dict[int, Levels] = {}
        self.notes = [*layout.notes, *roles.notes]
        most = count_rows(path, layout)
        check_memory(path, most * (9 * len(self.features) + BYTES_PER_ROW))
        self.x: Floats = np.empty((most, len(self.features)))
        self.codes: Raw = np.empty(most, np.uint32)
        self.weights: Floats = np.empty(most if roles.weight is not None else 0)
        self.n_left_out = 0
        self.no_label = ""  # the text in place of the first label that is missing

    def table(self) -> Table:
        """The table of all rows; raises DataError naming the line of the first bad one."""
        labels, turned = self._fill(range(len(self.features)))
        for d in turned:
            self.features[d] = replace(self.features[d], kind="category")
        if turned:
            self._fill(sorted(turned))
        self._check_labels(labels)
        if not self.options.columns:
            for d in self.levels:
                self.features[d] = self._judged(d)
        label_column = labels.column(self.codes)
        table = self._table_of(checked_labels(self.origin, label_column, len(self.x)))
        return replace(table, columns=self._columns(), notes=tuple(self.notes))

    def _fill(self, only: Sequence[int]) -> tuple[LabelReader, set[int]]:
        """Read these columns of x, and labels and weights; which columns of numbers have words."""
        options, known = self.options, bool(self.options.columns)
        encoder = Encoder(self.features, self.roles.features, options, only, known)
        self._seed(encoder)
        assert self.roles.label is not None
        labels = LabelReader(self.origin, self.roles.label, options.missing)
        turned: set[int] = set()
        done = self.n_left_out = 0
        for rows in self._rows():
            codes, kept = labels.encode(rows)
            n_kept = int(np.count_nonzero(kept))
            self._check_room(done + n_kept)
            x = self.x[done : done + n_kept]
            if n_kept < len(rows):
                x = np.empty((len(rows), x.shape[1]))
                self._note_no_label(rows, labels.place, kept)
            bad = encoder.encode(rows, x)
            turned |= self._words(rows, bad, known)
            encoder.drop_numbers(turned)
            if n_kept < len(rows):
                self.x[done : done + n_kept, only] = x[kept][:, only]
            self.codes[done : done + n_kept] = codes[kept]
            self._fill_weights(rows, kept, done)
            done += n_kept
            self.n_left_out += len(rows) - n_kept
        self.levels |= encoder.levels
        self._end_at(done)
        return labels, turned

    def _seed(self, encoder: Encoder) -> None:
        """Add the levels of the first rows in their order, which is most often that of all."""
        for d, levels in encoder.levels.items():
            place = self.roles.features[d]
            if not levels.is_fixed:
                texts = {row[place].strip() for row in self.layout.rows}
                levels.encode(sorted_levels(sorted(texts - levels.missing)))

    def _rows(self) -> Iterator[Rows]:
        """The rows below the header; raises DataError for one that has too many or few cells."""
        skipped = self.layout.header_lines
        blocks = without_lines(file_blocks(self.path), skipped)
        for rows in cut(self.origin, blocks, self.layout.dialect, skipped + 1):
            for row, fault in rows.faults.items():
                raise DataError(f"{self.origin}: line {rows.lines[row]:,}{fault}")
            yield rows

    def _check_room(self, n_rows: int) -> None:
        if n_rows > len(self.x):
            raise DataError(f"{self.origin}: has changed while it was read. Start again.")

    def _words(self, rows: Rows, bad: list[tuple[int, int]], known: bool) -> set[int]:
        """The columns that these bad cells turn into categories.

        Raises DataError for an infinite number, the header again, or any word if the columns are a
        model's.
        """
        for row, d in bad:
            place = self.roles.features[d]
            cell = rows.cells([place])[row].strip()
            if self.layout.names and cell == self.layout.names[place]:
                raise DataError(f"{self.origin}: {repeats_the_header(rows.lines[row])}")
            if known or as_number(cell, self.options.decimal) is not None:
                fault = cell_fault(cell, self.layout.describe(place), self.options.decimal)
                raise DataError(f"{self.origin}: line {rows.lines[row]:,}{fault}")
        return {d for _, d in bad}

    def _note_no_label(self, rows: Rows, place: int, kept: NDArray[np.bool_]) -> None:
        if not self.no_label:
            first = int(np.argmin(kept))
            self.no_label = rows.cells([place])[first].strip()

    def _fill_weights(self, rows: Rows, kept: NDArray[np.bool_], done: int) -> None:
        place = self.roles.weight
        if place is None:
            return
        where = self.layout.describe(place)
        weights = encode_weights(self.origin, where, place, self.numbers, rows)[kept]
        self.weights[done : done + len(weights)] = weights

    def _end_at(self, n_rows: int) -> None:
        """Give up what is behind the last row."""
        self.x = self.x[:n_rows]
        self.codes = self.codes[:n_rows]
        self.weights = self.weights[:n_rows]

    def _check_labels(self, labels: LabelReader) -> None:
        """Say how many rows were left out; raise DataError if all were."""
        where = self.layout.describe(labels.place)
        if not len(self.x):
            raise DataError(
                f"{self.origin}: no row has a label: each cell of {where} is missing. "
                "Name the label's column with data.target."
            )
        self._note_left_out(where, labels)
        if self.roles.weight is not None and not self.weights.any():
            where = self.layout.describe(self.roles.weight)
            raise DataError(f"{self.origin}: all weights, in {where}, are 0.")

    def _note_left_out(self, where: str, labels: LabelReader) -> None:
        """Say how many rows have no label; raise DataError if the others are of one class."""
        if self.n_left_out:
            text = ""
            if self.no_label:
                text = f" ({shown(self.no_label)} stands for a missing cell: data.missing)"
            self.notes.append(
                f"{self.origin}: {self.n_left_out:,} of {self.n_left_out + len(self.x):,} rows "
                f"have no label in {where}{text}, and are left out."
            )
            if len(labels.levels.names) < 2 and not self.options.columns:
                name = shown(labels.levels.names[0])
                raise DataError(f"{self.notes[-1]} All others are of one class, {name}.")

    def _judged(self, d: int) -> Column:
        """A category with its levels in order, or a number, or ignored; x is changed to fit."""
        column, levels = self.features[d], self.levels[d]
        place = self.roles.features[d]
        where = f"{self.origin}: {self.layout.describe(place)}"
        codes = self.x[:, d]
        names = self._used_names(codes, levels)
        if place not in self.roles.categorical:
            numbers = [self.numbers.parse(name) for name in names]
            if names != levels.names and None not in numbers:  # words were in rows left out
                number_of = dict(zip(names, numbers, strict=True))
                recode(codes, [number_of.get(name) or 0.0 for name in levels.names])
                return replace(column, kind="number")
            counts = partial(self._counts, codes, levels, names)
            fits, note = judge(where, names, counts, levels.too_many, self.options.decimal)
            self.notes += [note] if note else []
            if not fits:
                codes[:] = 0
                return replace(column, kind="ignored")
        elif levels.too_many:
            raise DataError(f"{where} has too many different texts to be a category.")
        in_order = sorted_levels(levels.names)
        if in_order != levels.names:
            rank_of = {name: rank for rank, name in enumerate(in_order)}
            recode(codes, [rank_of[name] for name in levels.names])
        return replace(column, levels=tuple(in_order))

    def _used_names(self, codes: Floats, levels: Levels) -> list[str]:
        """The levels of the rows that are kept; others were in those without a label."""
        if not self.n_left_out:
            return levels.names
        counts = count_cells(codes, len(levels.names)).tolist()
        return [name for name, count in zip(levels.names, counts, strict=True) if count]

    @staticmethod
    def _counts(codes: Floats, levels: Levels, names: list[str]) -> Raw:
        counts = dict(zip(levels.names, count_cells(codes, len(levels.names)), strict=True))
        return np.array([counts[name] for name in names], np.intp)

    def _table_of(self, labels: LabelColumn) -> Table:
        """The table of x, as bytes where they are enough."""
        weights = self.weights if self.roles.weight is not None else None
        if all(column.kind == "number" for column in self.features):
            x = as_uint8_if_lossless(self.x)
            if x.dtype == np.uint8:
                table = checked_table(self.origin, x, labels)
                return replace(table, weights=weights)
        if all(column.kind == "ignored" for column in self.features):
            raise DataError(f"{self.origin}: has no column that can be learnt from.")
        return Table(self.origin, self.x, labels, weights=weights)

    def _columns(self) -> tuple[Column, ...]:
        """All columns, those of features as they were found to be."""
        features = iter(self.features)
        columns = self.roles.columns
        return tuple(next(features) if column.is_feature else column for column in columns)


def count_rows(path: Path, layout: Layout) -> int:
    """The most rows that a file can have: one a line, and each as long as its separators."""
    n_lines, n_bytes = file_size(path)
    return min(n_lines, n_bytes // layout.width)
