"""CSV files as people write them, and the line that is named where one cannot be read."""

import csv
import io
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlpcli.arrays import Raw
from mlpcli.config import MISSING, Place
from mlpcli.datasets.csvfile import read
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.preprocessing.columns import feature_columns
from mlpcli.storage import reading
from tests.support.formats import damaged, many, put


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that examples write over."""
    return tmp_path_factory.mktemp("csv") / "file.csv"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


def read_text(path: Path, content: str | bytes, target: Place = "", **options: Any) -> Table:
    put(path, content if isinstance(content, bytes) else content.encode())
    return read(path, ReadingOptions(target=target, **options))


def refused(path: Path, content: str | bytes, target: Place = "", **options: Any) -> str:
    with pytest.raises((DataError, UnreadableFileError)) as caught:
        read_text(path, content, target, **options)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


LONG = ["12345678901234567890", "12345678901234567891"]
X = [[5.5, 3.0], [4.25, -1.0], [0.5, 2e3]]


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ("5.5,3,0\n4.25,-1,1\n0.5,2e3,0\n", [0, 1, 0]),
        ("width,height,kind\n5.5,3,0\n4.25,-1,1\n0.5,2e3,0\n", [0, 1, 0]),
        ("5.5,3,cat\n4.25,-1,dog\n0.5,2e3,cat\n", ["cat", "dog", "cat"]),
        ("width,height,kind\n5.5,3,cat\n4.25,-1,dog\n0.5,2e3,cat\n", ["cat", "dog", "cat"]),
        ("0,1,label\n5.5,3,0\n4.25,-1,1\n0.5,2e3,0\n", [0, 1, 0]),
        ("\ufeffwidth,height,kind\n5.5,3,0\n4.25,-1,1\n0.5,2e3,0\n", [0, 1, 0]),
        ("\ufeff5.5,3,0\n4.25,-1,1\n0.5,2e3,0\n", [0, 1, 0]),
        ("width;height;kind\n5.5;3;a,b\n4.25;-1;c\n0.5;2e3;c\n", ["a,b", "c", "c"]),
        ("width\theight\tkind\n5.5\t3\ta b\n4.25\t-1\tc\n0.5\t2e3\tc\n", ["a b", "c", "c"]),
        (
            '"width, in cm",height,kind\n"5.5","3","a, b"\n4.25,-1,"c"\n0.5,2e3,c\n',
            ["a, b", "c", "c"],
        ),
        (
            'width,height,kind\n5.5,3,"say ""a"""\n4.25,-1,"c\nd"\n0.5,2e3,c\n',
            ['say "a"', "c\nd", "c"],
        ),
        ('"width\nin cm",height,kind\n5.5,3,0\n4.25,-1,1\n0.5,2e3,0\n', [0, 1, 0]),
        ("width,height,kind\r\n5.5,3,0\r\n4.25,-1,1\r\n0.5,2e3,0\r\n", [0, 1, 0]),
        ("width,height,kind\r5.5,3,0\r4.25,-1,1\r0.5,2e3,0\r", [0, 1, 0]),
        ("\n \nwidth,height,kind\n\n5.5,3,0\n  \n4.25,-1,1\n\n\n0.5,2e3,0\n\n", [0, 1, 0]),
        ("\n5.5,3,0\n\t\n4.25,-1,1\n0.5,2e3,0", [0, 1, 0]),
        (
            " width , height , kind \n 5.5 , 3 , a \n 4.25 , -1 , b \n 0.5 , 2e3 , a \n",
            ["a", "b", "a"],
        ),
        ("5.5,3,1.0\n4.25,-1,2e0\n0.5,2e3,-3\n", [1, 2, -3]),
        ("5.5,3,1_0\n4.25,-1,10\n0.5,2e3,10\n", ["1_0", "10", "10"]),
        ("5.5,3,12345678901234567890\n4.25,-1,12345678901234567891\n0.5,2e3,1\n", [*LONG, "1"]),
        ("5.5,3,1e30\n4.25,-1,2\n0.5,2e3,2\n", ["1e30", "2", "2"]),
        ("5.5,3,#1\n4.25,-1,#2\n0.5,2e3,#1\n", ["#1", "#2", "#1"]),
        ("5.5,3,٣\n4.25,-1,1\n0.5,2e3,1\n", ["٣", "1", "1"]),
    ],
)
def test_a_file_is_read_as_it_was_meant(content: str, labels: list[object], path: Path) -> None:
    table = read_text(path, content)
    np.testing.assert_array_equal(table.x, X)
    assert table.labels.tolist() == list(map(str, labels))


