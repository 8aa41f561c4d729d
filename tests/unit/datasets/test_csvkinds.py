"""Columns of words: dates, numbers that are written with other signs, words among numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.datasets.csvfile import read
from mlpcli.datasets.csvkinds import is_date
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError
from tests.support.formats import put


@pytest.fixture
def read_column(tmp_path: Path) -> Callable[..., Table]:
    """Reads a table whose first column, x, has these cells."""

    def read_it(cells: list[str], *lines: str, **options: Any) -> Table:
        rows = [f'"{cell}",{k % 7}.5,{"oak" if k % 2 else "elm"}' for k, cell in enumerate(cells)]
        path = tmp_path / "data.csv"
        put(path, "\n".join(["x,width,kind", *rows, *lines, ""]).encode())
        return read(path, ReadingOptions(**options))

    return read_it


DATES = [
    "5 Mar 2024", "05-Mar-24", "March 5, 2024", "Mar-24", "2024-03", "sept. 2024",
    "Tue, 05 Mar 2024 10:11:12 GMT", "Tue Mar 05 10:11:12 2024", "3/5/2024, 1:05:00 PM",
    "2024-03-05T10:11:12+02:00", "23:59",
]  # fmt: skip


@pytest.mark.parametrize("text", DATES)
def test_dates_and_times_of_many_forms_are_known(text: str) -> None:
    assert is_date(text)


@pytest.mark.parametrize("text", ["Mar", "mark-12", "40-49", "1.5", "A-12", "10.0.0.1", "12/13"])
def test_words_that_are_no_dates_are_none(text: str) -> None:
    assert not is_date(text)


def test_dates_of_which_some_are_unknown_are_ignored_and_said(
    read_column: Callable[..., Table],
) -> None:
    cells = [f"{k % 28 + 1} Mar 2024" if k % 5 else "-" for k in range(60)]
    table = read_column(cells)
    assert table.columns[0].kind == "ignored"
    said = "column 1 (x) holds dates or times, as '1 Mar 2024', and is ignored."
    assert said in " ".join(table.notes)


WRITTEN = [
    "{} kg", "{}%", "{}.5 %", "${}.50", "(${})", "-€{}", "EUR {}", "1,{:03d},000", "1 {:03d}",
    "1.{:03d}.000", "1.{:03d},50", "−{}.5", "{}D+01", "0x{:x}", "<{}", "{} °C", "1_{:03d}",
]  # fmt: skip


@pytest.mark.parametrize("form", WRITTEN)
def test_numbers_with_other_signs_are_refused_with_what_to_do(
    form: str, read_column: Callable[..., Table]
) -> None:
    cells = [form.format(k % 30) for k in range(60)]
    with pytest.raises(DataError) as caught:
        read_column(cells)
    said = str(caught.value)
    assert f"column 1 (x) has numbers that are written with other signs, as {cells[0]!r}." in said
    assert said.endswith(
        "Write the numbers alone; or name the column in data.categorical or data.ignore."
    )
    assert read_column(cells, categorical=("x",)).columns[0].kind == "category"
    assert read_column(cells, ignore=("x",)).columns[0].kind == "ignored"


def test_numbers_of_which_some_have_other_signs_are_refused(
    read_column: Callable[..., Table],
) -> None:
    cells = [f"{k / 10:.1f}" if k % 6 else "<0.5" for k in range(60)]
    with pytest.raises(DataError, match=r"written with other signs, as '<0\.5'"):
        read_column(cells)


def test_a_few_numbers_with_a_unit_are_a_category_and_said(
    read_column: Callable[..., Table],
) -> None:
    table = read_column([f"{k % 3 + 2} doors" for k in range(60)])
    assert table.columns[0].levels == ("2 doors", "3 doors", "4 doors")
    assert "as '2 doors': it was taken for a category." in table.notes[0]
    assert table.notes[0].endswith("To use them as numbers, write those alone.")


@pytest.mark.parametrize("form", ["A{}", "{}-{}", "10.0.0.{}", "{} A{}", "{}:x"])
def test_codes_with_numbers_in_them_are_categories(
    form: str, read_column: Callable[..., Table]
) -> None:
    table = read_column([form.format(k % 15, k % 15 + 1) for k in range(60)])
    assert table.columns[0].kind == "category"
    assert table.notes == ()


def test_numbers_with_thousands_are_refused_though_the_decimal_comma_is_asked_for(
    read_column: Callable[..., Table],
) -> None:
    with pytest.raises(DataError, match=r"written with other signs, as '1\.200,5'"):
        read_column([f"1.2{k:02d},5" for k in range(40)], decimal=",")


def test_a_few_words_among_decimal_commas_are_said(read_column: Callable[..., Table]) -> None:
    table = read_column([*[f"{k},5" for k in range(40)], "tall"], decimal=",")
    assert "has words in 1 of 41 cells ('tall'), and numbers in the others" in " ".join(table.notes)


def test_many_numbers_among_which_words_are_frequent_are_said(
    read_column: Callable[..., Table],
) -> None:
    table = read_column([f"{k % 30}.5" if k % 4 else "tall" for k in range(120)])
    assert "has words in 30 of 120 cells ('tall'), and numbers in the others" in " ".join(
        table.notes
    )


def test_numbers_that_differ_in_every_row_are_not_thrown_away_for_some_words(
    read_column: Callable[..., Table],
) -> None:
    with pytest.raises(DataError) as caught:
        read_column([f"{k}.5" if k % 4 else f"tall {k}" for k in range(120)])
    assert "column 1 (x) has words ('tall 0', 'tall 100'" in str(caught.value)
    assert "among 90 numbers. If they mean missing cells, name them in data.missing; " in str(
        caught.value
    )


@pytest.mark.parametrize("word", ["Total", "# a note"])
def test_a_word_in_a_row_without_a_label_leaves_numbers_as_they_are(
    word: str, read_column: Callable[..., Table]
) -> None:
    cells = [f"{k % 30}.5" for k in range(60)]
    table = read_column(cells, f"{word},,")
    assert table.columns[0].kind == "number"
    np.testing.assert_array_equal(table.x[:, 0], [float(cell) for cell in cells])
    assert "1 of 61 rows have no label in column 3 (kind), and are left out." in table.notes[0]
