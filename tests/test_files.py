"""Writing whole or not at all, and saying in a sentence what cannot be read or written."""

import os
import socket
import stat
import time
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from mlpcli import files
from mlpcli.errors import DataError, OutputError


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1.5 * 2**20, "1.5 MiB"),
        (2**30, "1.0 GiB"),
        (2**45, "32.0 TiB"),
        (2**70, "1048576.0 PiB"),
    ],
)
def test_a_size_is_written_for_a_person(nbytes: float, text: str) -> None:
    assert files.size(nbytes) == text


def test_what_memory_cannot_hold_is_refused_with_both_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "available_memory", lambda: 2**20)
    files.must_fit(Path("small.csv"), 2**20)
    with pytest.raises(DataError, match=r"^big.csv: would need 3.0 GiB of memory, and 1.0 MiB is free\."):
        files.must_fit(Path("big.csv"), 3 * 2**30)


def test_a_regular_file_is_opened_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    with files.open_regular(tmp_path / "link") as file:
        assert file.read() == b"content"


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (Path.mkdir, "is a folder, where a file is needed"),
        (os.mkfifo, "is not a regular file"),
        (make_socket, "is not a regular file"),
        (lambda path: path.symlink_to(os.devnull), "is not a regular file"),
        (make_loop, "is a symbolic link that leads back to itself"),
    ],
)
def test_what_is_no_regular_file_is_refused(make: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    make(path)
    with pytest.raises(DataError) as caught, files.open_regular(path):
        pass
    assert str(caught.value).startswith(f"{path}: {said}")


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


def full_device(file: BinaryIO) -> None:
    file.write(b"half")
    with open("/dev/full", "wb", buffering=0) as device:
        device.write(b"more")


def broken(error: BaseException) -> Any:
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
    write: Any, error: type[BaseException], old: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    if old:
        path.write_text(old)
    with pytest.raises(error):
        files.write_whole(path, write)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == ({"file": old} if old else {})


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
    for name, array in files.read_npz(tmp_path / "file.npz").items():
        np.testing.assert_array_equal(array, arrays[name], strict=True)


def test_equal_arrays_give_equal_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        files.append_line(tmp_path / "log", line)
    assert (tmp_path / "log").read_text(encoding="utf-8") == "first\nzweite Zeile: λ\n"


def test_a_folder_is_made_with_those_above_it_and_may_be_there(tmp_path: Path) -> None:
    for _ in range(2):
        files.make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()


def test_files_are_removed_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    files.remove([tmp_path / "there", tmp_path / "not there"])
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("act", "place", "said"),
    [
        (lambda path: files.write_text(path, "text"), "nowhere/file", "cannot be written: No such file or directory"),
        (lambda path: files.write_text(path, "text"), "file/below", "cannot be written: Not a directory"),
        (lambda path: files.write_text(path, "text"), "folder", "cannot be written: Is a directory"),
        (lambda path: files.write_npz(path, {}), "nowhere/file", "cannot be written: No such file or directory"),
        (lambda path: files.append_line(path, "text"), "nowhere/file", "cannot be written: No such file or directory"),
        (lambda path: files.append_line(path, "text"), "full", "cannot be written: No space left on device"),
        (files.make_folder, "file", "cannot be made: File exists"),
        (lambda path: files.make_folder(path, new=True), "folder", "cannot be made: File exists"),
        (files.make_folder, "file/below", "cannot be made: Not a directory"),
        (lambda path: files.remove([path]), "folder", "cannot be replaced: Is a directory"),
    ],
)
def test_what_cannot_be_written_is_said_with_the_reason(act: Any, place: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "full").symlink_to("/dev/full")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OutputError) as caught:
        act(tmp_path / place)
    assert str(caught.value) == f"{tmp_path / place}: {said}."
    assert sorted(os.listdir(tmp_path)) == before


def test_a_system_error_without_words_of_its_own_is_still_told() -> None:
    assert files.reason(OSError("it broke")) == "it broke"
    assert files.reason(OSError(28, "No space left on device", "/some/path")) == "No space left on device"


def test_a_file_that_cannot_be_moved_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nothing: cannot be moved to .*there: No such file or directory\.$"):
        files.move(tmp_path / "nothing", tmp_path / "there")
