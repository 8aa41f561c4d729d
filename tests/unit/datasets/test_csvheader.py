"""Lines above the rows: headers of numbers, titles, second headers, and headers in the middle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli.datasets.csvfile import read
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError
from tests.support.formats import put

ROWS = [f"{k * 7 % 13}.5,{k},{k % 5},{k * 3 % 7}.25,{'oak' if k % 2 else 'elm'}" for k in range(40)]
NUMBERS = [row.replace("oak", "0").replace("elm", "1") for row in ROWS]
HEADER = "length,width,rooms,height,kind"


@pytest.fixture
def read_lines(tmp_path: Path) -> Callable[..., Table]:
    def read_them(*lines: str, **options: Any) -> Table:
        path = tmp_path / "data.csv"
        put(path, "\n".join([*lines, ""]).encode())
        return read(path, ReadingOptions(**options))

    return read_them


@pytest.fixture
def refused(read_lines: Callable[..., Table], tmp_path: Path) -> Callable[..., str]:
    def said(*lines: str, **options: Any) -> str:
        with pytest.raises(DataError) as caught:
            read_lines(*lines, **options)
        return str(caught.value).removeprefix(f"{tmp_path / 'data.csv'}: ")

    return said


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("2010,2011,2012,2013,kind", ROWS),
        ("400.5,410.5,420.5,430.5,kind", ROWS),
        ("2010,2011,2012,2013,2014", NUMBERS),
        ("1,2,3,4,5", NUMBERS),
    ],
)
def test_names_that_are_numbers_in_steps_are_a_header_and_said(
    header: str, rows: list[str], read_lines: Callable[..., Table]
) -> None:
    table = read_lines(header, *rows)
    assert [column.name for column in table.columns] == header.split(",")
    assert table.n_rows == len(rows)
    assert "line 1 was taken for the header; data.header=false reads it as a row." in table.notes[0]


@pytest.mark.parametrize(
    "rows",
    [
        ["1,2,3,4,oak", *ROWS],
        ["1,2,3,4,0", "2,3,4,5,1", *NUMBERS],
        ["1,2,3,4,0", *NUMBERS],
        ["2,4,6,8,10", *NUMBERS],
    ],
)
def test_rows_of_numbers_are_no_header(rows: list[str], read_lines: Callable[..., Table]) -> None:
    table = read_lines(*rows)
    assert table.n_rows == len(rows)
    assert table.notes == ()


@pytest.mark.parametrize("blank", [[], [",,,,"]])
def test_a_title_in_the_first_of_many_cells_is_refused(
    blank: list[str], refused: Callable[..., str]
) -> None:
    assert refused("Survey of 2024,,,,", *blank, HEADER, *ROWS) == (
        "line 1 is no header of these rows: one of its cells has text, and the others are empty. "
        "Remove that line, or mend it."
    )


@pytest.mark.parametrize("units", ["cm,mm,n,m,name", "cm,mm,,m,"])
def test_a_second_header_is_refused(units: str, refused: Callable[..., str]) -> None:
    assert refused(HEADER, units, *ROWS) == (
        "line 2 looks like a second header: it has 'cm' above the numbers of column 1. "
        "Remove that line, or mend it."
    )


def test_a_header_of_two_lines_of_which_the_first_repeats_its_names_is_refused(
    refused: Callable[..., str],
) -> None:
    said = refused("a,a,b,b,y", "x,z,x,z,", *ROWS)
    assert said.startswith("line 2 looks like a second header: it has 'x' above the numbers")


def test_words_that_stand_for_missing_cells_are_no_second_header(
    read_lines: Callable[..., Table],
) -> None:
    table = read_lines(HEADER, "NA,?,,null,oak", *ROWS)
    assert table.n_rows == len(ROWS) + 1


@pytest.mark.parametrize("n_rows", [20, 3000], ids=["near", "far"])
def test_a_header_in_the_middle_is_refused_with_its_line(
    n_rows: int, refused: Callable[..., str]
) -> None:
    rows = (ROWS * 100)[:n_rows]
    assert refused(HEADER, *rows, HEADER, *ROWS) == (
        f"line {n_rows + 2:,} repeats the header, as in files that were joined. Remove that line."
    )


def test_a_row_of_words_that_comes_again_is_no_header(read_lines: Callable[..., Table]) -> None:
    table = read_lines(*["red,small,yes", "blue,large,no", "red,large,yes"] * 9)
    assert table.n_rows == 27
    assert table.columns[0].name == ""


def test_a_line_with_too_few_cells_is_refused_with_what_to_do(
    refused: Callable[..., str],
) -> None:
    assert refused(HEADER, *ROWS, "(40 rows)") == (
        "line 42 has 1 cells, and the first line has 5. "
        "Mend or remove that line; a cell with a separator in it must be in quotes."
    )
