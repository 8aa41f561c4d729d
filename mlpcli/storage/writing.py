"""The only place that writes files: whole, or not at all.

Functions take `dir_fd`, the descriptor of an open folder, as those of Python's os do: with it, a
file is written into that folder by its name, even if the folder has been renamed. Nothing is
written through a link, a pipe or a device: they are refused.
Every function raises OutputError with the system's reason.
"""

import errno
import hashlib
import os
import secrets
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.errors import OutputError
from mlpcli.messages import system_reason
from mlpcli.storage.reading import BLOCK, DIGEST, SEAL, digest

PART = ".part"  # ends the name of a file that is being written
FRESH = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe without a reader would block without O_NONBLOCK.
APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def _errors(path: Path, what: str = "cannot be written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = system_reason(error)
        if error.errno == errno.ELOOP:
            reason = "it is a symbolic link"
        raise OutputError(f"{path}: {what}: {reason}.") from error


@contextmanager
def open_folder(path: Path) -> Iterator[int]:
    """The descriptor of a folder, open inside the `with`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _folder_of(path: Path, dir_fd: int | None) -> Iterator[int]:
    if dir_fd is not None:
        yield dir_fd
    else:
        with open_folder(path.parent) as descriptor:
            yield descriptor


def write_whole(
    path: Path,
    write: Callable[[BinaryIO], object],
    previous: str = "",
    dir_fd: int | None = None,
) -> None:
    """Write a file so that it exists whole or not at all, and is on disk when this returns.

    An old file of that name is replaced once the new one is on disk, or gets the name `previous` if
    one is given. The new file has its permissions. No half-written file is left behind.
    """
    with _errors(path), _folder_of(path, dir_fd) as folder:
        temporary = f".{path.name}.{secrets.token_hex(4)}{PART}"
        handle = os.open(temporary, FRESH, 0o600, dir_fd=folder)
        try:
            with os.fdopen(handle, "w+b") as file:
                write(file)
                file.flush()
                os.fchmod(file.fileno(), _permissions(path.name, folder))
                os.fsync(file.fileno())
            if previous and _exists(path.name, folder):
                os.replace(path.name, previous, src_dir_fd=folder, dst_dir_fd=folder)
            os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        except BaseException:
            with suppress(OSError):  # gone, or the next run removes it
                os.unlink(temporary, dir_fd=folder)
            raise


def _exists(name: str, folder: int) -> bool:
    with suppress(FileNotFoundError):
        os.lstat(name, dir_fd=folder)
        return True
    return False


def _permissions(name: str, folder: int) -> int:
    """The permissions of the file that is replaced, or else those of any new file."""
    with suppress(FileNotFoundError):
        mode = os.lstat(name, dir_fd=folder).st_mode
        if stat.S_ISREG(mode):
            return stat.S_IMODE(mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def write_text(path: Path, text: str, dir_fd: int | None = None) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    write_whole(path, lambda file: file.write(text.encode()), dir_fd=dir_fd)


def write_pieces(path: Path, pieces: Iterable[str], dir_fd: int | None = None) -> None:
    """Write a UTF-8 text that is made piece by piece, whole or not at all."""

    def write(file: BinaryIO) -> None:
        for piece in pieces:
            file.write(piece.encode())

    write_whole(path, write, dir_fd=dir_fd)


def write_npz(
    path: Path, arrays: dict[str, Raw], previous: str = "", dir_fd: int | None = None
) -> None:
    """Write an uncompressed .npz as write_whole does; equal arrays give equal bytes.

    It ends in a seal, in the archive's comment: the SHA-256 of all bytes before it.
    """

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, value in arrays.items():
                array = np.asarray(value)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
            archive.comment = SEAL + b"0" * DIGEST  # in place of the digest, to be overwritten
        file.write(digest(file))

    write_whole(path, write, previous, dir_fd)


@contextmanager
def _appending(path: Path, dir_fd: int | None) -> Iterator[BinaryIO]:
    """A regular file, opened at its end."""
    with _errors(path), _folder_of(path, dir_fd) as folder:
        handle = os.open(path.name, APPEND, 0o666, dir_fd=folder)
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            os.close(handle)
            raise OutputError(f"{path}: cannot be written: it is not a regular file.")
        with os.fdopen(handle, "a+b") as file:
            yield file


def append_line(path: Path, line: str, dir_fd: int | None = None) -> bytes:
    """Add one line to a text file, where it can be read at once; returns its bytes."""
    content = f"{line}\n".encode()
    with _appending(path, dir_fd) as file:
        file.write(content)
    return content


def flush(path: Path, dir_fd: int | None = None) -> None:
    """Wait until what was appended to a file is on disk."""
    with _appending(path, dir_fd) as file:
        os.fsync(file.fileno())


def keep_first(path: Path, length: int, dir_fd: int | None = None) -> "tuple[int, hashlib._Hash]":
    """Replace a file by a copy of its first bytes, or make an empty one.

    A copy, so that a hard link to the file, as a backup may be, keeps what it has.
    Returns the length of the copy, at most `length`, and its SHA-256 so far.
    """
    sha256 = hashlib.sha256()
    kept = 0
    with _appending(path, dir_fd) as original:
        original.seek(0)

        def copy(file: BinaryIO) -> None:
            nonlocal kept
            while block := original.read(min(BLOCK, length - kept)):
                file.write(block)
                sha256.update(block)
                kept += len(block)

        write_whole(path, copy, dir_fd=dir_fd)
    return kept, sha256


def make_folder(path: Path, new: bool = False, mode: int = 0o777) -> None:
    """Make a folder of this mode and those above it; a `new` one must not exist yet."""
    with _errors(path, "cannot be made"):
        path.mkdir(mode, parents=True, exist_ok=not new)


def make_folder_in(path: Path, dir_fd: int) -> None:
    """Make one new folder in an open one."""
    with _errors(path, "cannot be made"):
        os.mkdir(path.name, dir_fd=dir_fd)


@contextmanager
def open_folder_in(path: Path, dir_fd: int) -> Iterator[int]:
    """The descriptor of a folder in an open one, open inside the `with`; a link is refused."""
    with _errors(path, "cannot be opened"):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path.name, flags, dir_fd=dir_fd)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def move(path: Path, to: Path, dir_fd: int, to_fd: int) -> None:
    """Move a file from one open folder to another."""
    with _errors(path, f"cannot be moved to {to}"):
        os.replace(path.name, to.name, src_dir_fd=dir_fd, dst_dir_fd=to_fd)


def remove(path: Path, dir_fd: int) -> None:
    """Delete a file of an open folder, if it exists."""
    with _errors(path, "cannot be replaced"), suppress(FileNotFoundError):
        os.unlink(path.name, dir_fd=dir_fd)


def remove_folder_in(path: Path, dir_fd: int) -> None:
    """Delete a folder of an open one, if it is empty."""
    with suppress(OSError):
        os.rmdir(path.name, dir_fd=dir_fd)
