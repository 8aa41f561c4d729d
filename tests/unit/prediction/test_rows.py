"""Rows as Python users have them: numbers that stand for a missing cell."""

from typing import Any

import numpy as np
import pytest

from mlpcli.errors import DataError
from mlpcli.prediction.rows import raw_rows
from mlpcli.preprocessing.columns import Column

COLUMNS = (Column("a", "number"), Column("b", "number"))
GAPS = ("", "-999")


@pytest.mark.parametrize(
    "rows",
    [
        np.array([[1.5, -999.0], [-999, 2]]),
        {"b": [-999, 2], "a": np.array([1.5, -999])},
        np.array([["1.5", "-999"], ["-999.0", "2"]], object),
    ],
    ids=["array", "columns", "objects"],
)
def test_a_number_that_stood_for_a_missing_cell_in_training_does_so_in_rows(rows: object) -> None:
    raw = raw_rows(rows, COLUMNS, 2, GAPS)
    np.testing.assert_array_equal(raw, [[1.5, np.nan], [np.nan, 2]])


def test_numbers_without_columns_are_taken_as_they_are() -> None:
    rows = np.array([[1.5, -999]])
    np.testing.assert_array_equal(raw_rows(rows, (), 2, GAPS), rows)


CATEGORY = (Column("a", "category", ("1", "2", "True", "oak")), Column("b", "number"))


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (1, 0), (1.0, 0), (np.float64(2), 1), ("1.0", 0), ("01", 0), (True, 2), ("true", 2),
        (np.True_, 2), ("oak", 3), (" oak ", 3), ("Oak", -1), (3, -1), (False, -1), ([1], -1),
    ],
)  # fmt: skip
def test_a_level_is_known_by_its_other_spellings(cell: object, code: int) -> None:
    cells = np.empty(3, object)
    cells[:] = [cell, None, cell]
    raw = raw_rows({"a": cells, "b": [1, 2, 3]}, CATEGORY, 2, ())
    np.testing.assert_array_equal(raw[:, 0], [code, np.nan, code])


def test_true_and_1_are_not_the_same_level() -> None:
    cells = np.array([True, 1, 1.0], object)
    raw = raw_rows({"a": cells, "b": [1, 2, 3]}, CATEGORY, 2, ())
    assert raw[:, 0].tolist() == [2, 0, 0]


def test_a_spelling_that_two_levels_share_is_that_of_neither() -> None:
    columns = (Column("a", "category", ("1", "1.0")), Column("b", "number"))
    raw = raw_rows({"a": ["1", "1.0", "01"], "b": [1, 2, 3]}, columns, 2, ())
    assert raw[:, 0].tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("form", "columns"),
    [
        (np.array, ()),
        (np.array, COLUMNS),
        (lambda rows: {"a": [1.5, 2], "b": [1.0, rows[1][1]]}, COLUMNS),
    ],
)
def test_an_infinite_number_is_refused_with_its_row(form: Any, columns: Any) -> None:
    with pytest.raises(DataError) as caught:
        raw_rows(form([[1.5, 1.0], [2.0, -np.inf]]), columns, 2, ())
    assert str(caught.value).startswith("row 1 (counted from 0), column ")
    assert str(caught.value).endswith("-inf is infinite or too large. Fill in or remove such rows.")
    with pytest.raises(DataError, match="1e\\+300 is infinite or too large"):
        raw_rows(form([[1.5, 1.0], [2.0, 1e300]]), columns, 2, ())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[1, 2], [3]], "rows differ in length; each must have a cell for every column."),
        ({"a": 1.5, "b": 2}, "column a is 1.5; it must be a list with a cell a row."),
        ({"a": "12", "b": [1, 2]}, "column a is '12'; it must be a list with a cell a row."),
        ({"a": np.ones((2, 2)), "b": [1, 2]}, "column a has 2 dimensions; it must have one"),
        ({"a": [1j, 1], "b": [1, 2]}, "row 0 (counted from 0), column a: 1j is no number."),
        ({"a": [np.ones(2), 1], "b": [1, 2]}, "row 0 (counted from 0), column a: array([1., 1.])"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(rows: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        raw_rows(rows, COLUMNS, 2, ())
    assert str(caught.value).startswith(said)


def test_a_cell_that_is_masked_is_missing() -> None:
    masked = np.ma.array([[1.5, 2], [3, 4]], mask=[[False, True], [False, False]])
    expected = [[1.5, np.nan], [3, 4]]
    np.testing.assert_array_equal(raw_rows(masked, COLUMNS, 2, ()), expected)
    by_name = {"a": masked[:, 0], "b": masked[:, 1]}
    np.testing.assert_array_equal(raw_rows(by_name, COLUMNS, 2, ()), expected)


def test_bytes_are_the_text_that_they_spell() -> None:
    raw = raw_rows({"a": np.array([b"oak", b"1"]), "b": [1, 2]}, CATEGORY, 2, ())
    assert raw[:, 0].tolist() == [3, 0]
