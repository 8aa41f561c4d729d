"""Sources: names and paths, and what is no source."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.sources import absolute, is_path, read, short_name
from mlpcli.errors import DataError
from mlpcli.messages import LARGE
from mlpcli.preprocessing.columns import Column
from tests.support.formats import idx, idx_folder

KINDS = (
    "digits, mnist, openml:NAME, a folder of IDX files, or a file: .npz, .csv, .tsv, .txt or .data "
    "(.gz too), .parquet, .feather or .arrow"
)
OPTIONS = ReadingOptions()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a file data.npz."""
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", x=np.zeros((2, 1)), y=np.arange(2))
    return tmp_path


def refused(source: str) -> str:
    with pytest.raises(DataError) as caught:
        read(source, OPTIONS, print)
    return str(caught.value)


ROWS = b"kind,a\n1,2\n3,4\n"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["rows.csv", "rows.CSV", "rows.tsv", "rows.txt", "rows.data"])
def test_text_is_read_as_csv_with_its_target(name: str, packed: bool) -> None:
    if packed:
        name += ".gz"
    Path(name).write_bytes(gzip.compress(ROWS) if packed else ROWS)
    table = read(name, ReadingOptions(target="kind"), print)
    assert table.x.tolist() == [[2], [4]]
    assert table.labels.tolist() == ["1", "3"]


def test_a_folder_and_a_home_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.zeros((4, 8, 8), np.uint8)
    idx_folder(
        folder / "mnist", train_images=idx(images), train_labels=idx(np.arange(4, dtype=np.uint8))
    )
    monkeypatch.setenv("HOME", str(folder))
    for source in ("./mnist", str(folder / "mnist"), "~/mnist"):
        assert read(source, OPTIONS, print).image == (8, 8)


def test_what_begins_with_openml_is_no_path() -> None:
    with pytest.raises(
        DataError, match=r"^openml:\?: is not a name\. Write openml:NAME or openml:NAME@VERSION"
    ):
        read("openml:?", OPTIONS, print)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def nothing(path: Path) -> None:
    assert not os.path.lexists(path)


@pytest.mark.parametrize(
    ("source", "make", "said"),
    [
        (
            "nowhere.csv",
            nothing,
            f"cannot be found (No such file or directory). Data can be {KINDS}, seen from",
        ),
        ("digit", nothing, "cannot be found (No such file or directory). Did you mean digits?"),
        ("MNIST", nothing, "cannot be found (No such file or directory). Did you mean mnist?"),
        ("data.npz/below", nothing, "cannot be found (Not a directory). "),
        ("~nobody-of-that-name/data.csv", nothing, "cannot be found (No such file or directory). "),
        ("x" * 300, nothing, "cannot be found (File name too long). "),
        ("loop", make_loop, "cannot be found (Too many levels of symbolic links). "),
        ("photo.png", Path.touch, f"its name ends in '.png', and data can be {KINDS}."),
        ("rows.npy", Path.touch, "files that end in .npy are not read. It holds one array, and"),
        ("rows.XLSX", Path.touch, "files that end in .xlsx are not read. Save the sheet as CSV."),
        (
            "rows.json",
            Path.touch,
            "files that end in .json are not read. In Python: import pandas; "
            "pandas.read_json('rows.json').to_csv('data.csv', index=False).",
        ),
        ("rows.sav", Path.touch, "files that end in .sav are not read. In Python: import pandas; "),
        ("rows.arff", Path.touch, "files that end in .arff are not read. Make it a CSV file: "),
        ("rows.pkl", Path.touch, "files that end in .pkl are not read. Such a file can run any"),
        ("rows.npz.gz", Path.touch, "files that end in .gz are not read. Unpack it first, with"),
        ("README", Path.touch, f"its name has no ending, and data can be {KINDS}."),
        ("pipe", os.mkfifo, "its name has no ending"),
        ("pipe.csv", os.mkfifo, "is not a regular file"),
        ("pipe.npz", os.mkfifo, "is not a regular file"),
        ("empty.csv", Path.touch, "is empty."),
        ("empty.npz", Path.touch, "is not a whole .npz file (File is not a zip file)."),
        ("folder", Path.mkdir, "has no train-images-idx3-ubyte"),
        ("folder.npz", Path.mkdir, "has no train-images-idx3-ubyte"),
    ],
)
def test_what_is_no_source_is_refused(source: str, make: Any, said: str) -> None:
    make(Path(source))
    assert refused(source).startswith(f"{source}: {said}")


def test_a_nul_byte_in_a_path_is_refused() -> None:
    assert refused("a\0b.csv").startswith("a\0b.csv: cannot be found (embedded null byte). ")


def test_an_address_is_refused() -> None:
    assert "is an address; only files on this machine are read" in refused(
        "https://example.org/x.csv"
    )


@pytest.mark.parametrize(
    ("source", "path", "name"),
    [
        ("digits", False, "digits"),
        ("mnist", False, "mnist"),
        ("openml:iris@2", False, "iris@2"),
        ("data/flowers.csv", True, "flowers"),
        ("/data/mnist/", True, "mnist"),
        ("~/flowers.v2.npz", True, "flowers.v2"),
        ("Digits", True, "Digits"),
        ("rows.csv.gz", True, "rows"),
        ("rows.tar.gz", True, "rows.tar"),
    ],
)
def test_a_source_has_a_short_name(source: str, path: bool, name: str) -> None:
    assert is_path(source) is path
    assert short_name(source) == name


