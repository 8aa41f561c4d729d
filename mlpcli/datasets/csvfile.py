"""A CSV file: one row a line, numbers but for the label, with a header or without.

NumPy's parser reads the numbers; the csv module finds the line to blame when it cannot.
"""

import csv
import os
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats
from mlpcli.datasets.table import Table, compact, table
from mlpcli.errors import DataError
from mlpcli.files import must_fit, open_regular

BYTES_PER_CELL = 2  # a digit and a separator: the least that a cell takes in the file
DELIMITERS = ",;\t"


def read(path: Path, target: str) -> Table:
    """The rows of the file, labels from the column named `target`, or the last one if it is ''.

    Raises DataError with the line of the first cell or row that is not as it must be.
    """
    _check_text(path)
    delimiter, first, second = _first_rows(path)
    if len(first) < 2:
        raise DataError(f"{path}: has one column only; it needs features and a label, separated by , ; or tab.")
    column = _target_column(path, first, target)
    header = bool(target) or _is_header(first, second, column)
    if header and not second:
        raise DataError(f"{path}: has a header and no rows.")
    numbers, names = _parse(path, delimiter, header, column, len(first))
    features = np.delete(numbers, column, axis=1) if column < len(first) - 1 else numbers[:, :-1]
    labels = _numbers_or_strings(path, names)[numbers[:, column].astype(np.intp)]
    return table(str(path), compact(features), labels)


def _check_text(path: Path) -> None:
    """Refuse what is not UTF-8 text, naming the line, before a parser sees it."""
    with open_regular(path) as file:
        length = os.fstat(file.fileno()).st_size
        must_fit(path, length // BYTES_PER_CELL * 8)
        for line, text in enumerate(file, start=1):
            if b"\0" in text:
                raise DataError(f"{path}: line {line:,} has a NUL byte: this is not UTF-8 text. Save it as UTF-8.")
            try:
                text.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"{path}: line {line:,} is not UTF-8 ({error.reason}). Save it as UTF-8.") from error


def _first_rows(path: Path) -> tuple[str, list[str], list[str]]:
    """The separator that cuts the first line into most cells, and the first two rows ([] if there is none)."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = list(islice((line for line in file if line.strip()), 2))
    if not lines:
        raise DataError(f"{path}: is empty.")
    delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader(lines[:1], delimiter=mark))))
    rows = list(csv.reader(lines, delimiter=delimiter))
    return delimiter, rows[0], rows[1] if len(rows) > 1 else []


def _target_column(path: Path, first: list[str], target: str) -> int:
    names = [cell.strip() for cell in first]
    if not target:
        return len(names) - 1
    if target not in names:
        raise DataError(f"{path}: has no column named {target!r} (data.target); its first line is {', '.join(names)}.")
    return names.index(target)


def _is_header(first: list[str], second: list[str], column: int) -> bool:
    """A header is a first line with a word where the rows below have numbers."""
    words = [k for k, cell in enumerate(first) if not _is_number(cell)]
    label_only = words == [column] and len(second) == len(first)
    return bool(words) and (not label_only or _is_number(second[column]))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parse(path: Path, delimiter: str, header: bool, column: int, width: int) -> tuple[Floats, list[str]]:
    """All cells as float64 (N,width), with each label replaced by its place in the list of names."""
    places: dict[str, int] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            numbers: Floats = np.loadtxt(
                file,
                delimiter=delimiter,
                quotechar='"',
                comments=None,
                skiprows=int(header),
                ndmin=2,
                converters={column: lambda cell: places.setdefault(cell.strip(), len(places))},
            )
    except ValueError as error:
        _blame(path, delimiter, header, column, width)
        raise DataError(f"{path}: cannot be read as a table of numbers ({error}).") from error
    if "" in places:
        _blame(path, delimiter, header, column, width)
    return numbers, list(places)


def _blame(path: Path, delimiter: str, header: bool, column: int, width: int) -> None:
    """Raise DataError for the first line with another number of cells, a word among numbers, or no label."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        for row in islice(filter(None, reader), int(header), None):
            where = f"{path}: line {reader.line_num:,}"
            if len(row) != width:
                raise DataError(f"{where} has {len(row):,} cells, and the first line has {width:,}.")
            for k, cell in enumerate(row):
                if not cell.strip():
                    raise DataError(f"{where} has nothing in column {k + 1:,}. Fill in or remove such rows.")
                if k != column and not _is_number(cell):
                    raise DataError(f"{where} has {cell!r} in column {k + 1:,}, where a number is needed.")


def _numbers_or_strings(path: Path, names: list[str]) -> NDArray[np.int64] | NDArray[np.str_]:
    """The labels as integers if they all are; raises DataError for numbers with a fraction."""
    if not all(map(_is_number, names)):
        return np.array(names)
    fractional = [name for name in names if not float(name).is_integer()]
    if fractional:
        raise DataError(
            f"{path}: the label {fractional[0]!r} is not a whole number; "
            "labels must be whole numbers or words. Name the label's column with data.target."
        )
    return np.array([int(float(name)) for name in names], np.int64)
