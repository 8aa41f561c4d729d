"""Writing whole or not at all, and saying in a sentence what cannot be written."""

import hashlib
import os
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from mlpcli.errors import OutputError
from mlpcli.storage import writing as files
from mlpcli.storage.reading import check_seal, read_npz


def test_a_file_is_written_and_nothing_else_in_its_folder(tmp_path: Path) -> None:
    files.write_text(tmp_path / "text", "∂W1 = xᵀ ∂a\n")
    assert (tmp_path / "text").read_bytes() == "∂W1 = xᵀ ∂a\n".encode()
    assert os.listdir(tmp_path) == ["text"]


def test_the_old_content_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write(file: BinaryIO) -> None:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"

    files.write_whole(path, write)
    assert path.read_text() == "new"


def remove(path: Path) -> None:
    with files.open_folder(path.parent) as descriptor:
        files.remove(path, descriptor)


def writing(content: bytes) -> Callable[[BinaryIO], object]:
    return lambda file: file.write(content)


def full_device(file: BinaryIO) -> None:
    file.write(b"half")
    with open("/dev/full", "wb", buffering=0) as device:
        device.write(b"more")


def broken(error: BaseException) -> Callable[[BinaryIO], object]:
    def write(file: BinaryIO) -> None:
        file.write(b"half")
        raise error

    return write


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (full_device, OutputError),
        (broken(ValueError()), ValueError),
        (broken(KeyboardInterrupt()), KeyboardInterrupt),
    ],
)
@pytest.mark.parametrize("old", [None, "old"])
def test_a_failure_half_way_leaves_all_as_it_was(
    write: Callable[[BinaryIO], object], error: type[BaseException], old: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    if old:
        path.write_text(old)
    with pytest.raises(error):
        files.write_whole(path, write)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == (
        {"file": old} if old else {}
    )


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        files.write_text(tmp_path / "file", "text")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_numpy_reads_the_arrays_that_were_written(tmp_path: Path) -> None:
    arrays = {
        "x": np.arange(6.0).reshape(2, 3),
        "y": np.array(["a", "é"]),
        "none": np.empty((0, 4)),
        "one": np.array(3),
    }
    files.write_npz(tmp_path / "file.npz", arrays)
    with np.load(tmp_path / "file.npz", allow_pickle=False) as read:
        assert list(read) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array, strict=True)
    for name, array in read_npz(tmp_path / "file.npz").items():
        np.testing.assert_array_equal(array, arrays[name], strict=True)
    check_seal(tmp_path / "file.npz")


def test_equal_arrays_give_equal_bytes_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {"x": np.arange(6.0), "y": np.arange(3)}
    files.write_npz(tmp_path / "today.npz", arrays)
    another_day = time.localtime(10**9)
    monkeypatch.setattr(time, "localtime", lambda *seconds: another_day)
    monkeypatch.setattr(time, "time", lambda: 1e9)
    files.write_npz(tmp_path / "then.npz", arrays)
    assert (tmp_path / "today.npz").read_bytes() == (tmp_path / "then.npz").read_bytes()
    assert zipfile.ZipFile(tmp_path / "then.npz").testzip() is None


def test_objects_are_never_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle=False"):
        files.write_npz(tmp_path / "file.npz", {"x": np.array([object()])})
    assert not os.listdir(tmp_path)


def test_lines_are_added_one_by_one(tmp_path: Path) -> None:
    for line in ("first", "zweite Zeile: λ"):
        assert files.append_line(tmp_path / "log", line) == f"{line}\n".encode()
    assert (tmp_path / "log").read_text(encoding="utf-8") == "first\nzweite Zeile: λ\n"


@pytest.mark.parametrize(
    ("length", "left"), [(0, b""), (4, b"one\n"), (8, b"one\ntwo\n"), (99, b"one\ntwo\n")]
)
def test_a_file_is_cut_back_to_its_first_bytes_and_never_made_longer(
    length: int, left: bytes, tmp_path: Path
) -> None:
    (tmp_path / "log").write_bytes(b"one\ntwo\n")
    kept, sha256 = files.keep_first(tmp_path / "log", length)
    assert (kept, sha256.digest()) == (len(left), hashlib.sha256(left).digest())
    assert (tmp_path / "log").read_bytes() == left


