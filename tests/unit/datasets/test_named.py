"""Data sets by name: fetched from a small OpenML on the loopback address, and cached."""

import gc
import gzip
import os
import re
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.datasets import named
from mlpcli.datasets.classes import class_names
from mlpcli.datasets.table import fingerprint
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column
from tests.support.openml_server import (
    Columns,
    Openml,
    OpenmlSet,
    Reply,
    as_json,
    redirected,
    serve,
)

ROWS, TEST = 10_020, named.MNIST_TEST
PIXELS = np.random.default_rng(0).integers(0, 256, (ROWS, 4))
DIGITS = np.arange(ROWS) % 10
NUMERIC: Columns = {"a": "REAL", "b": "INTEGER"}
COLOURS = ["red", "green", "blue"]

MNIST = OpenmlSet(
    "mnist_784",
    {**{f"pixel{k}": "REAL" for k in range(4)}, "class": [*"0123456789"]},
    [[*row, label] for row, label in zip(PIXELS.tolist(), DIGITS.tolist(), strict=True)],
    target="class",
)
IRIS = OpenmlSet(
    "Iris", NUMERIC | {"kind": COLOURS}, [[0.5, 1, "red"], [2, 3, "blue"], [4, 5, "red"]], "kind"
)
NEWER = OpenmlSet(
    "iris", NUMERIC | {"kind": COLOURS}, [[7, 8, "green"], [9, 10, "blue"]], "kind", version=3
)
OLD = OpenmlSet(
    "iris", NUMERIC | {"kind": COLOURS}, [[1, 1, "red"]], "kind", version=2, status="deactivated"
)
SETS = [
    *[MNIST, IRIS, NEWER, OLD],
    OpenmlSet("counts", NUMERIC | {"kind": "INTEGER"}, [[1, 2, 10], [3, 4, 9]], "kind"),
    OpenmlSet(
        "numerals", NUMERIC | {"kind": ["1", "2", "10"]}, [[1, 2, 10], [3, 4, 2], [5, 6, 1]], "kind"
    ),
    OpenmlSet("measured", NUMERIC | {"kind": "REAL"}, [[1, 2, 0.5], [3, 4, 1]], "kind"),
    OpenmlSet(
        "coloured", NUMERIC | {"colour": COLOURS, "kind": COLOURS}, [[1, 2, "red", "blue"]], "kind"
    ),
    OpenmlSet("holes", NUMERIC | {"kind": COLOURS}, [[1, 2, "red"], [3, None, "blue"]], "kind"),
    OpenmlSet("unlabelled", NUMERIC | {"kind": COLOURS}, [[1, 2, "red"], [3, 4, None]], "kind"),
    OpenmlSet(
        "words",
        NUMERIC | {"text": "STRING", "kind": COLOURS},
        [[1, 2, "'some words'", "red"]],
        "kind",
    ),
    OpenmlSet(
        "sparse", NUMERIC | {"kind": COLOURS}, [[0, 2, "red"], [3, 0, "blue"]], "kind", sparse=True
    ),
    OpenmlSet("endless", NUMERIC | {"kind": COLOURS}, [["inf", 2, "red"]], "kind"),
    OpenmlSet(
        "mixed",
        {
            "size": "REAL",
            "text": "STRING",
            "colour": COLOURS,
            "when": "DATE 'yyyy-MM-dd'",
            "id": "STRING",
            "kind": ["x", "y"],
        },
        [
            [1, "'some, words'", "green", "'2020-01-02'", "a", "x"],
            [2, None, None, None, "b", None],
            [None, "'it\\'s'", "red", "'2020-01-03'", "c", "y"],
        ],
        "kind",
        ignored=["id"],
    ),
    OpenmlSet(
        "counted-words",
        {"text": "STRING", "n": "INTEGER", "kind": "INTEGER"},
        [["a", 1, 10], ["b", 2, None], ["c", 3, 9]],
        "kind",
    ),
    OpenmlSet("targetless", NUMERIC, [[1, 2], [3, 4]]),
    OpenmlSet("BNG(a,b,1)", NUMERIC | {"kind": COLOURS}, [[1, 2, "red"], [3, 4, "blue"]], "kind"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLPCLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def no_sockets() -> Iterator[None]:
    """Collect the sockets that scikit-learn leaves open where a download fails.

    Left to a later collection, their warning would fail another test.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def openml() -> Iterator[Openml]:
    with serve(*SETS) as server:
        yield server


@pytest.fixture
def messages() -> list[str]:
    return []


def test_the_last_ten_thousand_rows_of_mnist_are_its_test_rows(
    openml: Openml, messages: list[str]
) -> None:
    table = named.mnist(messages.append)
    assert table.test is not None
    assert (table.n_rows, table.test.n_rows) == (ROWS - TEST, TEST)
    assert table.x.dtype == np.uint8
    np.testing.assert_array_equal(np.concatenate([table.x, table.test.x]), PIXELS)
    assert table.labels.tolist() + table.test.labels.tolist() == [str(digit) for digit in DIGITS]
    [said] = messages
    assert said.startswith("Fetching mnist_784 from OpenML. ")
    assert any("mnist_784/limit/2/data_version/1" in request for request in openml.requests)


ALONE = """
import sys
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.sources import read
from mlpcli.datasets.table import fingerprint
table = read(sys.argv[1], ReadingOptions(), print)
print(fingerprint(table), "sklearn" in sys.modules, "scipy" in sys.modules)
"""


def read_alone(source: str) -> list[str]:
    """The fingerprint in a new process, and whether that imported scikit-learn and scipy."""
    command = [sys.executable, "-c", ALONE, source]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_the_second_time_mnist_comes_from_the_cache_without_scikit_learn(
    openml: Openml, messages: list[str]
) -> None:
    first = named.mnist(messages.append)
    asked = list(openml.requests)
    second = named.mnist(messages.append)
    assert fingerprint(first) == fingerprint(second)
    assert read_alone("mnist") == [fingerprint(first), "False", "False"]
    assert openml.requests == asked != []
    assert len(messages) == 1


def test_a_mnist_with_too_few_rows_is_refused(folder: Path, messages: list[str]) -> None:
    small = OpenmlSet("mnist_784", MNIST.columns, MNIST.rows[:TEST], "class")
    with serve(small), pytest.raises(DataError) as caught:
        named.mnist(messages.append)
    assert (
        str(caught.value) == f"mnist: 10,000 rows came, not 70,000. Delete {folder} and try again."
    )


@pytest.mark.parametrize(
    ("spec", "x", "labels"),
    [
        ("iris", [[0.5, 1], [2, 3], [4, 5]], ["red", "blue", "red"]),
        ("IRIS@1", [[0.5, 1], [2, 3], [4, 5]], ["red", "blue", "red"]),
        ("iris@3", [[7, 8], [9, 10]], ["green", "blue"]),
        ("iris@2", [[1, 1]], ["red"]),
        ("counts", [[1, 2], [3, 4]], [10, 9]),
        ("BNG(a,b,1)", [[1, 2], [3, 4]], ["red", "blue"]),
    ],
)
def test_other_sets_are_found_by_name_and_version(
    spec: str, x: list[Any], labels: list[Any], openml: Openml, messages: list[str]
) -> None:
    first, asked = named.openml(spec, messages.append), list(openml.requests)
    for table in (first, named.openml(spec, messages.append)):
        np.testing.assert_array_equal(table.x, x)
        assert table.labels.tolist() == list(map(str, labels))
        assert table.origin == f"openml:{spec}"
    assert openml.requests == asked != []
    assert len(messages) == 1


def test_numerals_that_openml_keeps_as_words_are_in_numerical_order(
    openml: Openml, messages: list[str]
) -> None:
    assert class_names(named.openml("numerals", messages.append)) == ("1", "2", "10")


def test_each_version_is_cached_by_itself(
    openml: Openml, folder: Path, messages: list[str]
) -> None:
    for spec in ("iris", "iris@1", "iris@3", "Iris@3"):
        named.openml(spec, messages.append)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["openml-iris@1.npz", "openml-iris@3.npz", "openml-iris@active.npz"]


def test_names_kinds_and_levels_are_those_of_openml(openml: Openml, messages: list[str]) -> None:
    for _ in range(2):  # the second time from the cache
        table = named.openml("coloured", messages.append)
        assert table.columns == (
            Column("a", "number"),
            Column("b", "number"),
            Column("colour", "category", ("red", "green", "blue")),
            Column("kind", "label"),
        )
        np.testing.assert_array_equal(table.x, [[1, 2, 0]])
        assert (table.labels.tolist(), table.notes) == (["blue"], ())
    assert len(messages) == 1


def test_missing_cells_are_counted_and_kept(openml: Openml, messages: list[str]) -> None:
    for _ in range(2):
        table = named.openml("holes", messages.append)
        np.testing.assert_array_equal(table.x, [[1, 2], [3, np.nan]])
        assert table.notes == ("openml:holes: 1 of 4 cells are missing (NaN).",)


def test_text_dates_and_rows_without_labels_are_left_out_and_said(
    openml: Openml, messages: list[str]
) -> None:
    for _ in range(2):
        table = named.openml("mixed", messages.append)
        assert table.columns == (
            Column("size", "number"),
            Column("colour", "category", ("red", "green", "blue")),
            Column("kind", "label"),
        )
        np.testing.assert_array_equal(table.x, [[1, 1], [np.nan, 0]])
        assert table.labels.tolist() == ["x", "y"]
        assert table.notes == (
            "openml:mixed: 1 of 4 cells are missing (NaN).",
            "openml:mixed: these columns hold text or dates, and are left out: text, when.",
            "openml:mixed: 1 of 3 rows have no label in kind, and are left out.",
        )
    assert len(messages) == 1


@pytest.mark.parametrize(
    ("spec", "x", "labels", "said"),
    [
        ("words", [[1, 2]], ["red"], "these columns hold text or dates, and are left out: text."),
        ("unlabelled", [[1, 2]], ["red"], "1 of 2 rows have no label in kind, and are left out."),
        ("counted-words", [[1], [3]], ["10", "9"], "1 of 3 rows have no label in kind, and are"),
    ],
)
def test_what_scikit_learn_does_not_take_is_left_out(
    spec: str, x: Any, labels: list[str], said: str, openml: Openml, messages: list[str]
) -> None:
    table = named.openml(spec, messages.append)
    np.testing.assert_array_equal(table.x, x)
    assert table.labels.tolist() == labels
    assert table.notes[-1].startswith(f"openml:{spec}: {said}")


def test_damaged_data_with_text_leaves_a_sentence_and_no_cache(
    openml: Openml, folder: Path, messages: list[str]
) -> None:
    for spoil in (flipped, cut, other_arff(lambda arff: arff.replace("green", "grey"))):
        openml.spoil = broken("download", with_body(spoil))
        with pytest.raises(DataError, match=r"^openml:mixed: could not be fetched from openml"):
            named.openml("mixed", messages.append)
    assert not folder.exists()


FAILED = "could not be fetched from openml.org ("


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("sparse", "is sparse, that is, in a form for rows that are mostly zeros; only dense data"),
        ("targetless", "has no label column of its own, or several, so there is nothing to learn."),
        (
            "endless",
            "1 feature values are infinite or too large; the first is inf in row 0, col",
        ),
        (
            "measured",
            "the label in row 0 (counted from 0) is 0.5; labels must be whole numbers or strings",
        ),
        (
            "nosuch",
            FAILED + "OpenMLError: No active dataset nosuch found.). Without",
        ),
        (
            "iris@4",
            FAILED + "OpenMLError: Dataset iris with version 4 not found.). Wi",
        ),
        (
            "iris@0",
            FAILED + "InvalidParameterError: The 'version' parameter",
        ),
        ("", "is not a name. Write openml:NAME or openml:NAME@VERSION, as on openml.org."),
        ("../iris", "is not a name."),
        ("a b", "is not a name."),
        ("iris@", "is not a name."),
        ("iris@one", "is not a name."),
        ("iris@" + "1" * 5000, "is not a name."),
        ("iris@1@2", "is not a name."),
    ],
)
def test_sets_that_cannot_be_learnt_from_are_refused_and_not_kept(
    spec: str, said: str, openml: Openml, folder: Path, messages: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        named.openml(spec, messages.append)
    assert str(caught.value).startswith(f"openml:{spec}: {said}")
    assert not folder.exists()


def broken(kind: str, change: Callable[[Reply], Reply]) -> Callable[[str, Reply], Reply]:
    """What a server does that answers one kind of question in another way."""
    return lambda asked, reply: change(reply) if asked == kind else reply


def with_body(change: Callable[[bytes], bytes], **headers: str) -> Callable[[Reply], Reply]:
    return lambda reply: Reply(reply.status, reply.headers | headers, change(reply.body))


def flipped(body: bytes) -> bytes:
    return body[:30] + bytes([body[30] ^ 255]) + body[31:]


def other_arff(change: Callable[[str], str]) -> Callable[[bytes], bytes]:
    return lambda body: gzip.compress(change(gzip.decompress(body).decode()).encode())


SPOILED = {
    "answers 500 to everything": lambda kind, reply: Reply(500, {}, b"Internal Server Error"),
    "answers 404 to a download": broken("download", lambda reply: Reply(404, {}, b"")),
    "answers 503 to a description": broken("description", lambda reply: Reply(503, {}, b"")),
    "gives a page in place of JSON": broken(
        "search", lambda reply: Reply(200, {}, b"<html>Sign in</html>")
    ),
    "gives bytes in place of JSON": broken(
        "features", lambda reply: Reply(200, {}, b"\xff\xfe\x00")
    ),
    "gives half of the JSON": broken("description", with_body(lambda body: body[: len(body) // 2])),
    "gives a list": broken("search", lambda reply: as_json([])),
    "gives null": broken("description", lambda reply: as_json(None)),
    "finds nothing and says yes": broken(
        "search", lambda reply: as_json({"data": {"dataset": []}})
    ),
    "forgets the features": broken("features", lambda reply: as_json({"data_features": {}})),
    "gives JSON without end": broken("qualities", lambda reply: Reply(200, {}, b"[" * 100_000)),
    "miscounts the rows": broken("qualities", with_body(lambda body: body.replace(b"3.0", b"4.0"))),
    "tells another md5": broken(
        "description", with_body(lambda body: re.sub(b'5_checksum": "..', b"\\g<0>0", body))
    ),
    "gives half of the gzip file": broken(
        "download", with_body(lambda body: body[: len(body) // 2])
    ),
    "gives a damaged gzip file": broken("download", with_body(flipped)),
    "gives no gzip file": broken("download", with_body(lambda body: b"x,y\n")),
    "gives other rows": broken(
        "download", with_body(other_arff(lambda arff: arff.replace("red", "blue")))
    ),
    "hangs up before the end": broken(
        "download", with_body(lambda body: body[:20], **{"Content-Length": "1000"})
    ),
    "hangs up in a JSON": broken(
        "search", with_body(lambda body: body[:20], **{"Content-Length": "1000"})
    ),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_a_server_that_fails_leaves_a_sentence_and_no_cache(
    fault: str, openml: Openml, folder: Path, messages: list[str]
) -> None:
    openml.spoil = SPOILED[fault]
    with pytest.raises(
        DataError, match=r"^openml:iris@1: could not be fetched from openml\.org \(.+\)\. "
    ) as caught:
        named.openml("iris@1", messages.append)
    assert str(caught.value).endswith(named.INSTEAD)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not folder.exists()
    openml.spoil = lambda kind, reply: reply
    assert named.openml("iris@1", messages.append).labels.tolist() == ["red", "blue", "red"]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (IRIS.columns, [[1, 2, "purple"]]),
        (IRIS.columns, [[1, "two", "red"]]),
        (IRIS.columns, [[1, 2, "red", 4]]),
        (IRIS.columns, [[1, 2]]),
        (IRIS.columns | {"b": "NUMBERS"}, [[1, 2, "red"]]),
        (IRIS.columns | {"b": "{"}, [[1, 2, "red"]]),
        (IRIS.columns, []),
    ],
)
def test_a_set_that_is_wrong_in_itself_leaves_a_sentence_and_no_cache(
    columns: Columns, rows: list[Any], folder: Path, messages: list[str]
) -> None:
    with (
        serve(OpenmlSet("wrong", columns, rows, "kind")),
        pytest.raises(DataError, match=r"^openml:wrong: "),
    ):
        named.openml("wrong", messages.append)
    assert not folder.exists()


def test_without_a_network_the_sentence_names_what_was_tried_and_what_would_serve(
    folder: Path, messages: list[str]
) -> None:
    with socket.socket() as closed:  # a port of its own, where nobody listens
        closed.bind(("127.0.0.1", 0))
        url = "http://{}:{}".format(*closed.getsockname())
        with redirected(url), pytest.raises(DataError) as caught:
            named.mnist(messages.append)
    said = str(caught.value)
    assert said.startswith(
        "openml:mnist_784@1: could not be fetched from openml.org (URLError: <urlopen error "
    )
    assert said.endswith(
        "Without a network, name local files: a folder of IDX files, an .npz or a .csv."
    )
    assert not folder.exists()


def test_nothing_of_a_download_is_left_in_the_temporary_folder(
    openml: Openml, tmp_path: Path, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    named.openml("iris", messages.append)
    assert os.listdir(tmp_path / "temporary") == []


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    "damage",
    [flipped, cut, lambda content: b"", lambda content: content[:300] + flipped(content[300:])],
)
def test_a_damaged_cache_is_noticed_and_made_anew(
    damage: Callable[[bytes], bytes], openml: Openml, folder: Path, messages: list[str]
) -> None:
    named.openml("iris", messages.append)
    [path] = folder.iterdir()
    whole, asked = path.read_bytes(), len(openml.requests)
    path.write_bytes(damage(whole))
    table = named.openml("iris", messages.append)
    assert table.labels.tolist() == ["red", "blue", "red"]
    assert len(openml.requests) == 2 * asked
    assert path.read_bytes() == whole


def test_another_sets_file_in_the_cache_is_noticed_and_made_anew(
    openml: Openml, folder: Path, messages: list[str]
) -> None:
    named.openml("iris@1", messages.append)
    named.openml("iris@3", messages.append)
    (folder / "openml-iris@3.npz").write_bytes((folder / "openml-iris@1.npz").read_bytes())
    assert named.openml("iris@3", messages.append).labels.tolist() == ["green", "blue"]


def test_a_cache_that_cannot_be_written_is_told_and_the_data_is_used(
    openml: Openml, folder: Path, messages: list[str]
) -> None:
    folder.write_text("a file, and no folder")
    assert len(named.openml("iris", messages.append).x) == 3
    assert messages[1:] == [
        f"The data set is not kept for the next time: {folder}: cannot be made: File exists."
    ]


def test_digits_are_those_of_scikit_learn_the_first_time_and_the_second(
    folder: Path, messages: list[str]
) -> None:
    from sklearn.datasets import load_digits

    expected = load_digits()
    for _ in range(2):
        table = named.digits(messages.append)
        assert table.x.dtype == np.uint8
        assert (table.image, table.test) == ((8, 8), None)
        np.testing.assert_array_equal(table.x, expected.data)
        assert table.labels.tolist() == list(map(str, expected.target))
        assert [path.name for path in folder.iterdir()] == ["digits.npz"]
    assert read_alone("digits") == [fingerprint(table), "False", "False"]
    assert messages == []
