"""Careful reading: memory, what is no file, text, and the seal that shows any changed byte."""

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.errors import UnreadableFileError
from mlpcli.storage import reading
from mlpcli.storage.writing import write_npz


def test_what_memory_cannot_hold_is_refused_with_both_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "available_memory", lambda: 2**20)
    reading.check_memory(Path("small.csv"), 2**20)
    with pytest.raises(
        UnreadableFileError, match=r"^big.csv: would need 3.0 GiB of memory, and 1.0 MiB is free\."
    ):
        reading.check_memory(Path("big.csv"), 3 * 2**30)


def test_a_regular_file_is_opened_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    with reading.open_regular(tmp_path / "link") as file:
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
    with pytest.raises(UnreadableFileError) as caught, reading.open_regular(path):
        pass
    assert str(caught.value).startswith(f"{path}: {said}")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_text_is_read_with_a_byte_order_mark_and_without(mark: bytes, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(mark + "seed = 1  # für Übungen\n".encode())
    assert reading.read_text(tmp_path / "text") == "seed = 1  # für Übungen\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"x" * (reading.MAX_TEXT + 1), "is larger than 1.0 MiB"),
        (b"caf\xe9", "is not UTF-8 text ("),
    ],
)
def test_what_is_no_short_text_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(UnreadableFileError) as caught:
        reading.read_text(tmp_path / "text")
    assert caught.value.path == tmp_path / "text"
    assert caught.value.problem.startswith(problem)


def test_the_longest_text_is_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"x" * reading.MAX_TEXT)
    assert len(reading.read_text(tmp_path / "text")) == reading.MAX_TEXT


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    write_npz(tmp_path / "sealed.npz", {"x": np.arange(5.0), "y": np.array(["a", "é"])})
    return tmp_path / "sealed.npz"


def test_a_file_as_it_was_written_passes(sealed: Path) -> None:
    reading.check_seal(sealed)


def refused(path: Path) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        reading.check_seal(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_a_change_of_any_byte_is_found(sealed: Path) -> None:
    whole = sealed.read_bytes()
    for place in range(len(whole)):
        sealed.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert "is damaged: it is not what was written" in refused(sealed), place


def test_a_cut_at_any_byte_is_found(sealed: Path) -> None:
    whole = sealed.read_bytes()
    for length in range(len(whole)):
        sealed.write_bytes(whole[:length])
        assert "is damaged" in refused(sealed), length


@pytest.mark.parametrize("more", [b"\0", b"x" * 100, b"mlpcli sha256 " + b"0" * 64])
def test_bytes_after_the_end_are_found(more: bytes, sealed: Path) -> None:
    sealed.write_bytes(sealed.read_bytes() + more)
    assert "is damaged" in refused(sealed)


def test_a_file_without_a_seal_is_refused_and_one_that_is_not_there_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", x=np.arange(99))
    assert "is damaged" in refused(tmp_path / "plain.npz")
    assert "cannot be read: No such file or directory" in refused(tmp_path / "nothing.npz")


def test_the_digest_takes_in_a_file_of_many_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (63, 64, 65, 1000):
        monkeypatch.setattr(reading, "BLOCK", 64)
        write_npz(tmp_path / "file.npz", {"x": np.arange(size, dtype=np.uint8)})
        reading.check_seal(tmp_path / "file.npz")
        monkeypatch.setattr(reading, "BLOCK", 1 << 20)
        reading.check_seal(tmp_path / "file.npz")
