"""Cells: numbers that stand for a missing one."""

from pathlib import Path

import numpy as np
import pytest

from mlpcli.datasets.csvcells import Numbers
from mlpcli.datasets.csvfile import read
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError
from tests.support.formats import put


@pytest.mark.parametrize("quote", ["", '"'], ids=["bytes", "quoted over lines"])
def test_a_number_may_stand_for_a_missing_cell_however_it_is_written(
    quote: str, tmp_path: Path
) -> None:
    path = tmp_path / "data.csv"
    cell = f"{quote}\n-999{quote}" if quote else "-999"
    put(path, f"a,kind\n1.5,x\n{cell},y\n-999.0,x\n-998,y\n".encode())
    table = read(path, ReadingOptions(missing=("-999",)))
    np.testing.assert_array_equal(table.x[:, 0], [1.5, np.nan, np.nan, -998])


def test_a_missing_number_is_found_with_a_decimal_comma_too() -> None:
    numbers = Numbers(["-9,5"], ",")
    values, bad = numbers.encode(["-9,5", "-9,50", "9,5"])
    np.testing.assert_array_equal(values, [np.nan, np.nan, 9.5])
    assert bad == []


@pytest.mark.parametrize("word", ["", "?", "N/A", "#DIV/0!"])
def test_a_gap_among_numbers_that_a_list_of_ones_own_leaves_out_is_refused(
    word: str, tmp_path: Path
) -> None:
    path = tmp_path / "data.csv"
    rows = [f"{word if k % 5 == 0 else k},{k % 7}.5,{k % 2}" for k in range(60)]
    put(path, "\n".join(["a,b,kind", *rows, ""]).encode())
    with pytest.raises(DataError, match=r"name it in data\.missing") as caught:
        read(path, ReadingOptions(missing=("-999",)))
    assert f"column 1 (a) has {word!r} in 12 of 60 cells" in str(caught.value)


def test_an_empty_label_is_no_class_though_the_list_of_missing_texts_lacks_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data.csv"
    put(path, b"a,kind\n1.5,x\n2.5,y\n3.5,\n")
    table = read(path, ReadingOptions(missing=("-999",)))
    assert table.labels.names == ("x", "y")
    assert "1 of 3 rows have no label" in table.notes[0]


def test_rows_of_one_class_beside_rows_without_a_label_are_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data.csv"
    put(path, b"a,kind\n1.5,x\n2.5,None\n3.5,x\n")
    with pytest.raises(DataError) as caught:
        read(path, ReadingOptions())
    assert str(caught.value).endswith(
        "1 of 3 rows have no label in column 2 (kind) ('None' stands for a missing cell: "
        "data.missing), and are left out. All others are of one class, 'x'."
    )
