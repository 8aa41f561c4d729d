"""The cache: where it is, what it keeps, and that a damaged file in it is never believed."""

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.datasets import cache, named
from mlpcli.datasets.table import Table, checked_table, fingerprint
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column
from mlpcli.storage.writing import write_npz
from tests.support.formats import damaged, many, npy, npz, put

TABLE = checked_table("data", np.arange(6.0).reshape(3, 2), np.array(["a", "b", "a"]))
IMAGES = checked_table(
    "data", np.arange(2 * 8 * 12, dtype=np.uint8).reshape(2, 8, 12), np.array([3, -1])
)

COLUMNS = (
    Column("size", "number"),
    Column("é", "category", ("a", "b")),
    Column("class", "label"),
)
MIXED = replace(
    checked_table("data", np.array([[1.5, 0], [np.nan, 1]]), np.array(["a", "b"])),
    columns=COLUMNS,
    notes=("data: 1 of 4 cells are missing (NaN).", "data: one was left out."),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLPCLI_CACHE", str(tmp_path / "a" / "cache"))
    return tmp_path / "a" / "cache"


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        ("/own", "/xdg", "/own"),
        ("own", "", "own"),
        ("", "/xdg", "/xdg/mlpcli"),
        (None, "/xdg", "/xdg/mlpcli"),
        (None, "relative/xdg", "/home/someone/.cache/mlpcli"),
        (None, "", "/home/someone/.cache/mlpcli"),
        (None, None, "/home/someone/.cache/mlpcli"),
    ],
)
def test_the_folder_follows_the_environment(
    own: str | None, xdg: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"MLPCLI_CACHE": own, "XDG_CACHE_HOME": xdg, "HOME": "/home/someone"}
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert cache.folder() == Path(expected)


@pytest.mark.parametrize("table", [TABLE, IMAGES])
def test_what_was_kept_comes_back(table: Table) -> None:
    assert cache.load("name", "data") is None
    assert cache.store("name", table) == ""
    again = cache.load("name", "elsewhere")
    assert again is not None
    np.testing.assert_array_equal(again.x, table.x, strict=True)
    assert again.labels.names == table.labels.names
    np.testing.assert_array_equal(again.labels.indices, table.labels.indices, strict=True)
    assert (again.origin, again.image) == ("elsewhere", table.image)


def test_the_same_table_gives_the_same_file_and_no_other(folder: Path) -> None:
    cache.store("name", IMAGES)
    first = (folder / "name.npz").read_bytes()
    cache.store("name", IMAGES)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"name.npz": first}


def test_columns_and_notes_come_back_with_the_origin_that_they_have_now() -> None:
    assert cache.store("name", MIXED) == ""
    again = cache.load("name", "elsewhere")
    assert again is not None
    assert again.columns == COLUMNS
    np.testing.assert_array_equal(again.x, MIXED.x)
    assert again.notes == (
        "elsewhere: 1 of 4 cells are missing (NaN).",
        "elsewhere: one was left out.",
    )


def kept(table: Table, folder: Path) -> dict[str, Any]:
    """The arrays that the cache holds of a table."""
    assert cache.store("name", table) == ""
    with np.load(folder / "name.npz") as file:
        return dict(file)


def test_a_table_without_columns_is_kept_as_it_was_before_there_were_any(folder: Path) -> None:
    assert sorted(kept(TABLE, folder)) == ["labels", "names", "seal", "x"]


@pytest.mark.parametrize(
    "about",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b'{"columns": [], "notes": []}',
        b'{"columns": [["size", "number", []]], "notes": []}',
        b'{"columns": [["size", "size", []], ["e", "number", []]], "notes": []}',
        b'{"columns": [[1]], "notes": []}',
        b'{"columns": null, "notes": [1]}',
    ],
)
def test_columns_that_are_not_the_tables_are_not_believed(about: bytes, folder: Path) -> None:
    arrays = kept(MIXED, folder)
    write_npz(folder / "name.npz", arrays | {"about": np.frombuffer(about, np.uint8)})
    assert cache.load("name", "data") is None
    del arrays["about"]
    write_npz(folder / "name.npz", arrays)
    assert cache.load("name", "data") is None


SEAL = f"name {fingerprint(TABLE)}"
KEPT = {"x.npy": npy(TABLE.x), "labels.npy": npy(TABLE.labels.tolist()), "seal.npy": npy(SEAL)}


@many
@given(damaged(npz(KEPT)))
def test_a_damaged_file_is_the_same_table_or_none(content: bytes) -> None:
    cache.folder().mkdir(parents=True, exist_ok=True)
    put(cache.folder() / "name.npz", content)
    table = cache.load("name", "data")
    assert table is None or fingerprint(table) == fingerprint(TABLE)


