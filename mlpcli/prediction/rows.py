"""Rows as Python users have them, made into the raw rows of a model: arrays, frames, lists by name.

A category's cell becomes the index of its level, −1 for one that the model does not know; a missing
cell (None, NaN, or a text that stands for one) becomes NaN.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from mlpcli.arrays import Floats, Raw
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words
from mlpcli.preprocessing.columns import Column, other_spellings, spelling, unnamed_numbers

LARGEST = float(np.finfo(np.float32).max)

Cells: TypeAlias = Sequence[Any] | Raw


def raw_rows(rows: Any, columns: tuple[Column, ...], n_raw: int, missing: Iterable[str]) -> Raw:
    """The raw rows (n,D_raw) of an array, a data frame, or a mapping from names to cells.

    `columns` are the raw columns of the model, or () if they are numbers without names; `missing`
    are the texts of a missing cell.
    Raises DataError naming the columns that are missing, or the row of a cell that is no number.
    """
    if isinstance(rows, Mapping) or hasattr(rows, "columns"):
        by_name = _by_name(rows)
        if _have_names(columns):
            return _from_cells(_matched(by_name, columns), columns, missing)
        raise DataError(
            "the model's columns have no names, so rows are matched by their order: "
            "give an array or a list of rows."
        )
    array = _array(rows, _needs_words(columns))
    if array.ndim < 2:
        raise DataError(
            f"rows have {array.ndim} dimensions; they must be rows × columns, "
            "and a single row needs two brackets, as [[1, 2]]."
        )
    array = array.reshape(len(array), math.prod(array.shape[1:]))
    is_plain = not columns or not _gap_numbers(missing)
    if array.dtype.kind in "buif" and is_plain and not _needs_words(columns):
        return _numbers_by_place(array, columns, n_raw)
    return _from_places(list(array.T), columns, n_raw, missing)


def _array(rows: Any, has_words: bool) -> Raw:
    """The rows as an array; a cell that is masked in them is None.

    Where some are words, NumPy would make texts of the numbers in a list of rows.
    """
    if _is_masked(rows):
        objects = np.array(rows.data, object)
        objects[np.ma.getmaskarray(rows)] = None
        return objects
    try:
        if has_words and not isinstance(rows, np.ndarray):
            return np.array(rows, object)
        return np.asarray(rows)
    except ValueError as error:
        raise DataError("rows differ in length; each must have a cell for every column.") from error


def _is_masked(cells: Any) -> bool:
    """Whether an array is masked; asked without numpy.ma, which takes time to import."""
    return hasattr(cells, "filled") and hasattr(cells, "mask")


def _by_name(rows: Any) -> dict[str, Cells]:
    names = rows.keys() if isinstance(rows, Mapping) else rows.columns
    by_name = {str(name): _cells(str(name), rows[name]) for name in names}
    lengths = {len(cells) for cells in by_name.values()}
    if len(lengths) > 1:
        raise DataError("columns differ in length; each row needs a cell in every column.")
    return by_name


def _cells(name: str, column: Any) -> Cells:
    """The cells of a column of any library; raises DataError if it is no list of them."""
    if hasattr(column, "to_numpy"):
        column = column.to_numpy()
    if _is_masked(column):
        column = _array(column, False)
    if isinstance(column, str | bytes) or not isinstance(column, Iterable | np.ndarray):
        raise DataError(f"column {name} is {column!r:.60}; it must be a list with a cell a row.")
    if not isinstance(column, np.ndarray):
        return list(column)
    if column.ndim != 1:
        raise DataError(
            f"column {name} has {column.ndim} dimensions; it must have one, and a name of its own."
        )
    return column


def _have_names(columns: tuple[Column, ...]) -> bool:
    return any(column.name for column in columns)


def _needs_words(columns: tuple[Column, ...]) -> bool:
    return any(column.kind == "category" for column in columns)


def _matched(by_name: Mapping[str, Cells], columns: tuple[Column, ...]) -> list[Cells | None]:
    """The cells of each raw column; None for one that is ignored."""
    used = [column.name for column in columns if column.kind != "ignored"]
    absent = [name for name in used if name not in by_name]
    if absent:
        raise DataError(f"the rows have no column {names_in_words(absent)}, which the model needs.")
    return [None if column.kind == "ignored" else by_name[column.name] for column in columns]


def _from_places(
    cells: Sequence[Cells], columns: tuple[Column, ...], n_raw: int, missing: Iterable[str]
) -> Floats:
    """The raw rows of columns without names: all raw columns, or all but the ignored ones."""
    columns = columns or unnamed_numbers(n_raw)
    used = [place for place, column in enumerate(columns) if column.kind != "ignored"]
    if len(cells) == len(columns):
        placed: list[Cells | None] = list(cells)
    elif len(cells) == len(used):
        placed = [None] * len(columns)
        for place, each in zip(used, cells, strict=True):
            placed[place] = each
    else:
        raise DataError(_other_width(len(cells), len(used)))
    return _from_cells(placed, columns, missing)


def _other_width(found: int, needed: int) -> str:
    return f"the rows have {found:,} columns, and the model needs {needed:,}."


def _numbers_by_place(array: Raw, columns: tuple[Column, ...], n_raw: int) -> Raw:
    """An array of numbers as it is, with room for the columns that are ignored."""
    if array.dtype.kind == "f" and not np.nanmax(np.abs(array), initial=0) <= LARGEST:
        for place, cells in enumerate(array.T):
            _finite(cells, str(place))
    if array.shape[1] == n_raw:
        return array
    used = [place for place, column in enumerate(columns) if column.kind != "ignored"]
    if array.shape[1] != len(used):
        raise DataError(_other_width(array.shape[1], len(used) or n_raw))
    raw: Floats = np.zeros((len(array), n_raw))
    raw[:, used] = array
    return raw


def _from_cells(
    cells: Sequence[Cells | None], columns: tuple[Column, ...], missing: Iterable[str]
) -> Floats:
    gaps = frozenset(missing)
    gap_numbers = _gap_numbers(gaps)
    n_rows = next((len(each) for each in cells if each is not None), 0)
    raw: Floats = np.zeros((n_rows, len(columns)))
    for place, (each, column) in enumerate(zip(cells, columns, strict=True)):
        if each is not None and column.kind == "number":
            raw[:, place] = _finite(_numbers(each, column, place, gaps), column.name or str(place))
            if gap_numbers:
                raw[np.isin(raw[:, place], gap_numbers), place] = math.nan
        elif each is not None and column.kind == "category":
            raw[:, place] = _levels(each, column, gaps)
    return raw


def _finite(cells: Raw, name: str) -> Raw:
    """The cells; raises DataError naming the row of one that is infinite or too large."""
    too_large = np.abs(cells) > LARGEST if cells.dtype.kind == "f" else np.zeros(1, bool)
    if too_large.any():
        row = int(np.argmax(too_large))
        raise DataError(
            f"row {row:,} (counted from 0), column {name}: {cells[row]} is infinite or too large. "
            "Fill in or remove such rows."
        )
    return cells


def _gap_numbers(gaps: Iterable[str]) -> list[float]:
    """The numbers among the texts of a missing cell, such as -999."""
    numbers: list[float] = []
    for text in gaps:
        try:
            numbers.append(float(text))
        except ValueError:
            continue
    return [number for number in numbers if not math.isnan(number)]


def _numbers(cells: Cells, column: Column, place: int, gaps: frozenset[str]) -> Floats:
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "buif":
        return cells.astype(np.float64)
    return _converted(cells, lambda row, cell: _number(row, cell, column, place, gaps))


def _converted(cells: Cells, convert: Callable[[int, Any], float]) -> Floats:
    numbers: Floats = np.array([convert(row, cell) for row, cell in enumerate(cells)], np.float64)
    return numbers


def _number(row: int, cell: Any, column: Column, place: int, gaps: frozenset[str]) -> float:
    if _is_missing(cell, gaps):
        return math.nan
    try:
        if isinstance(cell, complex | np.complexfloating):
            raise TypeError
        return float(cell)
    except (TypeError, ValueError) as error:
        name = column.name or str(place)
        raise DataError(
            f"row {row:,} (counted from 0), column {name}: {cell!r:.60} is no number. "
            "If it means a missing cell, write None."
        ) from error


def _is_missing(cell: Any, gaps: frozenset[str]) -> bool:
    """Whether a cell is None, NaN, pandas' NA, or a text that stands for a missing cell."""
    if cell is None:
        return True
    if isinstance(cell, str):
        return cell.strip() in gaps
    if type(cell).__name__ in ("NAType", "NaTType"):
        return True
    differs = cell != cell  # an array of its own, if the cell is one
    return isinstance(differs, bool | np.bool_) and bool(differs)


def _levels(cells: Cells, column: Column, gaps: frozenset[str]) -> Floats:
    index_of = {level: float(index) for index, level in enumerate(column.levels)}
    alike = other_spellings(column.levels)
    known: dict[str, float] = {}

    def level(row: int, cell: Any) -> float:
        if _is_missing(cell, gaps):
            return math.nan
        text = (cell.decode() if isinstance(cell, bytes) else str(cell)).strip()
        if text not in known:
            known[text] = index_of.get(text, alike.get(spelling(text), -1.0))
        return known[text]

    return _converted(cells, level)
