"""A first look at a CSV file: its separator, its header, its columns, and its rows one by one."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from mlpcli.errors import DataError
from mlpcli.messages import names_in_words
from mlpcli.storage.reading import open_text

DELIMITERS = ",;\t"


class Row(NamedTuple):
    """The cells of a row, and the number of the line that it ends on."""

    line: int
    cells: list[str]


@dataclass(frozen=True)
class Layout:
    """How to read a CSV file."""

    delimiter: str
    width: int  # cells in a row
    target: int  # the index of the label's column
    header_lines: int  # 0 without a header
    columns: tuple[str, ...]  # the features' names; () without a header, or if two are equal

    def describe_column(self, index: int) -> str:
        """A column by its number, and by its name if it has one."""
        number = f"column {index + 1:,}"
        if not self.columns or index == self.target:
            return number
        names = list(self.columns)
        names.insert(self.target, "")
        name = names[index]
        return f"{number} ({name})"


def find_layout(path: Path, target: str) -> Layout:
    """The layout that the first two rows show, with labels in the column named `target`.

    Without a target, labels are in the last column. The separator is the one that cuts the first
    row into the most cells. Raises DataError if the file is no table.
    """
    with open_text(path) as file:
        delimiter = _find_delimiter(file)
        file.seek(0)
        rows = list(islice(read_rows(path, file, delimiter), 2))
    if not rows:
        raise DataError(f"{path}: is empty.")
    header_lines, first = rows[0]
    width = len(first)
    second: list[str] = []
    if len(rows) == 2:
        second = rows[1].cells
    if width < 2:
        raise DataError(
            f"{path}: has one column only; it needs features and a label, separated by , ; or tab."
        )
    column = _target_column(path, first, target)
    if not target and not _is_header(first, second, column):
        return Layout(delimiter, width, column, 0, ())
    if not second:
        raise DataError(f"{path}: has a header and no rows.")
    others = _without(first, column)
    return Layout(delimiter, width, column, header_lines, _unique(others))


def _find_delimiter(lines: Iterable[str]) -> str:
    first_line = next(filter(str.strip, lines), "")
    unquoted = re.sub('"[^"]*"', "", first_line)
    return max(DELIMITERS, key=unquoted.count)


def read_rows(path: Path, lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    """Each row that is not blank; raises DataError naming the line that cannot be read."""
    reader = csv.reader(empty_blank_lines(lines, delimiter), delimiter=delimiter)
    try:
        for cells in reader:
            if cells:
                yield Row(reader.line_num, cells)
    except csv.Error as error:
        raise DataError(
            f"{path}: line {reader.line_num:,} cannot be read as CSV ({error})."
        ) from error


def empty_blank_lines(lines: Iterable[str], delimiter: str) -> Iterator[str]:
    """The lines, with those of spaces alone made empty: both parsers skip an empty line."""
    for line in lines:
        if delimiter in line or line.strip():
            yield line
        else:
            yield "\n"


def _target_column(path: Path, first: list[str], target: str) -> int:
    names = [cell.strip() for cell in first]
    if not target:
        return len(names) - 1
    if target not in names:
        raise DataError(
            f"{path}: has no column named {target!r} (data.target); "
            f"its first line is {names_in_words(names)}."
        )
    return names.index(target)


def _is_header(first: list[str], second: list[str], target: int) -> bool:
    """Whether the first row is a header: one that is not all numbers.

    If the label's cell alone is a word, it may be the label of a row. It is a header if the other
    cells number the columns, and the label below is a number.
    """
    words = [index for index, cell in enumerate(first) if _is_word(cell)]
    if words != [target]:
        return bool(words)
    others = _without(first, target)
    if not all(map(str.isdigit, others)) or not _unique(others):
        return False
    if len(second) != len(first):
        return False
    return is_number(second[target])


def _is_word(cell: str) -> bool:
    """Whether the cell is neither empty nor a number."""
    return bool(cell.strip()) and not is_number(cell)


def _without(cells: list[str], index: int) -> list[str]:
    """The cells but that one, without spaces around them."""
    return [cell.strip() for cell in cells[:index] + cells[index + 1 :]]


def _unique(names: list[str]) -> tuple[str, ...]:
    """The names, or () if two are equal."""
    if len(set(names)) < len(names):
        return ()
    return tuple(names)


def is_number(cell: str) -> bool:
    """Whether NumPy's parser takes the cell for a number.

    It does as Python does, but refuses 1_000 and the digits of other scripts.
    """
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell and cell.strip().isascii()
