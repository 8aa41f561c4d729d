"""Parquet, Feather and Arrow files: what is read of them, as of a CSV file with the same rows."""

import datetime
import decimal
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from mlpcli.arrays import Raw
from mlpcli.config import Place
from mlpcli.datasets import arrowfile, csvfile
from mlpcli.datasets.arrowtable import read, read_features
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table, fingerprint
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.preprocessing.columns import Column
from mlpcli.storage import reading
from tests.support.formats import damaged, put, some, table_or_error

pa = pytest.importorskip("pyarrow")
DAY = datetime.date(2020, 1, 2)


def as_parquet(table: Any, **settings: Any) -> bytes:
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(table, file, **settings)
    return file.getvalue()


def as_feather(table: Any) -> bytes:
    import pyarrow.feather as feather

    file = io.BytesIO()
    feather.write_feather(table, file)
    return file.getvalue()


def as_stream(table: Any) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


FORMATS: dict[str, Callable[[Any], bytes]] = {
    "parquet": as_parquet,
    "feather": as_feather,
    "arrow": as_stream,
}
every_format = pytest.mark.parametrize("ending", FORMATS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that examples write over."""
    return tmp_path_factory.mktemp("arrow") / "rows"


def saved(folder: Path, ending: str = "parquet", **columns: Any) -> Path:
    return put(folder / f"rows.{ending}", FORMATS[ending](pa.table(columns)))


def with_label(x: Any, n_rows: int = 3) -> dict[str, Any]:
    return {"x": x, "label": ["a", "b", "a", "b"][:n_rows]}


def refused(path: Path, options: ReadingOptions = ReadingOptions()) -> str:  # noqa: B008
    with pytest.raises(DataError) as caught:
        read(path, options)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


MIXED = {
    "age": [30, None, 41],
    "height": [1.5, float("nan"), 2.0],
    "town": ["Rome", "Oslo", None],
    "member": [True, None, False],
    "size": pa.array(["S", "M", "S"]).dictionary_encode(),
    "day": [DAY, None, DAY],
    "label": ["yes", "no", "yes"],
}


@every_format
def test_kinds_are_those_of_the_types(ending: str, tmp_path: Path) -> None:
    path = saved(tmp_path, ending, **MIXED)
    table = read(path, ReadingOptions())
    assert table.columns == (
        Column("age", "number"),
        Column("height", "number"),
        Column("town", "category", ("Oslo", "Rome")),
        Column("member", "category", ("False", "True")),
        Column("size", "category", ("M", "S")),
        Column("day", "ignored"),
        Column("label", "label"),
    )
    gap = np.nan
    np.testing.assert_array_equal(
        table.x,
        [[30, 1.5, 1, 1, 1, 0], [gap, gap, 0, gap, 0, 0], [41, 2, gap, 0, 1, 0]],
    )
    assert table.labels.tolist() == ["yes", "no", "yes"]
    assert table.notes == (f"{path}: column 6 (day) is of type date32[day], and is ignored.",)


NUMBERS = [
    *[pa.array([1, None, 3], kind) for kind in ("int8", "uint64", "int32", "float32", "float64")],
    pa.array([decimal.Decimal("1"), None, decimal.Decimal("3.00")]),
    pa.array(np.array([1, np.nan, 3], np.float16)),
]


@pytest.mark.parametrize("x", NUMBERS, ids=lambda x: str(x.type))
def test_numbers_of_every_type_are_read_with_their_gaps(x: Any, tmp_path: Path) -> None:
    table = read(saved(tmp_path, **with_label(x)), ReadingOptions())
    np.testing.assert_array_equal(table.x, [[1], [np.nan], [3]])
    assert table.x.dtype == np.float64


USELESS = {
    "timestamp[us]": [datetime.datetime(2020, 1, 2)] * 3,
    "time64[us]": [datetime.time(1)] * 3,
    "duration[us]": [datetime.timedelta(1)] * 3,
    "binary": [b"a", b"b", None],
    "list<element: int64>": [[1], [2], []],
    "struct<k: int64>": [{"k": 1}] * 3,
}


@pytest.mark.parametrize("kind", USELESS)
def test_what_is_neither_number_nor_word_is_ignored_and_said(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path, "parquet", when=USELESS[kind], n=[1, 2, 4], label=["a", "b", "a"])
    table = read(path, ReadingOptions())
    assert table.columns[0] == Column("when", "ignored")
    np.testing.assert_array_equal(table.x, [[0, 1], [0, 2], [0, 4]])
    assert table.notes == (f"{path}: column 1 (when) is of type {kind}, and is ignored.",)


def test_a_column_of_nothing_is_a_column_of_gaps(tmp_path: Path) -> None:
    table = read(saved(tmp_path, n=[1, 2, 4], **with_label(pa.nulls(3))), ReadingOptions())
    np.testing.assert_array_equal(table.x, [[1, np.nan], [2, np.nan], [4, np.nan]])


def rows_as_csv(folder: Path, columns: dict[str, Sequence[object]]) -> Path:
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join("" if cell is None else str(cell) for cell in row))
    return put(folder / "rows.csv", "\n".join([*lines, ""]).encode())


def test_the_same_rows_are_the_same_table_as_in_a_csv_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 70_000  # more than are looked at at a time
    columns: dict[str, Sequence[object]] = {
        "town": rng.choice(["Rome", "Oslo", "Lima"], n).tolist(),
        "age": rng.integers(0, 90, n).tolist(),
        "part": rng.random(n).tolist(),
        "kind": rng.choice(["b", "a"], n).tolist(),
    }
    columns["part"][5] = None  # type: ignore[index]
    columns["town"][69_000] = None  # type: ignore[index]
    columns["kind"][68_000] = None  # type: ignore[index]
    options = ReadingOptions(target="kind", ignore=("part",), weight="age")
    table = csvfile.read(rows_as_csv(tmp_path, columns), options)
    for ending in FORMATS:
        again = read(saved(tmp_path, ending, **columns), options)
        assert fingerprint(again) == fingerprint(table)
        assert again.columns == table.columns
        np.testing.assert_array_equal(again.weights, table.weights)


def test_bytes_are_enough_where_they_are(tmp_path: Path) -> None:
    table = read(saved(tmp_path, **with_label([1.0, 2.0, 255.0])), ReadingOptions())
    assert table.x.dtype == np.uint8


# Roles


@pytest.mark.parametrize("target", ["y", 1, "-2"])
def test_the_label_is_the_column_that_is_named(target: Place, tmp_path: Path) -> None:
    path = saved(tmp_path, y=["a", "b", "a"], x=[1, 2, 3])
    table = read(path, ReadingOptions(target=target))
    assert table.labels.tolist() == ["a", "b", "a"]
    assert table.x.tolist() == [[1], [2], [3]]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([1, 0, 10], ["1", "0", "10"]),
        ([1.0, 0.0, 2.0], ["1", "0", "2"]),
        ([True, False, True], ["True", "False", "True"]),
        (pa.array([5, 6, 5]).dictionary_encode(), ["5", "6", "5"]),
        ([decimal.Decimal("1.00"), decimal.Decimal("0"), decimal.Decimal("1")], ["1", "0", "1"]),
    ],
)
def test_labels_of_many_types_are_texts(labels: Any, expected: list[str], tmp_path: Path) -> None:
    table = read(saved(tmp_path, x=[1, 2, 3], y=labels), ReadingOptions())
    assert table.labels.tolist() == expected


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    path = saved(tmp_path, x=[1, 2, 3, 4], t=["u", "v", "u", "w"], y=["a", None, "?", "b"])
    table = read(path, ReadingOptions())
    assert table.x[:, 0].tolist() == [1, 4]
    assert table.columns[1].levels == ("u", "v", "w")
    assert table.x[:, 1].tolist() == [0, 2]
    assert table.labels.tolist() == ["a", "b"]
    assert f"{path}: 2 of 4 rows have no label in column 3 (y), and are left out." in table.notes


@pytest.mark.parametrize("index", ["__index_level_0__", "name"])
def test_the_index_of_a_data_frame_is_neither_label_nor_feature(index: str, tmp_path: Path) -> None:
    columns = pa.table({"x": [1, 2, 3], "y": ["a", "b", "a"], index: [7, 8, 9]})
    pandas = json.dumps({"index_columns": [index]})
    content = as_parquet(columns.replace_schema_metadata({"pandas": pandas}))
    path = put(tmp_path / "rows.parquet", content)
    table = read(path, ReadingOptions())
    assert [column.kind for column in table.columns] == ["number", "label", "ignored"]
    assert table.notes == (
        f"{path}: column 3 ({index}) is the index of a data frame, and is ignored.",
    )
    asked = read(path, ReadingOptions(target=index))
    assert asked.labels.tolist() == ["7", "8", "9"]


@pytest.mark.parametrize("metadata", ["", "[]", "{", '{"index_columns": [{"kind": "range"}]}'])
def test_an_index_that_is_no_column_is_none(metadata: str, tmp_path: Path) -> None:
    columns = pa.table(with_label([1, 2, 3])).replace_schema_metadata({"pandas": metadata})
    table = read(put(tmp_path / "rows.parquet", as_parquet(columns)), ReadingOptions())
    assert table.notes == ()


def test_numbers_become_categories_if_the_user_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path, zip=[10, 9, 10], half=[0.5, None, 2.0], label=["a", "b", "a"])
    table = read(path, ReadingOptions(categorical=("zip", "half")))
    assert table.columns[0] == Column("zip", "category", ("9", "10"))
    assert table.columns[1] == Column("half", "category", ("0.5", "2"))
    np.testing.assert_array_equal(table.x, [[1, 0], [0, np.nan], [1, 1]])


def test_texts_that_mean_a_gap_are_gaps(tmp_path: Path) -> None:
    path = saved(tmp_path, **with_label(["u", "?", "none"]))
    table = read(path, ReadingOptions(missing=("?", "none")))
    assert table.columns[0].levels == ("u",)
    np.testing.assert_array_equal(table.x, [[0], [np.nan], [np.nan]])


def test_words_that_are_dates_or_differ_in_every_row_are_ignored(tmp_path: Path) -> None:
    names = [f"person {k}" for k in range(30)]
    days = [f"2020-01-{k + 1:02}" for k in range(30)]
    path = saved(tmp_path, name=names, day=days, n=list(range(30)), y=["a", "b"] * 15)
    table = read(path, ReadingOptions())
    assert [column.kind for column in table.columns] == ["ignored", "ignored", "number", "label"]
    assert table.notes == (
        f"{path}: column 1 (name) has another word in every row, and is ignored.",
        f"{path}: column 2 (day) holds dates or times, as '2020-01-01', and is ignored.",
    )


WEIGHTS: dict[str, Any] = {"x": [1, 2, 3], "y": ["a", "b", "a"]}


def test_weights_are_read(tmp_path: Path) -> None:
    path = saved(tmp_path, w=[1, 0.5, 2], **WEIGHTS)
    table = read(path, ReadingOptions(weight="w"))
    assert table.weights is not None
    assert table.weights.tolist() == [1, 0.5, 2]
    assert [column.kind for column in table.columns] == ["weight", "number", "label"]


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1, None, 2], "column 1 (w) has nan in row 1 (counted from 0), and is the weight. Each"),
        ([1, 2, -1.0], "column 1 (w) has -1.0 in row 2 (counted from 0), and is the weight. Each"),
        ([0, 0, 0], "column 1 (w) has the weights, and all are 0."),
        (["1", "2", "3"], "column 1 (w) is the weight, and holds no numbers. Each row needs"),
    ],
)
def test_weights_that_are_none_are_refused(weights: Any, said: str, tmp_path: Path) -> None:
    path = saved(tmp_path, w=weights, **WEIGHTS)
    assert refused(path, ReadingOptions(weight="w")).startswith(said)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": [1, 2]}, "has one column only; it needs features and a label."),
        ({"x": pa.array([], "int8"), "y": pa.array([], "string")}, "has no rows."),
        (
            {"x": [1.0, float("inf")], "y": ["a", "b"]},
            "row 1 (counted from 0) has 'inf' in column 1 (x), which is infinite or too large.",
        ),
        (
            {"x": [1, 2], "y": [0.5, 1]},
            "the label '0.5' is not a whole number; labels must be whole numbers or words.",
        ),
        (
            {"x": [1, 2], "y": [DAY, DAY]},
            "column 2 (y) is of type date32[day], which cannot be a label. Name the label's column",
        ),
        ({"x": [1, 2], "y": pa.nulls(2, "string")}, "column 2 (y) is the label's, and is empty."),
        ({"x": [DAY, DAY], "y": ["a", "b"]}, "has no column that can be learnt from."),
        ({"x": [1, 2], "y": ["a", "b" * 1001]}, "column 2 (y) has a label of more than 1,000 cha"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    columns: dict[str, Any], said: str, tmp_path: Path
) -> None:
    assert refused(saved(tmp_path, **columns)).startswith(said)


def test_a_name_that_two_columns_have_is_refused(tmp_path: Path) -> None:
    arrays = [pa.array([1, 2]), pa.array([3, 4]), pa.array(["a", "b"])]
    table = pa.Table.from_arrays(arrays, names=["x", "x", "y"])
    path = put(tmp_path / "rows.arrow", as_stream(table))
    assert refused(path).startswith("has several columns named 'x'. Give each a name of its own")


# The columns of a model

COLUMNS = (
    Column("size", "number"),
    Column("town", "category", ("Rome", "Oslo")),
    Column("id", "ignored"),
    Column("y", "label"),
)
MODEL = ReadingOptions(columns=COLUMNS)


@every_format
def test_columns_are_matched_by_name_and_unknown_levels_are_told(
    ending: str, tmp_path: Path
) -> None:
    path = saved(
        tmp_path,
        ending,
        more=[1, 2, 3],
        town=["Oslo", "Lima", None],
        y=["a", "b", "a"],
        size=[1, None, 3],
    )
    table = read(path, MODEL)
    expected: Raw = np.array([[1, 1, 0], [np.nan, -1, 0], [3, np.nan, 0]])
    np.testing.assert_array_equal(table.x, expected)
    assert table.columns == COLUMNS
    np.testing.assert_array_equal(read_features(path, MODEL), expected)


def test_rows_to_predict_need_no_label(tmp_path: Path) -> None:
    path = saved(tmp_path, town=["Oslo", "Rome"], size=[1, 2])
    np.testing.assert_array_equal(read_features(path, MODEL), [[1, 1, 0], [2, 0, 0]])
    assert refused(path, MODEL).startswith("has no column for the label")


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, size=[1, 2], y=["a", "b"])
    assert refused(path, MODEL).startswith("lacks columns that the model needs: town.")


def test_numerals_become_numbers_and_other_words_are_refused(tmp_path: Path) -> None:
    good = saved(tmp_path, town=["Oslo", "Rome", "Rome"], size=["1", "2.5", None])
    assert read_features(good, MODEL)[:2, 0].tolist() == [1, 2.5]
    bad = saved(tmp_path, town=["Oslo", "Rome", "Rome"], size=["1", "big", "2"])
    with pytest.raises(DataError) as caught:
        read_features(bad, MODEL)
    assert str(caught.value).startswith(
        f"{bad}: row 1 (counted from 0) has 'big' in column 2 (size), where a number is needed."
    )


def test_a_date_where_a_number_or_a_word_is_needed_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, size=[DAY], town=["Rome"])
    with pytest.raises(DataError, match=r"\(size\) is of type date32\[day\]; numbers are needed"):
        read_features(path, MODEL)
    path = saved(tmp_path, size=[1], town=[DAY])
    with pytest.raises(DataError, match=r"\(town\) is of type date32\[day\]; words are needed"):
        read_features(path, MODEL)


def test_numbers_and_truths_are_the_levels_that_texts_were(tmp_path: Path) -> None:
    columns = (
        Column("zip", "category", ("9", "10")),
        Column("member", "category", ("false", "true")),
        Column("old", "number"),
    )
    path = saved(tmp_path, zip=[10, 8], member=[True, False], old=[True, None])
    x = read_features(path, ReadingOptions(columns=columns))
    np.testing.assert_array_equal(x, [[1, 1, 1], [-1, 0, np.nan]])


# Files that are not whole


@every_format
def test_damage_gives_a_sentence(ending: str, tmp_path: Path) -> None:
    whole = FORMATS[ending](pa.table(MIXED))
    for content in (b"", b"PAR1", whole[: len(whole) // 2], whole[:-9], b"x,y\n1,2\n"):
        path = put(tmp_path / f"rows.{ending}", content)
        with pytest.raises(UnreadableFileError) as caught:
            read(path, ReadingOptions())
        said = f"{path}: is not a whole Parquet or Arrow file ("
        assert str(caught.value).startswith(said)
        assert str(caught.value).endswith("). Write it again.")


@some
@given(damaged(as_parquet(pa.table(MIXED))))
def test_a_damaged_parquet_file_gives_a_table_or_a_sentence(place: Path, content: bytes) -> None:
    put(place, content)
    table_or_error(lambda: _without_gaps(read(place, ReadingOptions())), place)


def _without_gaps(table: Table) -> Table:
    np.nan_to_num(table.x, copy=False)
    return table


def test_feathers_first_version_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "rows.feather", b"FEA1 and more")
    with pytest.raises(UnreadableFileError, match=r"is of Feather's version 1\. Write it again"):
        read(path, ReadingOptions())


@pytest.mark.parametrize(
    ("make", "said"),
    [(os.mkfifo, "is not a regular file"), (Path.mkdir, "is a folder, where a file is needed")],
)
def test_what_lies_in_the_files_place_is_named(make: Any, said: str, tmp_path: Path) -> None:
    make(tmp_path / "rows.parquet")
    with pytest.raises(UnreadableFileError, match=said):
        read(tmp_path / "rows.parquet", ReadingOptions())


def test_memory_is_counted_before_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, x=np.zeros(100_000), y=np.zeros(100_000, int))
    monkeypatch.setattr(reading, "available_memory", lambda: 2**20)
    with pytest.raises(UnreadableFileError, match=r"would need 4\.7 MiB of memory, and 1\.0 MiB"):
        read(path, ReadingOptions())


def test_without_pyarrow_the_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, **MIXED)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refused(path) == (
        "needs pyarrow to be read. Install it: pip install 'mlpcli-numpy[tables]'"
    )


def test_pieces_are_small_whatever_the_file_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrowfile, "PIECE", 2)
    for ending in FORMATS:
        table = read(saved(tmp_path, ending, **MIXED), ReadingOptions())
        assert table.columns[2].levels == ("Oslo", "Rome")
        assert table.x[:, 2].tolist()[:2] == [1, 0]
