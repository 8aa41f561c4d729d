"""Tables as people have them: read as they were meant, refused, or said; never silently wrong."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.datasets.csvfile import read
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.preprocessing.columns import Column
from mlpcli.storage import reading
from tests.support.formats import put

NAN = float("nan")
KINDS = {"n": "number", "c": "category", "i": "ignored", "L": "label", "w": "weight"}
HEADER = "length,width,kind\n"
ROWS = "".join(f"{k}.5,{k % 7},{'oak' if k % 2 else 'elm'}\n" for k in range(40))


@pytest.fixture
def read_text(tmp_path: Path) -> Callable[..., Table]:
    def read_it(content: str | bytes, **options: Any) -> Table:
        path = tmp_path / "data.csv"
        put(path, content if isinstance(content, bytes) else content.encode())
        return read(path, ReadingOptions(**options))

    return read_it


@pytest.fixture
def refused(read_text: Callable[..., Table], tmp_path: Path) -> Callable[..., str]:
    def said(content: str | bytes, **options: Any) -> str:
        with pytest.raises((DataError, UnreadableFileError)) as caught:
            read_text(content, **options)
        return str(caught.value).removeprefix(f"{tmp_path / 'data.csv'}: ")

    return said


def kinds(table: Table) -> str:
    letters = {kind: letter for letter, kind in KINDS.items()}
    return "".join(letters[column.kind] for column in table.columns)


def notes(table: Table) -> str:
    assert all(note.startswith(f"{table.origin}: ") for note in table.notes)
    return " ".join(note.removeprefix(f"{table.origin}: ") for note in table.notes)


# Forms


@pytest.mark.parametrize(
    "content",
    [
        "6.5,oak,0\n7,,1\n6.5,elm,0\n",
        "6.5;oak;0\n7;;1\n6.5;elm;0\n",
        "6.5\toak\t0\n7\t\t1\n6.5\telm\t0\n",
        "6.5|oak|0\n7||1\n6.5|elm|0\n",
        "6.5 oak  0\n  7 ? 1\n6.5   elm 0  \n",
        "6.5\t\toak\t0\n7\t?\t1\n6.5\telm\t\t0\n",
        "6.5, oak, 0\n7, , 1\n6.5, elm, 0\n",
        "6.5,oak,0,\n7,,1,\n6.5,elm,0,\n",
        "'6.5','oak',0\n'7','',1\n'6.5','elm',0\n",
        '"6.5","oak",0\n"7","",1\n"6.5","elm",0\n',
        '6.5, "oak", 0\n7, "", 1\n6.5, "elm", 0\n',
        "6.5 'oak' 0\n7 '' 1\n6.5 'elm' 0\n",
        "6.5,oak,0\r\n\r\n7,NA,1\r\n6.5,elm,0\r\n\r\n",
        "6.5,oak,0\r7,NA,1\r6.5,elm,0",
    ],
)
def test_every_form_of_a_table_is_the_same_table(
    content: str, read_text: Callable[..., Table]
) -> None:
    table = read_text(content)
    np.testing.assert_array_equal(table.x, [[6.5, 1], [7, NAN], [6.5, 0]])
    assert table.columns[1] == Column("", "category", ("elm", "oak"))
    assert table.labels.tolist() == ["0", "1", "0"]


@pytest.mark.parametrize(
    "encode",
    [
        str.encode,
        lambda text: ("\ufeff" + text).encode(),
        lambda text: text.encode("utf-16"),
        lambda text: "\ufeff".encode("utf-16-be") + text.encode("utf-16-be"),
        lambda text: gzip.compress(text.encode()),
        lambda text: gzip.compress(text.encode("utf-16")),
    ],
)
def test_a_table_may_be_in_utf_16_with_its_mark_and_gzipped(
    encode: Callable[[str], bytes], read_text: Callable[..., Table]
) -> None:
    table = read_text(encode("größe,kind\n1,Öl\n2,水\n"))
    assert [column.name for column in table.columns] == ["größe", "kind"]
    assert table.labels.tolist() == ["Öl", "水"]


def test_a_small_file_that_unpacks_to_far_more_than_data_does_is_refused(
    refused: Callable[..., str],
) -> None:
    said = refused(gzip.compress(b"1,2,a\n" * 5_000_000))
    assert "unpacks from" in said
    assert "more than data ever does. Unpack it first, with gunzip." in said


def test_a_separator_may_be_missing_at_the_end_of_the_header_alone(
    read_text: Callable[..., Table],
) -> None:
    table = read_text("a,b,kind\n1,2,oak,\n3,4,elm,\n")
    assert [column.name for column in table.columns] == ["a", "b", "kind"]


def test_decimal_commas_are_read_by_their_key(read_text: Callable[..., Table]) -> None:
    table = read_text("a;b;kind\n6,41;1;oak\n-,5;2;elm\n", decimal=",")
    np.testing.assert_array_equal(table.x, [[6.41, 1], [-0.5, 2]])


@pytest.mark.parametrize("content", ["6,41;1;oak\n9,5;2;elm\n", 'a,b,k\n"6,41",1,oak\n"9",2,elm\n'])
def test_decimal_commas_are_refused_with_the_name_of_their_key(
    content: str, refused: Callable[..., str]
) -> None:
    assert (
        "numbers with a comma, as '6,41'. If it stands before the decimals, set data.decimal=','"
        in refused(content)
    )


# The header


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("?,9.5,0\n1,2,1\n", ["", "", ""]),
        ("5,3,-,0\n4,2,a,1\n", ["", "", "", ""]),
        ("M,0.4,15\nF,0.3,7\n", ["", "", ""]),
        ("oak,red,yes\nelm,red,no\n", ["", "", ""]),
        ("1.5,2,oak\n1.5,2,3\n", ["", "", ""]),
        ("3,2,1\n4,5,6\n", ["", "", ""]),
        ("a,b,c\n1,2,3\n", ["a", "b", "c"]),
        ("a,2019,2020,kind\n1,2,3,x\n", ["a", "2019", "2020", "kind"]),
        ("a,b,kind\nx,y,z\nu,v,w\n", ["a", "b", "kind"]),
        ("0,1,2\n7,8,9\n", ["0", "1", "2"]),
        (",0,1\n0,8,9\n", ["", "0", "1"]),
        ('"a","kind"\n"1",2,"x"\n"2",3,"y"\n', ["", "a", "kind"]),
    ],
)
def test_the_first_line_is_a_header_where_it_names_the_columns(
    content: str, names: list[str], read_text: Callable[..., Table]
) -> None:
    table = read_text(content)
    assert [column.name for column in table.columns] == names
    assert table.n_rows == content.count("\n") - any(names)


def test_data_header_has_the_last_word(read_text: Callable[..., Table]) -> None:
    assert read_text("a,b,c\n1,2,3\n", header=False).n_rows == 2
    assert read_text("1,2,3\n4,5,6\n", header=True).n_rows == 1


@pytest.mark.parametrize("content", ["a,b,kind\nx,y,z\nu,v,w\n", "1,2,kind\n5,4,0\n"])
def test_a_header_that_is_not_quite_sure_is_said(
    content: str, read_text: Callable[..., Table]
) -> None:
    assert "line 1 was taken for the header; data.header=false reads it as a row." in notes(
        read_text(content)
    )


def test_a_title_above_the_header_is_refused(refused: Callable[..., str]) -> None:
    said = refused("Exported on Friday\n\n" + HEADER + ROWS)
    assert said == (
        "line 1 is no header of these rows: it has 1 cells, and the lines below have 3. "
        "Remove that line, or mend it."
    )


def test_two_columns_of_one_name_are_refused(refused: Callable[..., str]) -> None:
    said = refused("kind,a,kind\n0,1,0\n1,2,1\n")
    assert said.startswith("has 2 columns named 'kind': columns 1 and 3.")


# The label


def test_rows_without_a_label_are_left_out_and_counted(read_text: Callable[..., Table]) -> None:
    table = read_text("a,b,kind\n1,u,x\n2,v,NA\n3,w,y\n4,u,\n")
    assert table.x[:, 0].tolist() == [1, 3]
    assert table.labels.tolist() == ["x", "y"]
    assert (
        "2 of 4 rows have no label in column 3 (kind) "
        "('NA' stands for a missing cell: data.missing), and are left out."
    ) in notes(table)


@pytest.mark.parametrize("target", ["label", 1, "1", -3])
def test_the_label_is_named_or_placed(target: str | int, read_text: Callable[..., Table]) -> None:
    table = read_text("label,a,b\n0,5,6\n1,7,8\n", target=target)
    assert kinds(table) == "Lnn"
    assert table.notes == ()


@pytest.mark.parametrize("name", ["label", "Class", "TARGET", "y"])
def test_a_column_with_a_labels_name_that_is_not_the_label_is_said(
    name: str, read_text: Callable[..., Table]
) -> None:
    table = read_text(f"{name},a,b\n0,5,6\n1,7,8\n")
    assert f"name it with data.target={name}." in notes(table)
    assert read_text(f"{name},a,b\n0,5,6\n1,7,8\n", target="b").notes == ()


@pytest.mark.parametrize("target", [0, 4, -4, "9"])
def test_a_place_outside_the_table_is_refused(
    target: str | int, refused: Callable[..., str]
) -> None:
    assert refused("1,2,3\n4,5,6\n", target=target).startswith(
        f"has 3 columns, so data.target={target} is none of them."
    )


def test_a_name_needs_a_header(refused: Callable[..., str]) -> None:
    said = refused("1,2,3\n4,5,6\n", target="kind", header=False)
    assert said == (
        "has no header, so data.target='kind' names no column of it; give its place from 1."
    )


# Columns


def test_a_column_that_the_user_ignores_or_calls_a_category_is_one(
    read_text: Callable[..., Table],
) -> None:
    table = read_text("a,b,c,kind\n1,2,10,x\n3,4,9,y\n", ignore=("a",), categorical=(3,))
    assert kinds(table) == "incL"
    assert table.columns[2].levels == ("9", "10")
    np.testing.assert_array_equal(table.x, [[0, 2, 1], [0, 4, 0]])


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([f"2024-03-{day:02}" for day in range(1, 29)], "holds dates or times, as '2024-03-01'"),
        ([f"{day:02}/03/2024" for day in range(1, 29)], "holds dates or times"),
        ([f"2024-03-01 12:{minute}:07" for minute in range(10, 38)], "holds dates or times"),
        (["2024-03-01T12:00:00Z"] * 28, "holds dates or times"),
        ([f"{hour:02}:30" for hour in range(24)] + ["01:15"] * 4, "holds dates or times"),
        ([f"customer {k}" for k in range(28)], "has another word in every row"),
    ],
)
def test_a_column_that_cannot_be_used_is_ignored_and_said(
    cells: list[str], said: str, read_text: Callable[..., Table]
) -> None:
    rows = "".join(f"{cell},{k},{k % 2}\n" for k, cell in enumerate(cells))
    table = read_text("when,b,kind\n" + rows)
    assert kinds(table) == "inL"
    assert f"column 1 (when) {said}" in notes(table)
    assert notes(table).endswith("and is ignored.")
    assert not table.x[:, 0].any()
    assert kinds(read_text("when,b,kind\n" + rows, categorical=("when",))) == "cnL"


@pytest.mark.parametrize("cells", [["40-49", "50-59"], ["A1", "B2"], ["yes", "no"], ["True", ""]])
def test_words_are_categories(cells: list[str], read_text: Callable[..., Table]) -> None:
    rows = "".join(f"{cells[k % 2]},{k},{k % 2}\n" for k in range(40))
    table = read_text(rows)
    assert kinds(table) == "cnL"
    assert table.notes == ()


def test_a_column_of_more_levels_than_a_category_may_have_is_ignored_and_said(
    read_text: Callable[..., Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpcli.datasets.csvcells.MAX_LEVELS", 10)
    rows = "".join(f"word {k % 12},{k},{k % 2}\n" for k in range(60))
    table = read_text(rows)
    assert kinds(table) == "inL"
    assert "different words, and is ignored." in notes(table)


def test_an_index_without_a_name_is_ignored_and_said(read_text: Callable[..., Table]) -> None:
    table = read_text(",a,kind\n0,5,x\n1,6,y\n")
    assert kinds(table) == "inL"
    assert notes(table) == "column 1 has no name: it is an index, and is ignored."


@pytest.mark.parametrize("word", ["-", "--", "missing", "unknown", "na.", "."])
def test_a_word_for_a_missing_cell_among_numbers_is_refused_with_the_key(
    word: str, refused: Callable[..., str], read_text: Callable[..., Table]
) -> None:
    content = HEADER + ROWS + f"{word},3,oak\n"
    said = refused(content)
    assert said.startswith(f"column 1 (length) has '{word}' in 1 of 41 cells, and numbers in the")
    assert "name it in data.missing" in said
    assert np.isnan(read_text(content, missing=("", word)).x[-1, 0])


def test_a_few_words_among_numbers_make_a_category_and_are_said(
    read_text: Callable[..., Table],
) -> None:
    table = read_text(HEADER + ROWS + "tall,3,oak\n")
    assert kinds(table) == "cnL"
    assert "column 1 (length) has words in 1 of 41 cells ('tall')" in notes(table)
    assert table.columns[0].levels[:2] == ("0.5", "1.5")


def test_a_word_far_down_keeps_the_texts_above_it(
    read_text: Callable[..., Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpcli.datasets.csvtext.SIZE", 256)
    rows = "".join(f"{k % 3}.0,{k},{k % 2}\n" for k in range(2000))
    table = read_text(rows + "x,1,0\n" * 200 + "y,1,\n")
    assert table.columns[0].levels == ("0.0", "1.0", "2.0", "x", "y")
    assert table.x[:4, 0].tolist() == [0, 1, 2, 0]
    assert table.x[-1].tolist() == [3, 1]
    assert table.n_rows == 2200


def test_what_is_no_number_of_python_is_a_word(read_text: Callable[..., Table]) -> None:
    table = read_text("1_0,5,a\n٣,6,b\n0x1,7,a\n", missing=("",))
    assert kinds(table) == "cnL"


# Weights


def test_weights_are_read(read_text: Callable[..., Table]) -> None:
    table = read_text("w,a,kind\n0.5,1,x\n0,2,\n2,3,y\n", weight="w")
    assert kinds(table) == "wnL"
    assert table.weights is not None
    assert table.weights.tolist() == [0.5, 2]
    assert table.x.tolist() == [[1], [3]]


@pytest.mark.parametrize("cell", ["", "-1", "heavy", "inf", "nan"])
def test_a_weight_that_is_none_is_refused_with_its_line(
    cell: str, refused: Callable[..., str]
) -> None:
    said = refused(f"w,a,kind\n1,2,x\n\n{cell},3,y\n", weight="w")
    assert said.startswith(f"line 4 has '{cell}' in column 1 (w), which is the weight.")


def test_weights_of_0_alone_are_refused(refused: Callable[..., str]) -> None:
    assert refused("w,a,kind\n0,2,x\n0,3,y\n", weight=1) == "all weights, in column 1 (w), are 0."


# A model's columns


MODEL = (
    Column("when", "ignored"),
    Column("a", "number"),
    Column("b", "category", ("elm", "oak")),
    Column("kind", "label"),
)


@pytest.mark.parametrize(
    "content",
    ["b,extra,kind,a\noak,9,x,1\nash,9,y,?\n", "0,1,oak,x\n0,?,ash,y\n", "1,oak,x\n?,ash,y\n"],
)
def test_rows_for_a_model_have_its_columns(content: str, read_text: Callable[..., Table]) -> None:
    table = read_text(content, columns=MODEL)
    np.testing.assert_array_equal(table.x, [[0, 1, 1], [0, NAN, -1]])
    assert table.columns == MODEL
    assert table.labels.tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("kind,c\nx,1\n", "lacks columns that the model needs: a, b. Its own are kind, c."),
        ("b,a\noak,1\n", "has no column for the label, 'kind'."),
        ("1,2\n3,4\n", "has 2 columns, and the model needs 3 or 4. Without names in both,"),
        ("1,2,3,4,5\n1,2,3,4,5\n", "has 5 columns, and the model needs 3 or 4."),
        (
            "a,b,kind\n1,oak,x\nlong,oak,x\n",
            "line 3 has 'long' in column 1 (a), where a number is needed.",
        ),
    ],
)
def test_rows_that_do_not_fit_a_model_are_refused(
    content: str, said: str, refused: Callable[..., str]
) -> None:
    assert refused(content, columns=MODEL).startswith(said)


def test_memory_is_counted_before_it_is_made(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "available_memory", lambda: 1000)
    assert refused(HEADER + ROWS).startswith("would need 2.")