@pytest.mark.parametrize("source", [".", "below/.."])
def test_the_folder_one_is_in_has_its_own_name(source: str, folder: Path) -> None:
    assert short_name(source) == folder.name


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("digits", "digits"),
        ("openml:iris@2", "openml:iris@2"),
        ("rows.csv", "{folder}/rows.csv"),
        ("~/rows.csv", "/home/someone/rows.csv"),
        ("/data/rows.csv", "/data/rows.csv"),
    ],
)
def test_a_path_is_made_absolute_and_a_name_stays(
    source: str, expected: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert absolute(source) == expected.format(folder=folder)


@pytest.mark.parametrize(("nbytes", "said"), [(LARGE - 1, False), (LARGE, True)])
def test_a_large_file_is_announced(nbytes: int, said: bool, folder: Path) -> None:
    path = folder / "rows.csv"
    path.write_bytes(b"1,a\n2,b\n".ljust(nbytes, b"\n"))
    messages: list[str] = []
    read("rows.csv", OPTIONS, messages.append)
    assert messages == ["Reading rows.csv, 8.0 MiB."] * said


def test_a_large_folder_is_announced_by_all_its_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = idx(np.zeros((2, 2, 2), np.uint8)), idx(np.arange(2, dtype=np.uint8))
    idx_folder(folder / "images", train_images=images, train_labels=labels)
    size = sum(path.stat().st_size for path in (folder / "images").iterdir())
    messages: list[str] = []
    read("images", OPTIONS, messages.append)
    assert messages == []
    monkeypatch.setattr("mlpcli.messages.LARGE", size)
    read("images", OPTIONS, messages.append)
    assert messages == [f"Reading images, {size} bytes."]


def test_a_large_set_in_the_cache_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLPCLI_CACHE", str(tmp_path / "cache"))
    messages: list[str] = []
    monkeypatch.setattr("mlpcli.messages.LARGE", 1)
    read("digits", OPTIONS, messages.append)
    assert messages == []  # nothing is read from a cache that is empty
    read("digits", OPTIONS, messages.append)
    assert [message.split(",")[0] for message in messages] == ["Reading digits"]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.PQ", "rows.feather", "rows.arrow"])
def test_parquet_feather_and_arrow_are_read_with_their_target(name: str) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"kind": [1, 3], "a": [2, 4]})
    if "arrow" in name or "feather" in name:
        pytest.importorskip("pyarrow.feather").write_feather(table, name)
    else:
        pytest.importorskip("pyarrow.parquet").write_table(table, name)
    read_table = read(name, ReadingOptions(target="kind"), print)
    assert read_table.x.tolist() == [[2], [4]]
    assert read_table.labels.tolist() == ["1", "3"]


# What is said of columns, where they have no names


@pytest.fixture
def images(folder: Path) -> str:
    x, y = np.zeros((4, 2, 2), np.uint8), np.arange(4, dtype=np.uint8)
    idx_folder(folder / "images", train_images=idx(x), train_labels=idx(y))
    return "images"


@pytest.mark.parametrize("source", ["rows.npz", "images", "digits"])
def test_columns_of_arrays_are_ignored_by_their_places(
    source: str, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLPCLI_CACHE", str(tmp_path / "cache"))
    np.savez("rows.npz", x=np.zeros((2, 4)), y=np.arange(2))
    table = read(source, ReadingOptions(ignore=(1, -1)), print)
    kinds = [column.kind for column in table.columns]
    assert kinds == ["ignored", *["number"] * (len(kinds) - 2), "ignored"]
    assert len(kinds) == table.n_features


@pytest.mark.parametrize("source", ["rows.npz", "images"])
def test_columns_of_arrays_are_those_of_a_model(source: str, images: str) -> None:
    np.savez("rows.npz", x=np.ones((2, 4)), y=np.arange(2))
    columns = (Column("", "ignored"), *[Column("", "number")] * 4, Column("", "label"))
    table = read(source, ReadingOptions(columns=columns), print)
    assert table.n_features == 5
    assert table.columns == columns
    assert table.x[:, 0].tolist() == [0] * table.n_rows


# Test rows that lie beside


def test_a_test_file_beside_the_training_file_is_named(folder: Path) -> None:
    for name in ("adult-train.csv", "adult-test.csv", "my_TRAIN.data", "my_TEST.data"):
        Path(name).write_bytes(ROWS)
    table = read("adult-train.csv", OPTIONS, print)
    assert table.notes[-1] == (
        "adult-test.csv lies beside adult-train.csv. "
        "To score its rows: --set data.test=adult-test.csv"
    )
    path = folder / "my_TRAIN.data"
    assert read(str(path), OPTIONS, print).notes[-1] == (
        f"my_TEST.data lies beside {path}. "
        f"To score its rows: --set data.test={folder / 'my_TEST.data'}"
    )


@pytest.mark.parametrize("source", ["adult-test.csv", "strain.csv", "train.csv"])
def test_no_other_file_beside_is_named(source: str) -> None:
    for name in ("adult-test.csv", "adult-train.csv", "strain.csv", "train.csv", "tests.csv"):
        Path(name).write_bytes(ROWS)
    Path("test.csv").mkdir()
    assert read(source, OPTIONS, print).notes == ()


def test_a_test_file_is_not_named_to_who_scores_a_model() -> None:
    for name in ("train.csv", "test.csv"):
        Path(name).write_bytes(ROWS)
    columns = (Column("kind", "number"), Column("a", "label"))
    assert read("train.csv", ReadingOptions(columns=columns), print).notes == ()