@pytest.mark.parametrize(("target", "column"), [("a", 0), ("b", 1), ("c", 2), ("", 2)])
def test_labels_are_in_the_column_that_is_named_or_the_last(
    target: str, column: int, path: Path
) -> None:
    numbers = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    table = read_text(path, "a, b ,c\n1,2,3\n4,5,6\n7,8,9\n", target)
    assert table.labels.tolist() == [str(int(number)) for number in numbers[:, column]]
    np.testing.assert_array_equal(table.x, np.delete(numbers, column, axis=1))


def test_integer_names_in_the_first_line_are_names_where_the_label_is_asked_for_by_one(
    path: Path,
) -> None:
    table = read_text(path, "0,1,2\n3,4,5\n6,7,8\n", "1")
    assert (table.x.tolist(), table.labels.tolist()) == ([[3, 5], [6, 8]], ["4", "7"])


def test_small_whole_numbers_are_kept_as_bytes(path: Path) -> None:
    assert read_text(path, "0,255,a\n1,2,b\n").x.dtype == np.uint8
    assert read_text(path, "0,256,a\n1,2,b\n").x.dtype == np.float64


def test_a_row_may_be_longer_than_the_csv_modules_limit_for_a_cell(path: Path) -> None:
    line = ",".join(["0.123456789"] * 20_000)
    assert len(line) > csv.field_size_limit()
    assert read_text(path, f"{line},a\n{line},b\n").x.shape == (2, 20_000)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty."),
        ("\ufeff\n \n", "is empty."),
        ("1\n2\n", "has one column only; it needs features and a label, separated by , ; | tab or"),
        ("label\ncat\n", "has one column only"),
        ("a,b,label\n", "has a header and no rows."),
        ("a,b,label\n\n \n", "has a header and no rows."),
        ("1,2,0\n3,4,1\n5,6\n", "line 3 has 2 cells, and the first line has 3."),
        ("1,2,0\n\n\n3,4,1,9\n", "line 4 has 4 cells, and the first line has 3."),
        ("a,b,label\n1,2,3,4\n1,6,7,8\n", "line 1 is no header of these rows: it has 3 cells, and"),
        ("a,b,label\n1,2\n3,4\n", "line 1 is no header of these rows: it has 3 cells, and"),
        ('1,2,a\n" "\n3,4,b\n', "line 2 has 1 cells, and the first line has 3."),
        (
            "1,2,0.5\n3,4,1\n",
            "the label '0.5' is not a whole number; labels must be whole numbers or words.",
        ),
        ("1,2,0\n3,4,inf\n", "the label 'inf' is not a whole number"),
        ("1,2,\n3,4,nan\n5,6,?\n", "no row has a label: each cell of column 3 is missing."),
        (
            "1,2,a\n1e999,3,b\n",
            "line 2 has '1e999' in column 1, which is infinite or too large. Fill in or remove",
        ),
        (
            "a,b,label\n\n1,2,x\n3,-inf,y\n",
            "line 4 has '-inf' in column 2 (b), which is infinite or too large.",
        ),
        (b"1,2,a\n3,4,b\0\n", "line 2 has a NUL byte: this is not UTF-8 text. Save it as UTF-8."),
        (
            "1,2,a\n3,4,é\n".encode("latin-1"),
            "line 2 is not UTF-8 (invalid continuation byte). Save it as UTF-8.",
        ),
        ("1,2,a\n3,4,b\n".encode("utf-16-le"), "line 1 has a NUL byte"),
        ("1,2,a\n3,4,b\n".encode("utf-16")[:-1], "begins as UTF-16, and is not (truncated data)"),
        (b"\x89PNG\r\n\x1a\n", "line 1 is not UTF-8 (invalid start byte). Save it as UTF-8."),
        (b"\x1f\x8b1,2", "is not a whole gzip file"),
        (
            '1,2,a\n"3,4,b\n' + "5,6,c\n" * 40_000,
            "line 2 cannot be read as CSV (field larger than field limit",
        ),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(
    content: str | bytes, said: str, path: Path
) -> None:
    assert refused(path, content).startswith(said)


