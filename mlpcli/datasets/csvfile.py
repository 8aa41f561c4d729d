"""A CSV file: one row a line, numbers but for the label, with a header or without.

NumPy's parser reads the numbers; the csv module finds the line to blame when it cannot.
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats
from mlpcli.datasets.table import LARGEST_LABEL, Table, compact, shortened, table
from mlpcli.errors import DataError
from mlpcli.storage.reading import check_memory, open_regular

BYTES_PER_CELL = 2  # a digit and a separator: the least that a cell takes in the file
DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Layout:
    """How a file is to be read: what parts its cells, how many a row has, where labels are and rows begin."""

    delimiter: str
    width: int
    column: int  # of the label
    skipped: int  # lines that the header takes, 0 without one
    columns: tuple[str, ...]  # the features' names, where a header tells them apart


def read(path: Path, target: str) -> Table:
    """The rows of the file, labels from the column named `target`, or the last one if it is ''.

    Raises DataError with the line of the first cell or row that is not as it must be.
    """
    _check_text(path)
    layout = _layout(path, target)
    numbers, names = _parse(path, layout)
    features = np.delete(numbers, layout.column, axis=1)
    if bad := int(np.count_nonzero(~np.isfinite(features))):
        raise _fault(path, layout, f"{bad:,} cells are missing or infinite", bad)
    labels = _numbers_or_strings(path, names)[numbers[:, layout.column].astype(np.intp)]
    return replace(table(str(path), compact(features), labels), columns=layout.columns)


def _check_text(path: Path) -> None:
    """Refuse what is not UTF-8 text, naming the line, before a parser sees it."""
    with open_regular(path) as file:
        length = os.fstat(file.fileno()).st_size
        check_memory(path, length // BYTES_PER_CELL * 8)
        for line, text in enumerate(file, start=1):
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


def _layout(path: Path, target: str) -> Layout:
    """What the first two rows tell; the separator is the one that cuts the first row into most cells."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        line = next(filter(str.strip, file), "")
        delimiter = max(DELIMITERS, key=re.sub('"[^"]*"', "", line).count)
        file.seek(0)
        rows = list(islice(_rows(path, file, delimiter), 2))
    if not rows:
        raise DataError(f"{path}: is empty.")
    (end, first), second = rows[0], rows[1][1] if len(rows) > 1 else []
    if len(first) < 2:
        raise DataError(
            f"{path}: has one column only; it needs features and a label, separated by , ; or tab."
        )
    column = _target_column(path, first, target)
    header = bool(target) or _is_header(first, second, column)
    if header and not second:
        raise DataError(f"{path}: has a header and no rows.")
    names = tuple(cell.strip() for cell in first[:column] + first[column + 1 :])
    told_apart = header and len(set(names)) == len(names)
    return Layout(delimiter, len(first), column, end if header else 0, names if told_apart else ())


def _rows(path: Path, lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that is not blank, and the number of the line that it ends on."""
    reader = csv.reader(_emptied(lines, delimiter), delimiter=delimiter)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise DataError(
            f"{path}: line {reader.line_num:,} cannot be read as CSV ({error})."
        ) from error


def _emptied(lines: Iterable[str], delimiter: str) -> Iterator[str]:
    """The lines, with those of nothing but spaces made empty, which both parsers skip."""
    return (line if delimiter in line or line.strip() else "\n" for line in lines)


def _target_column(path: Path, first: list[str], target: str) -> int:
    names = [cell.strip() for cell in first]
    if not target:
        return len(names) - 1
    if target not in names:
        known = shortened(tuple(names))
        raise DataError(
            f"{path}: has no column named {target!r} (data.target); its first line is {known}."
        )
    return names.index(target)


def _is_header(first: list[str], second: list[str], column: int) -> bool:
    """A header is a first line that is not all numbers, where this is not just a word for the row's label.

    Where the label's cell holds the one word, it is a header of numbered columns if those below hold numbers.
    """
    words = [k for k, cell in enumerate(first) if cell.strip() and not _is_number(cell)]
    if words != [column]:
        return bool(words)
    others = [cell.strip() for cell in first[:column] + first[column + 1 :]]
    numbered = all(map(str.isdigit, others)) and len(set(others)) == len(others)
    return numbered and len(second) == len(first) and _is_number(second[column])


def _is_number(cell: str) -> bool:
    """Whether NumPy's parser takes the cell for a number: as Python does, but for 1_000 and other scripts' digits."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell and cell.strip().isascii()


def _parse(path: Path, layout: Layout) -> tuple[Floats, list[str]]:
    """All cells as float64 (N,width), with each label replaced by its place in the list of names."""
    places: dict[str, int] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            numbers: Floats = np.loadtxt(
                _emptied(islice(file, layout.skipped, None), layout.delimiter),
                delimiter=layout.delimiter,
                quotechar='"',
                comments=None,
                ndmin=2,
                converters={
                    layout.column: lambda cell: places.setdefault(cell.strip(), len(places))
                },
            )
    except ValueError as error:
        raise _fault(path, layout, str(error)) from error
    if "" in places or numbers.shape[1] != layout.width:
        raise _fault(path, layout, "its rows differ in length")
    return numbers, list(places)


def _fault(path: Path, layout: Layout, otherwise: str, bad: int = 1) -> DataError:
    """What to say of the first row with another number of cells, or a cell without a finite number, of `bad` such."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        for line, row in _rows(path, file, layout.delimiter):
            where = f"{path}: line {line:,}"
            if len(row) != layout.width:
                return DataError(
                    f"{where} has {len(row):,} cells, and the first line has {layout.width:,}."
                )
            for k, cell in enumerate(row if line > layout.skipped else []):
                if not cell.strip():
                    return DataError(
                        f"{where} has nothing in {_named(layout, k)}. Fill in or remove such rows."
                    )
                if k != layout.column and not _is_number(cell):
                    return DataError(
                        f"{where} has {cell!r} in {_named(layout, k)}, where a number is needed. If that is the label, "
                        "name its column with data.target, or put it last."
                    )
                if k != layout.column and not np.isfinite(float(cell)):
                    many = f" It is the first of {bad:,} such cells." if bad > 1 else ""
                    return DataError(
                        f"{where} has {cell!r} in {_named(layout, k)}. Fill in or remove such rows.{many}"
                    )
    return DataError(f"{path}: cannot be read as a table of numbers ({otherwise}).")


def _named(layout: Layout, k: int) -> str:
    """A column by its number, and by its name where it has one."""
    name = layout.columns[k - (k > layout.column)] if layout.columns and k != layout.column else ""
    return f"column {k + 1:,}" + (f" ({name})" if name else "")


def _numbers_or_strings(path: Path, names: list[str]) -> NDArray[np.int64] | NDArray[np.str_]:
    """The labels as integers if they all are; raises DataError for numbers with a fraction."""
    if not all(map(_is_number, names)):
        return np.array(names)
    numbers = np.array(names, np.float64)
    fractional = np.flatnonzero(~(numbers == np.floor(numbers)) | np.isinf(numbers))
    if len(fractional):
        raise DataError(
            f"{path}: the label {names[fractional[0]]!r} is not a whole number; "
            "labels must be whole numbers or words. Name the label's column with data.target."
        )
    return numbers.astype(np.int64) if np.all(np.abs(numbers) < LARGEST_LABEL) else np.array(names)
