"""Rows for a model from a stream: matched by name or place, in flat memory, bad ones named."""

import io
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.datasets.csvfile import Block, read, stream
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column

NAN = float("nan")
MODEL = (
    Column("id", "ignored"),
    Column("a", "number"),
    Column("b", "category", ("elm", "oak")),
    Column("kind", "label"),
)


def blocks(content: str, ids: Any = (), skip_bad: bool = False, **options: Any) -> list[Block]:
    options.setdefault("columns", MODEL)
    return list(stream(io.StringIO(content), "<stdin>", ReadingOptions(**options), ids, skip_bad))


def refused(content: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        blocks(content, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "b,a,more\noak,1.5,9\nash,,9\n",
        "a;b\n1.5;oak\n?;ash\n",
        "id,a,b,kind\n7,1.5,oak,x\n8,NA,ash,?\n",
        "7,1.5,oak,x\n8,,ash,y\n",
        "7,1.5,oak\n8,,ash\n",
        "1.5,oak\n,ash\n",
        "7 1.5 oak\n8 ? ash\n",
    ],
)
def test_columns_are_matched_by_name_or_else_by_place(content: str) -> None:
    (block,) = blocks(content)
    np.testing.assert_array_equal(block.x, [[0, 1.5, 1], [0, NAN, -1]])
    assert not block.bad.any()
    assert (block.n_unknown, block.n_gaps) == (1, 1)


def test_a_model_without_names_reads_rows_with_names_by_place() -> None:
    unnamed = tuple(Column("", column.kind, column.levels) for column in MODEL)
    (block,) = blocks("u,v,w\n7,1.5,oak\n8,NA,ash\n", columns=unnamed)
    np.testing.assert_array_equal(block.x, [[0, 1.5, 1], [0, NAN, -1]])


@pytest.mark.parametrize("content", ["red,big\n", "red,big\nblue,small\n", "blue,big\nred,small\n"])
def test_no_row_of_words_is_lost_as_a_header_where_the_model_has_no_names(content: str) -> None:
    columns = (
        Column("", "category", ("blue", "red")),
        Column("", "category", ("big", "small")),
        Column("", "label"),
    )
    (block,) = blocks(content, columns=columns)
    assert len(block.x) == content.count("\n")
    assert block.x[0, 0] == ("red" in content[:3])


def test_numbers_in_steps_are_a_row_where_the_model_has_no_names() -> None:
    columns = (*[Column("", "number")] * 4, Column("", "label"))
    (block,) = blocks("1,2,3,4\n5,1,5,1\n6,2,5,1\n", columns=columns)
    assert block.x[0].tolist() == [1, 2, 3, 4]


def test_levels_are_known_by_their_other_spellings() -> None:
    columns = (Column("a", "category", ("1", "2", "True")), Column("b", "number"))
    (block,) = blocks("a,b\n1.0,1\n02,2\ntrue,3\n3,4\n", columns=columns)
    assert block.x[:, 0].tolist() == [0, 1, 2, -1]
    assert block.n_unknown == 1


def test_missing_columns_are_named_all_at_once() -> None:
    said = refused("id,kind\n1,x\n")
    assert said == ("<stdin>: lacks columns that the model needs: a, b. Its own are id, kind.")


def test_another_number_of_columns_is_refused() -> None:
    assert refused("1,2,3,4,5\n").startswith("<stdin>: has 5 columns, and the model needs 2 or 3")


def test_ids_are_given_back_as_they_were_written() -> None:
    (block,) = blocks("id,a,b\n007,1,oak\n 8 ,2,elm\n", ids=["id", -1])
    assert block.ids == (["007", "8"], ["oak", "elm"])
    assert refused("id,a,b\n1,2,oak\n", ids=["key"]).startswith(
        "<stdin>: has no column named 'key' (--id)"
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,word,oak", "line 3 has 'word' in column 2 (a), where a number is needed."),
        ("1,inf,oak", "line 3 has 'inf' in column 2 (a), which is infinite or too large."),
        ("1,2", "line 3 has 2 cells, and the first line has 3."),
        ("1,2,oak,4", "line 3 has 4 cells, and the first line has 3."),
    ],
)
def test_a_bad_row_is_named_or_skipped(row: str, said: str) -> None:
    content = f"id,a,b\n1,5,oak\n{row}\n3,6,ash\n"
    assert refused(content).startswith(f"<stdin>: {said}")
    (block,) = blocks(content, ids=["id"], skip_bad=True)
    np.testing.assert_array_equal(block.x, [[0, 5, 1], [NAN] * 3, [0, 6, -1]])
    assert block.bad.tolist() == [False, True, False]
    assert block.faults[1].startswith(said)
    assert block.ids == (["1", "1", "3"],)
    assert list(block.lines) == [2, 3, 4]
    assert (block.n_unknown, block.n_gaps) == (1, 0)


def test_a_header_alone_gives_no_rows_and_nothing_is_refused() -> None:
    assert blocks("id,a,b\n") == []
    assert refused("") == "<stdin>: is empty."


def test_one_row_without_a_header_is_a_row() -> None:
    (block,) = blocks("7,1.5,oak")
    assert block.x.tolist() == [[0, 1.5, 1]]


def test_a_model_of_one_feature_reads_one_column() -> None:
    (block,) = blocks("5\n\n6\n", columns=(Column("", "number"), Column("", "label")))
    assert block.x.tolist() == [[5], [6]]


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    text = "id,a,b\n" + "".join(f"{k},{k}.5,oak\n" for k in range(100_000))

    def write() -> None:
        with os.fdopen(writer, "w") as file:
            file.write(text)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader) as file:
        options = ReadingOptions(columns=MODEL)
        x = np.concatenate([block.x for block in stream(file, "-", options, [], False)])
    thread.join()
    np.testing.assert_array_equal(x[:, 1], np.arange(100_000) + 0.5)


def test_a_file_is_streamed_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("id,a,b,kind\n" + "".join(f"{k},{k % 9},oak,x\n" for k in range(9000)))
    options = ReadingOptions(columns=MODEL)
    x = np.concatenate([block.x for block in stream(path, "data", options, [], False)])
    np.testing.assert_array_equal(x, read(path, options).x)


class Endless(io.StringIO):
    """So many lines, made when they are read."""

    def __init__(self, n_rows: int, row: str) -> None:
        super().__init__()
        self.left = n_rows
        self.row = row

    def read(self, size: int | None = -1) -> str:
        n_rows = min(self.left, (size or 0) // len(self.row))
        self.left -= n_rows
        return self.row * n_rows


@pytest.mark.parametrize("row", ["1,2.5,oak\n", '1,2.5,"o\nk"\n\n'])
def test_memory_does_not_grow_with_the_rows(row: str) -> None:
    def peak(n_rows: int) -> int:
        tracemalloc.start()
        options = ReadingOptions(columns=MODEL)
        rows: Iterator[Block] = stream(Endless(n_rows, row), "-", options, [], False)
        assert sum(len(block.x) for block in rows) == n_rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1000)
    assert peak(160_000) < 1.2 * peak(40_000)