def test_an_unknown_target_is_told_the_known_ones(path: Path) -> None:
    said = refused(path, "a,b,label\n1,2,x\n", "lable")
    assert said == "has no column named 'lable' (data.target); its first line is a, b, label."
    assert refused(path, ",".join(map(str, range(10_000))), "a").endswith(
        "7, 8, 9, … (10,000 in all)."
    )


def test_a_file_with_more_cells_than_memory_can_hold_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "available_memory", lambda: 115)
    with pytest.raises(UnreadableFileError) as caught:
        read_text(path, "1,2,a\n3,4,b")
    said = f"{path}: would need 116 bytes of memory, and 115 bytes is free."
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.mkdir, "is a folder, where a file is needed."),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to(path.name), "is a symbolic link that leads back to itself."),
        (lambda path: None, "cannot be read: No such file or directory."),
    ],
)
def test_what_lies_in_the_files_place_is_named(make: Any, said: str, path: Path) -> None:
    make(path)
    with pytest.raises(UnreadableFileError) as caught:
        read(path, ReadingOptions())
    assert str(caught.value).startswith(f"{path}: {said}")


def is_word(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text not in MISSING and text[:1] != "'"
    return False


words = (
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1)
    .map(str.strip)
    .filter(is_word)
)
tables = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
    elements=st.floats(-1e30, 1e30) | st.integers(0, 255).map(float),
)


@many
@given(
    tables,
    st.data(),
    st.sampled_from(",;\t"),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([0, 1]),
)
def test_what_was_written_is_read(
    place: Path,
    x: Raw,
    data: st.DataObject,
    delimiter: str,
    header: bool,
    end: str,
    quoting: Literal[0, 1],
) -> None:
    kind = data.draw(st.sampled_from([words, st.integers(-(2**53) + 1, 2**53 - 1)]))
    labels = data.draw(st.lists(kind, min_size=len(x), max_size=len(x)))
    column = data.draw(st.integers(0, x.shape[1])) if header else x.shape[1]
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
    names = [f"column {k}" for k in range(x.shape[1] + 1)]
    for row in [names] * header + [
        [*left, label, *right] for left, label, right in cells(x, labels, column)
    ]:
        writer.writerow(row)
    table = read_text(place, file.getvalue(), names[column] if header else "")
    np.testing.assert_array_equal(table.x, x)
    assert table.labels.tolist() == list(map(str, labels))


def cells(
    x: Raw, labels: list[object], column: int
) -> list[tuple[list[float], object, list[float]]]:
    return [
        (row[:column], label, row[column:]) for row, label in zip(x.tolist(), labels, strict=True)
    ]


ODD = [
    "\r\n",
    ' "',
    '""',
    "1_0",
    "٣",
    "9" * 20,
    "\ufeff",
    "\x1c",
    "\x85",
    "\u2028",
    "0x1",
    "\0",
    "\ud7ff",
]
pieces = st.sampled_from(
    [*",;\t\n\r\" #'é", "1", "-2.5", "1e400", "nan", "inf", "word", "1,2,a\n", "3;4;b\n", *ODD]
)


def table_or_sentence(path: Path, target: str) -> None:
    """Whatever the file holds, reading it gives a table whose codes fit it, or names the file."""
    try:
        table = read(path, ReadingOptions(target=target))
    except (DataError, UnreadableFileError) as error:
        sentence = str(error)
        table = None
    if table is None:
        assert str(path) in sentence
        assert sentence.endswith(".")
        return
    features = feature_columns(table.columns)
    assert len(table.x) == len(table.labels) > 0
    assert table.x.shape[1] == len(features)
    assert "" not in table.labels.names
    assert not np.isinf(table.x).any()
    for column, values in zip(features, table.x.T, strict=True):
        if column.kind == "category":
            assert set(values[values == values]) <= set(range(len(column.levels)))


@many
@given(st.lists(pieces, max_size=30).map("".join), st.sampled_from(["", "1", "word"]))
def test_any_text_gives_a_table_or_a_sentence(place: Path, content: str, target: str) -> None:
    put(place, content.encode())
    table_or_sentence(place, target)


@many
@given(damaged('\ufeffwidth,height,kind\r\n5.5,3,cat\r\n4.25,-1,"d,o"\r\n0.5,2e3,cat\r\n'.encode()))
def test_a_damaged_file_gives_a_table_or_a_sentence(place: Path, content: bytes) -> None:
    put(place, content)
    table_or_sentence(place, "")