@many
@given(
    st.sampled_from(list(KEPT)).flatmap(lambda name: st.tuples(st.just(name), damaged(KEPT[name])))
)
def test_a_damaged_array_in_a_whole_file_is_the_same_table_or_none(
    member: tuple[str, bytes],
) -> None:
    cache.folder().mkdir(parents=True, exist_ok=True)
    put(cache.folder() / "name.npz", npz(KEPT | dict([member])))
    table = cache.load("name", "data")
    assert table is None or fingerprint(table) == fingerprint(TABLE)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"x": TABLE.x, "labels": TABLE.labels.tolist()},
        {"x": TABLE.x, "labels": TABLE.labels.tolist(), "seal": "0" * 64},
        {"x": TABLE.x, "labels": TABLE.labels.tolist(), "seal": [SEAL] * 2},
        {"x": TABLE.x, "labels": TABLE.labels.tolist(), "seal": f"another {fingerprint(TABLE)}"},
        {"x": TABLE.x + 1, "labels": TABLE.labels.tolist(), "seal": SEAL},
        {"x": TABLE.x, "labels": np.roll(TABLE.labels.tolist(), 1), "seal": SEAL},
        {"x": TABLE.x[:2], "labels": TABLE.labels.tolist(), "seal": SEAL},
        {"x": TABLE.x * 1j, "labels": TABLE.labels.tolist(), "seal": SEAL},
    ],
)
def test_a_whole_file_with_other_contents_is_not_believed(
    arrays: dict[str, Any], folder: Path
) -> None:
    folder.mkdir(parents=True)
    write_npz(folder / "name.npz", arrays)
    assert cache.load("name", "data") is None
    cache.store("name", TABLE)
    assert cache.load("name", "data") is not None


@pytest.mark.parametrize("obstacle", ["", "a"])
def test_a_cache_that_cannot_be_written_is_said_and_does_no_harm(
    obstacle: str, folder: Path
) -> None:
    place = folder.parent if obstacle else folder
    place.parent.mkdir(exist_ok=True)
    place.write_text("a file, and no folder")
    said = cache.store("name", TABLE)
    assert said.startswith(
        f"The data set is not kept for the next time: {folder}: cannot be made: "
    )
    assert cache.load("name", "data") is None
    assert place.read_text() == "a file, and no folder"


def test_a_name_too_long_for_the_disk_is_said_and_does_no_harm() -> None:
    assert cache.store("n" * 300, TABLE).endswith("cannot be written: File name too long.")
    assert cache.load("n" * 300, "data") is None


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MLPCLI_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert cache.load("name", "data") is None
    said = cache.store("name", TABLE)
    assert said == "The data set is not kept for the next time: Could not determine home directory."


# A cache that others can write to


@pytest.mark.parametrize("variable", ["MLPCLI_CACHE", "XDG_CACHE_HOME"])
@pytest.mark.parametrize(
    ("mode", "refused"),
    [(0o700, False), (0o755, False), (0o775, True), (0o757, True), (0o1777, False)],
)
def test_a_folder_that_others_can_write_to_is_refused(
    variable: str, mode: int, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLPCLI_CACHE")
    monkeypatch.setenv(variable, str(tmp_path))
    cache.folder().mkdir(exist_ok=True)
    cache.folder().chmod(mode)
    said = f"{cache.folder()}: other users can write to this cache folder. Take that permission"
    assert cache.danger().startswith(said) == refused
    assert bool(cache.danger()) == refused


def test_the_folder_of_another_user_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache.store("name", TABLE) == ""
    own = os.stat(folder).st_uid
    monkeypatch.setattr(cache, "_is_own", lambda status: status.st_uid == own + 1)
    assert cache.danger().startswith(f"{folder}: this cache folder belongs to another user.")
    assert cache.load("name", "data") is None


def test_the_systems_and_ones_own_files_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    owners = {
        uid: cache._is_own(os.stat_result((0, 0, 0, 0, uid, *[0] * 5))) for uid in (0, 1000, 7)
    }
    assert owners == {0: True, 1000: True, 7: False}


def test_the_folder_is_made_for_the_user_alone(folder: Path) -> None:
    former = os.umask(0)
    try:
        assert cache.store("name", TABLE) == ""
    finally:
        os.umask(former)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert cache.danger() == ""


def test_digits_are_read_without_a_cache_in_danger_and_others_refused(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    said: list[str] = []
    assert named.digits(said.append).n_rows == 1797
    assert said == []
    assert list(folder.iterdir()) == []
    with pytest.raises(DataError, match="other users can write to this cache folder"):
        named.mnist(said.append)
    assert list(folder.iterdir()) == []
