"""Rows of arrays meet what is said of their columns: by the user, or by a model.

Arrays have features alone, without a column for labels, and no words.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlpcli.arrays import Floats, Raw
from mlpcli.config import Place
from mlpcli.datasets.csvcells import UNKNOWN, as_number, shown, sorted_levels
from mlpcli.datasets.csvlayout import Layout
from mlpcli.datasets.csvroles import ABSENT, find_column, match_roles
from mlpcli.datasets.csvrows import Dialect
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table, check_room
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column, feature_columns, unnamed_numbers


def fitted(table: Table, options: ReadingOptions) -> Table:
    """The table, its own test and validation rows too, with its columns as they are to be.

    They are those of `options.columns`, a model's, or else as the user says. Raises DataError if
    there are others than the model needs, or if a column that the user names is not there.
    """
    columns = options.columns
    fit = _for_model(table, columns) if columns else _as_asked(table, options)
    if not fit.columns:
        return fit
    if table.test:
        fit = replace(fit, test=_for_model(table.test, fit.columns))
    if table.validation:
        fit = replace(fit, validation=_for_model(table.validation, fit.columns))
    return fit


def fitted_features(origin: str, x: Raw, columns: Sequence[Column]) -> Raw:
    """Raw rows x (N,D) without names in the order and the coding of a model's columns.

    There may be all of them, or all but those that are ignored. Raises DataError for any other
    number of columns.
    """
    if not columns:
        return x
    return _recoded(origin, x, unnamed_numbers(x.shape[1]), feature_columns(columns))


def _for_model(table: Table, columns: Sequence[Column]) -> Table:
    own = feature_columns(_columns(table))
    x = _recoded(table.origin, table.x, own, feature_columns(columns))
    return replace(table, x=x, columns=tuple(columns))


def _columns(table: Table) -> tuple[Column, ...]:
    return table.columns or unnamed_numbers(table.n_features)


def _layout(columns: Sequence[Column]) -> Layout:
    """These columns, as those of a file whose rows have not been looked at."""
    names = tuple(column.name for column in columns)
    return Layout(Dialect(",", '"', len(columns)), 0, names if any(names) else (), [])


def _recoded(origin: str, x: Raw, own: Sequence[Column], wanted: Sequence[Column]) -> Raw:
    """The columns that are wanted; x itself if it has them as they are."""
    places = match_roles(origin, _layout(own), wanted, labelled=False).features
    is_numeric = all(column.kind == "number" for column in own)
    is_numeric = is_numeric and all(column.kind != "category" for column in wanted)
    if is_numeric and places == tuple(range(x.shape[1])):
        return x
    dtype = x.dtype if is_numeric else np.dtype(np.float64)
    check_room(origin, len(x) * len(wanted) * dtype.itemsize)
    result = np.zeros((len(x), len(wanted)), dtype)
    for d, (place, column) in enumerate(zip(places, wanted, strict=True)):
        if column.kind == "ignored" or place == ABSENT:
            continue
        where = f"{origin}: {_layout(own).describe(place)}"
        result[:, d] = _cells(where, x[:, place], own[place], column)
    return result


def _cells(where: str, cells: Raw, own: Column, wanted: Column) -> Raw:
    """The cells of a column (N) in the coding of the one that is wanted."""
    if own.kind == "ignored":
        raise DataError(f"{where} holds neither numbers nor categories, and the model needs it.")
    if wanted.kind == "category":
        texts, indices = _texts(cells, own)
        code_of = {level: float(code) for code, level in enumerate(wanted.levels)}
        return _looked_up([code_of.get(text, UNKNOWN) for text in texts], indices)
    if own.kind == "number":
        return cells
    numbers = [as_number(level) for level in own.levels]
    if None in numbers:
        word = shown(own.levels[numbers.index(None)])
        raise DataError(f"{where} holds words, as {word}, and the model needs numbers in it.")
    _, indices = _texts(cells, own)
    return _looked_up([number for number in numbers if number is not None], indices)


def _texts(cells: Raw, column: Column) -> tuple[Sequence[str], Floats]:
    """The distinct texts of cells, and the index of each one's text (N), NaN for a missing cell."""
    if column.kind == "category":
        return column.levels, cells
    distinct = np.unique(cells[~np.isnan(cells)] if cells.dtype.kind == "f" else cells)
    indices = np.searchsorted(distinct, cells).astype(np.float64)
    indices[np.isnan(cells)] = np.nan
    return [number_text(number) for number in distinct.tolist()], indices


def _looked_up(values: Sequence[float], indices: Floats) -> Floats:
    """The value at each index, NaN where that is NaN, UNKNOWN where it is UNKNOWN."""
    table = np.array([*values, np.nan, UNKNOWN])
    places = np.where(np.isnan(indices), len(values), indices).astype(np.intp)
    result: Floats = table[places]  # −1, an unknown level, is the last
    return result


def number_text(number: float) -> str:
    """A number as the name of a level: without decimals if it is whole."""
    if math.isfinite(number) and number == int(number):
        return str(int(number))
    return repr(float(number))


# What the user says of columns


def _as_asked(table: Table, options: ReadingOptions) -> Table:
    """The table with columns ignored or taken for categories as the user says."""
    notes = (*table.notes, *_not_used(table.origin, options))
    if not options.ignore and not options.categorical:
        return replace(table, notes=notes)
    columns = list(_columns(table))
    ignored = _features_at(table, options.ignore or (), "data.ignore")
    categories = _features_at(table, options.categorical, "data.categorical")
    for index in ignored:
        columns[index] = replace(columns[index], kind="ignored")
    rank_of = _ranks(columns)
    x = table.x
    for index in sorted(categories - ignored):
        if columns[index].kind == "number":
            check_room(table.origin, x.size * 8)
            x = x.astype(np.float64, copy=x is table.x)
            levels = _make_category(x[:, rank_of[index]])
            columns[index] = replace(columns[index], kind="category", levels=levels)
    return replace(table, x=x, columns=tuple(columns), notes=notes)


def _not_used(origin: str, options: ReadingOptions) -> list[str]:
    """Notes of what is asked for, and cannot be done."""
    given = {"data.target": options.target, "data.weight": options.weight}
    return [
        f"{origin}: {key} is not used, since it names a column; "
        "here features and labels stand apart."
        for key, place in given.items()
        if place != ""
    ]


def _features_at(table: Table, places: Sequence[Place], key: str) -> set[int]:
    """The indices of these columns among all; raises DataError for one that is no feature."""
    columns = _columns(table)
    layout = _layout(columns)
    found = {find_column(table.origin, layout, place, key) for place in places}
    for index in found:
        if not columns[index].is_feature:
            raise DataError(
                f"{table.origin}: {layout.describe(index)} is the label's, so {key} cannot name it."
            )
    return found


def _ranks(columns: Sequence[Column]) -> dict[int, int]:
    """Where in x each feature stands, by its index among all columns."""
    features = [index for index, column in enumerate(columns) if column.is_feature]
    return {index: d for d, index in enumerate(features)}


def _make_category(cells: Floats) -> tuple[str, ...]:
    """The levels of a column of numbers, whose cells become codes in place."""
    texts, indices = _texts(cells, Column("", "number"))
    levels = tuple(sorted_levels(texts))
    code_of = {level: float(code) for code, level in enumerate(levels)}
    cells[:] = _looked_up([code_of[text] for text in texts], indices)
    return levels
