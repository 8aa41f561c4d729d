"""A CSV file: one row a line, numbers but for the label, with a header or without.

NumPy's parser reads the numbers. If it cannot, the csv module finds the first bad line.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.datasets.csvlayout import (
    DELIMITERS,
    Layout,
    Row,
    empty_blank_lines,
    find_layout,
    is_number,
    read_rows,
)
from mlpcli.datasets.labels import MAX_LENGTH, MAX_WHOLE, label_column
from mlpcli.datasets.table import Table, as_uint8_if_lossless, checked_table
from mlpcli.errors import DataError
from mlpcli.messages import size_in_words
from mlpcli.storage.reading import check_memory, open_regular, open_text

BYTES_PER_CELL = 32  # in memory, at most: three copies as float64, and tests of each
BYTES_PER_TEXT = 256  # of a cell of the first row, which may be a header
MAX_LINE = 1 << 26  # bytes
MAX_SHOWN = 60  # characters of a cell in a message
ADVICE = "Fill in or remove such rows."


def read(path: Path, target: str) -> Table:
    """The rows of the file, with labels from the column named `target`; "" means the last one.

    Raises DataError naming the line of the first bad row, and UnreadableFileError if it is no
    regular file or too large for the memory.
    """
    _check_text(path)
    layout = find_layout(path, target)
    numbers, names = _parse(path, layout)
    features = np.delete(numbers, layout.target, axis=1)
    n_bad = int(np.count_nonzero(~np.isfinite(features)))
    if n_bad:
        raise _first_fault(path, layout, f"{n_bad:,} cells are missing or infinite", n_bad)
    if any(len(name) > MAX_LENGTH for name in names):
        raise _first_fault(path, layout, "a label is too long")
    indices = numbers[:, layout.target].astype(np.intp)
    del numbers
    labels = label_column(_whole_numbers_or_words(path, names), indices)
    table = checked_table(str(path), as_uint8_if_lossless(features), labels)
    return replace(table, columns=layout.columns)


def _check_text(path: Path) -> None:
    """Check the text before a parser sees it: its encoding, and the memory that it would need.

    Raises DataError with the line that is not UTF-8 text.
    """
    cells = 0
    widest = 0
    for line, text in enumerate(_lines(path), start=1):
        width = 1 + max(text.count(delimiter.encode()) for delimiter in DELIMITERS)
        cells += width
        widest = max(widest, width)
        if b"\0" in text:
            raise DataError(
                f"{path}: line {line:,} has a NUL byte: this is not UTF-8 text. Save it as UTF-8."
            )
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: line {line:,} is not UTF-8 ({error.reason}). Save it as UTF-8."
            ) from error
    check_memory(path, cells * BYTES_PER_CELL + widest * BYTES_PER_TEXT)


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of the file; raises DataError for one that has no end."""
    with open_regular(path) as file:
        for line, text in enumerate(iter(partial(file.readline, MAX_LINE + 1), b""), start=1):
            if len(text) > MAX_LINE:
                raise DataError(
                    f"{path}: line {line:,} is longer than {size_in_words(MAX_LINE)}. "
                    "A row must stand on a line of its own."
                )
            yield text


def _parse(path: Path, layout: Layout) -> tuple[Floats, list[str]]:
    """All cells (N,width) as float64, and the labels' names; a label's cell is an index of them."""
    index_of: dict[str, int] = {}

    def label_index(cell: str) -> int:
        return index_of.setdefault(cell.strip(), len(index_of))

    try:
        with open_text(path) as file:
            lines = islice(file, layout.header_lines, None)
            numbers: Floats = np.loadtxt(
                empty_blank_lines(lines, layout.delimiter),
                delimiter=layout.delimiter,
                quotechar='"',
                comments=None,
                ndmin=2,
                converters={layout.target: label_index},
                encoding=None,  # or NumPy before 2.0 gives the converter bytes
            )
    except ValueError as error:
        raise _first_fault(path, layout, str(error)) from error
    if "" in index_of or numbers.shape[1] != layout.width:
        raise _first_fault(path, layout, "its rows differ in length")
    return numbers, list(index_of)


def _first_fault(path: Path, layout: Layout, otherwise: str, n_bad: int = 1) -> DataError:
    """The error that names the first bad row, of `n_bad` cells; `otherwise` is why, if none is."""
    with open_text(path) as file:
        for row in read_rows(path, file, layout.delimiter):
            fault = _fault(row, layout, n_bad)
            if fault:
                return DataError(f"{path}: line {row.line:,}{fault}")
    return DataError(f"{path}: cannot be read as a table of numbers ({otherwise}).")


def _fault(row: Row, layout: Layout, n_bad: int) -> str:
    """What is wrong with a row, or ""."""
    n_cells = len(row.cells)
    if n_cells != layout.width:
        return f" has {n_cells:,} cells, and the first line has {layout.width:,}."
    if row.line <= layout.header_lines:
        return ""
    for index, cell in enumerate(row.cells):
        if not cell.strip():
            return f": {layout.describe_column(index)} is empty. {ADVICE}"
        if index == layout.target:
            length = len(cell.strip())
            if length > MAX_LENGTH:
                return f" has a label of {length:,} characters, and {MAX_LENGTH:,} are allowed."
            continue
        if not is_number(cell):
            return (
                f" has {_shown(cell)} in {layout.describe_column(index)}, "
                "where a number is needed. "
                "If that is the label, name its column with data.target, or put it last."
            )
        if not np.isfinite(float(cell)):
            fault = f" has {_shown(cell)} in {layout.describe_column(index)}. {ADVICE}"
            if n_bad > 1:
                fault += f" It is the first of {n_bad:,} such cells."
            return fault
    return ""


def _shown(cell: str) -> str:
    """A cell for a message, cut if it is long."""
    if len(cell) > MAX_SHOWN:
        return f"{cell[:MAX_SHOWN]!r}…"
    return repr(cell)


def _whole_numbers_or_words(path: Path, names: list[str]) -> list[str]:
    """The labels, written as integers if they all are; raises DataError for a fraction."""
    if not all(map(is_number, names)):
        return names
    numbers = np.array(list(map(float, names)))
    is_whole = (numbers == np.floor(numbers)) & ~np.isinf(numbers)
    if not is_whole.all():
        first = names[int(np.argmin(is_whole))]
        raise DataError(
            f"{path}: the label {_shown(first)} is not a whole number; "
            "labels must be whole numbers or words. Name the label's column with data.target."
        )
    if np.all(np.abs(numbers) < MAX_WHOLE):
        return [str(int(number)) for number in numbers]
    return names