def test_a_file_that_is_cut_is_another_one_so_that_its_hard_links_stay(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\ntwo\n")
    os.link(tmp_path / "log", tmp_path / "backup")
    files.keep_first(tmp_path / "log", 4)
    files.append_line(tmp_path / "log", "more")
    assert (tmp_path / "backup").read_bytes() == b"one\ntwo\n"


def make_link(path: Path) -> None:
    path.with_name("precious").write_bytes(b"precious")
    path.symlink_to("precious")


@pytest.mark.parametrize("make", [make_link, os.mkfifo])
@pytest.mark.parametrize(
    "write",
    [
        lambda path: files.append_line(path, "line"),
        lambda path: files.flush(path),
        lambda path: files.keep_first(path, 0),
    ],
)
def test_a_link_or_a_pipe_in_the_place_of_a_log_is_refused_and_never_blocks(
    make: Callable[[Path], object], write: Callable[[Path], object], tmp_path: Path
) -> None:
    make(tmp_path / "log")
    with pytest.raises(OutputError, match=r"log: cannot be written: it is (a symbolic|not a reg)"):
        write(tmp_path / "log")
    assert {path.read_bytes() for path in tmp_path.glob("precious")} <= {b"precious"}


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    make_link(tmp_path / "file")
    files.write_text(tmp_path / "file", "new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_that_is_replaced_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(mode)
    files.write_text(tmp_path / "file", "new")
    files.keep_first(tmp_path / "file", 1)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_by_its_descriptor_a_folder_is_written_to_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with files.open_folder(tmp_path / "run") as descriptor:
        (tmp_path / "run").rename(tmp_path / "renamed")
        (tmp_path / "run").mkdir()
        path = tmp_path / "run" / "file"
        files.write_text(path, "text", descriptor)
        files.append_line(path.with_name("log"), "line", descriptor)
        files.keep_first(path.with_name("log"), 2, descriptor)
    assert not os.listdir(tmp_path / "run")
    assert (tmp_path / "renamed" / "file").read_text() == "text"
    assert (tmp_path / "renamed" / "log").read_text() == "li"


def test_a_file_that_is_not_there_is_begun(tmp_path: Path) -> None:
    kept, _ = files.keep_first(tmp_path / "log", 17)
    assert kept == 0
    assert (tmp_path / "log").read_bytes() == b""


def test_the_previous_file_keeps_its_content_under_another_name(tmp_path: Path) -> None:
    path, previous = tmp_path / "file", tmp_path / "previous"
    for content in (b"0", b"1", b"2"):
        before = path.read_bytes() if path.exists() else None
        files.write_whole(path, writing(content), previous.name)
        assert path.read_bytes() == content
        assert (previous.read_bytes() if previous.exists() else None) == before


def test_the_previous_file_stays_as_it_is_when_the_new_one_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"now")
    (tmp_path / "previous").write_bytes(b"before")
    with pytest.raises(OutputError):
        files.write_whole(tmp_path / "file", full_device, "previous")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {
        "file": b"now",
        "previous": b"before",
    }


def test_all_is_on_disk_before_a_file_has_its_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append(
            "folder"
            if stat.S_ISDIR(os.fstat(handle).st_mode)
            else f"{os.fstat(handle).st_size} bytes"
        )
        sync(handle)

    def replaced(old: str, new: str, **folders: int) -> None:
        done.append(f"as {new}")
        replace(old, new, **folders)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    files.write_text(tmp_path / "file", "four")
    files.write_whole(tmp_path / "file", writing(b"three"), "previous")
    assert done == ["4 bytes", "as file", "folder", "5 bytes", "as previous", "as file", "folder"]


def test_what_was_appended_is_on_disk_when_the_file_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    files.append_line(tmp_path / "log", "line")
    files.flush(tmp_path / "log")
    assert sizes == [5]


def test_a_temporary_file_that_cannot_be_taken_away_hides_no_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(OutputError, match=r"file: cannot be written: No space left on device\.$"):
        files.write_whole(tmp_path / "file", full_device)


def test_a_folder_is_made_with_those_above_it_and_may_be_there(tmp_path: Path) -> None:
    for _ in range(2):
        files.make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()


def test_files_are_removed_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    with files.open_folder(tmp_path) as descriptor:
        files.remove(tmp_path / "there", descriptor)
        files.remove(tmp_path / "not there", descriptor)
    assert not os.listdir(tmp_path)


def test_an_empty_folder_is_removed_and_another_one_stays(tmp_path: Path) -> None:
    with files.open_folder(tmp_path) as descriptor:
        files.make_folder_in(tmp_path / "inside", descriptor)
        with pytest.raises(OutputError, match="inside: cannot be made: File exists"):
            files.make_folder_in(tmp_path / "inside", descriptor)
        (tmp_path / "inside" / "file").touch()
        files.remove_folder_in(tmp_path / "inside", descriptor)
        assert os.listdir(tmp_path) == ["inside"]
        (tmp_path / "inside" / "file").unlink()
        files.remove_folder_in(tmp_path / "inside", descriptor)
        assert not os.listdir(tmp_path)


def test_a_link_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with (
        files.open_folder(tmp_path) as descriptor,
        pytest.raises(OutputError, match="link: cannot be opened: "),
        files.open_folder_in(tmp_path / "link", descriptor),
    ):
        raise AssertionError("opened")


@pytest.mark.parametrize(
    ("act", "place", "said"),
    [
        (
            lambda path: files.write_text(path, "text"),
            "nowhere/file",
            "cannot be written: No such file or directory",
        ),
        (
            lambda path: files.write_text(path, "text"),
            "file/below",
            "cannot be written: Not a directory",
        ),
        (
            lambda path: files.write_text(path, "text"),
            "folder",
            "cannot be written: Is a directory",
        ),
        (
            lambda path: files.write_npz(path, {}),
            "nowhere/file",
            "cannot be written: No such file or directory",
        ),
        (
            lambda path: files.append_line(path, "text"),
            "nowhere/file",
            "cannot be written: No such file or directory",
        ),
        (
            lambda path: files.append_line(path, "text"),
            "full",
            "cannot be written: it is a symbolic link",
        ),
        (
            lambda path: files.keep_first(path, 0),
            "nowhere/file",
            "cannot be written: No such file or directory",
        ),
        (files.flush, "folder", "cannot be written: Is a directory"),
        (files.make_folder, "file", "cannot be made: File exists"),
        (lambda path: files.make_folder(path, new=True), "folder", "cannot be made: File exists"),
        (files.make_folder, "file/below", "cannot be made: Not a directory"),
        (remove, "folder", "cannot be replaced: Is a directory"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_reason(
    act: Callable[[Path], object], place: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "full").symlink_to("/dev/full")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OutputError) as caught:
        act(tmp_path / place)
    assert str(caught.value) == f"{tmp_path / place}: {said}."
    assert sorted(os.listdir(tmp_path)) == before


def test_a_file_that_cannot_be_moved_is_named(tmp_path: Path) -> None:
    said = r"nothing: cannot be moved to .*there: No such file or directory\.$"
    with files.open_folder(tmp_path) as fd, pytest.raises(OutputError, match=said):
        files.move(tmp_path / "nothing", tmp_path / "there", fd, fd)
