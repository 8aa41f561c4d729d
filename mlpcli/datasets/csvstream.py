"""The rows of a CSV file or stream for a model, some thousands at a time: memory does not grow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats
from mlpcli.config import Place
from mlpcli.datasets.csvcells import UNKNOWN, cell_fault
from mlpcli.datasets.csvencoding import Encoder
from mlpcli.datasets.csvlayout import Layout, find_layout, is_name
from mlpcli.datasets.csvroles import find_column, match_roles
from mlpcli.datasets.csvrows import Rows, cut
from mlpcli.datasets.csvtext import file_blocks, stream_blocks, take_head, without_lines
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import feature_columns


@dataclass(frozen=True)
class Block:
    """Some rows (n) in the coding of a model's columns.

    A bad row is all NaN in x; its fault is a sentence, and "" that of a good one.
    """

    x: Floats  # (n,D)
    ids: tuple[list[str], ...]  # of each id column, the texts of all rows
    lines: Sequence[int]  # the line that each row ends on
    faults: list[str]
    bad: NDArray[np.bool_]  # (n)
    n_unknown: int  # good rows with a level that the model does not know
    n_gaps: int  # good rows with a missing cell


def stream(
    file: TextIO | Path,
    name: str,
    options: ReadingOptions,
    ids: Sequence[Place],
    skip_bad: bool,
) -> Iterator[Block]:
    """The rows of a file, or of a stream that cannot be read twice, for a model.

    Args:
        file: The stream, or the path of a file, which may be gzipped.
        name: What messages call it.
        options: How to read it; `options.columns` are the model's.
        ids: Columns of the file whose texts are given back.
        skip_bad: Whether to go on after a bad row.

    Raises:
        DataError: Columns are missing, the text is no table, or, unless they are skipped, a row is
            bad; with line and column.
        UnreadableFileError: The path is no regular file.
    """
    blocks = file_blocks(file) if isinstance(file, Path) else stream_blocks(file, name)
    head, blocks, is_whole = take_head(blocks)
    has_names = any(column.name for column in options.columns)
    if options.header is None and has_names and any(map(is_name, ids)):
        options = replace(options, header=True)
    layout = find_layout(name, head, options, is_whole)
    encoding = _Encoding(name, layout, options, ids)
    first = layout.header_lines
    for rows in cut(name, without_lines(blocks, first), layout.dialect, first + 1):
        block = encoding.block(rows)
        if block.bad.any() and not skip_bad:
            raise DataError(f"{name}: {block.faults[int(np.argmax(block.bad))]}")
        if len(rows):
            yield block


class _Encoding:
    """What rows become for a model."""

    def __init__(
        self, name: str, layout: Layout, options: ReadingOptions, ids: Sequence[Place]
    ) -> None:
        self.layout = layout
        self.options = options
        self.places = match_roles(name, layout, options.columns, labelled=False).features
        self.ids = [find_column(name, layout, place, "--id") for place in ids]
        self.features = feature_columns(options.columns)
        every = range(len(self.features))
        self.encoder = Encoder(self.features, self.places, options, every, known=True)
        self.categories = [d for d in every if self.features[d].kind == "category"]
        self.used = [d for d in every if self.features[d].kind != "ignored"]

    def block(self, rows: Rows) -> Block:
        """These rows, with the faults of the bad ones."""
        faults = [""] * len(rows)
        for row, fault in rows.faults.items():
            faults[row] = f"line {rows.lines[row]:,}{fault}"
        x = np.empty((len(rows), len(self.features)))
        for row, d in self.encoder.encode(rows, x):
            faults[row] = faults[row] or self._cell_fault(rows, row, self.places[d])
        bad = np.array([fault != "" for fault in faults], bool)
        x[bad] = np.nan
        good = x[~bad]
        return Block(
            x,
            tuple(_texts(rows, place) for place in self.ids),
            rows.lines,
            faults,
            bad,
            int(np.count_nonzero((good[:, self.categories] == UNKNOWN).any(axis=1))),
            int(np.count_nonzero(np.isnan(good[:, self.used]).any(axis=1))),
        )

    def _cell_fault(self, rows: Rows, row: int, place: int) -> str:
        cell = rows.cells([place])[row]
        fault = cell_fault(cell, self.layout.describe(place), self.options.decimal)
        return f"line {rows.lines[row]:,}{fault}"


def _texts(rows: Rows, place: int) -> list[str]:
    cells = rows.cells([place])
    return [cells[row].strip() for row in range(len(rows))]
