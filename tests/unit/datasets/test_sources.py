"""Sources: names and paths, and what is no source."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.datasets.sources import absolute, is_path, read, short_name
from mlpcli.errors import DataError
from mlpcli.messages import LARGE
from tests.support.formats import idx, idx_folder

KINDS = "digits, mnist, openml:NAME, a folder of IDX files, an .npz file or a .csv file"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a file data.npz."""
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", x=np.zeros((2, 1)), y=np.arange(2))
    return tmp_path


def refused(source: str) -> str:
    with pytest.raises(DataError) as caught:
        read(source, "", print)
    return str(caught.value)


@pytest.mark.parametrize("name", ["rows.csv", "rows.CSV", "rows.tsv", "rows.txt"])
def test_text_is_read_as_csv_with_its_target(name: str) -> None:
    Path(name).write_text("kind,a\n1,2\n3,4\n")
    table = read(name, "kind", print)
    assert table.x.tolist() == [[2], [4]]
    assert table.labels.tolist() == ["1", "3"]


def test_a_folder_and_a_home_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.zeros((4, 8, 8), np.uint8)
    idx_folder(
        folder / "mnist", train_images=idx(images), train_labels=idx(np.arange(4, dtype=np.uint8))
    )
    monkeypatch.setenv("HOME", str(folder))
    for source in ("./mnist", str(folder / "mnist"), "~/mnist"):
        assert read(source, "", print).image == (8, 8)


def test_what_begins_with_openml_is_no_path() -> None:
    with pytest.raises(
        DataError, match=r"^openml:\?: is not a name\. Write openml:NAME or openml:NAME@VERSION"
    ):
        read("openml:?", "", print)


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
    read("rows.csv", "", messages.append)
    assert messages == ["Reading rows.csv, 8.0 MiB."] * said


def test_a_large_folder_is_announced_by_all_its_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = idx(np.zeros((2, 2, 2), np.uint8)), idx(np.arange(2, dtype=np.uint8))
    idx_folder(folder / "images", train_images=images, train_labels=labels)
    size = sum(path.stat().st_size for path in (folder / "images").iterdir())
    messages: list[str] = []
    read("images", "", messages.append)
    assert messages == []
    monkeypatch.setattr("mlpcli.messages.LARGE", size)
    read("images", "", messages.append)
    assert messages == [f"Reading images, {size} bytes."]


def test_a_large_set_in_the_cache_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLPCLI_CACHE", str(tmp_path / "cache"))
    messages: list[str] = []
    monkeypatch.setattr("mlpcli.messages.LARGE", 1)
    read("digits", "", messages.append)
    assert messages == []  # nothing is read from a cache that is empty
    read("digits", "", messages.append)
    assert [message.split(",")[0] for message in messages] == ["Reading digits"]
