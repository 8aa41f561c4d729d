"""The only place that writes files: whole, or not at all."""

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.errors import OutputError
from mlpcli.messages import system_reason
from mlpcli.storage.reading import DIGEST, SEAL, digest


def write_whole(
    path: Path, write: Callable[[BinaryIO], object], previous: Path | None = None
) -> None:
    """Write a file so that it exists whole or not at all, and is on disk when this returns.

    An old file of that name is replaced, or kept as `previous`, once the new one is on disk.
    Raises OutputError with the system's reason; no temporary file is left behind.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=".part", dir=path.parent
        )
        with os.fdopen(handle, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        if previous and path.exists():
            os.replace(path, previous)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {system_reason(error)}.") from error
    finally:
        if temporary and os.path.exists(temporary):
            with suppress(OSError):  # the next run removes it
                os.unlink(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_npz(path: Path, arrays: dict[str, Raw], previous: Path | None = None) -> None:
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

    write_whole(path, write, previous)


@contextmanager
def _appending(path: Path) -> Iterator[BinaryIO]:
    """A file opened at its end; raises OutputError with the system's reason."""
    try:
        with open(path, "ab") as file:
            yield file
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {system_reason(error)}.") from error


def append_line(path: Path, line: str) -> int:
    """Add one line to a text file, where it can be read at once; returns its number of bytes."""
    with _appending(path) as file:
        return file.write(f"{line}\n".encode())


def flush(path: Path) -> None:
    """Wait until what was appended to a file is on disk."""
    with _appending(path) as file:
        os.fsync(file.fileno())


def cut(path: Path, length: int) -> int:
    """Cut a file to its first `length` bytes, or make an empty one; returns its new length.

    A file that is shorter stays as it is.
    """
    with _appending(path) as file:
        return file.truncate(min(length, file.tell()))


def make_folder(path: Path, new: bool = False) -> None:
    """Make a folder and those above it.

    Raises OutputError with the system's reason, and if the folder must be `new` but exists.
    """
    try:
        path.mkdir(parents=True, exist_ok=not new)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {system_reason(error)}.") from error


def remove_folder(path: Path) -> None:
    """Delete a folder if it exists and is empty."""
    with suppress(OSError):
        path.rmdir()


def move(path: Path, to: Path) -> None:
    """Rename a file in one step; raises OutputError with the system's reason."""
    try:
        os.replace(path, to)
    except OSError as error:
        raise OutputError(f"{path}: cannot be moved to {to}: {system_reason(error)}.") from error


def remove(paths: list[Path]) -> None:
    """Delete those of the files that exist; raises OutputError with the system's reason."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be replaced: {system_reason(error)}.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
