"""Rows as Python users have them: numbers that stand for a missing cell."""

import numpy as np
import pytest

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
