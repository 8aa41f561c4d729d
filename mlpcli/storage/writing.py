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
    """Write a file so that it is there whole or not at all, and on disk when this returns.

    What stood there is lost, or goes by the name `former`, but not before the new file is on disk.
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
            with suppress(OSError):  # the next run clears it away
                os.unlink(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_npz(path: Path, arrays: dict[str, Raw], previous: Path | None = None) -> None:
    """Write an uncompressed .npz as write_whole does; equal arrays give equal bytes.

    It ends in the archive's comment, and that in the SHA-256 of all bytes before it: the seal.
    """

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            archive.comment = SEAL + b"0" * DIGEST
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
    """Add one line to a text file, for everyone to read at once; returns its number of bytes."""
    with _appending(path) as file:
        return file.write(f"{line}\n".encode())


def flush(path: Path) -> None:
    """Return when a file is on disk."""
    with _appending(path) as file:
        os.fsync(file.fileno())


def cut(path: Path, length: int) -> int:
    """Cut a file back to its first bytes, or begin it; returns its length, which may have been less."""
    with _appending(path) as file:
        return file.truncate(min(length, file.tell()))


def make_folder(path: Path, new: bool = False) -> None:
    """Make a folder and those above it; raises OutputError with the system's reason, also where `new` is not so."""
    try:
        path.mkdir(parents=True, exist_ok=not new)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {system_reason(error)}.") from error


def remove_folder(path: Path) -> None:
    """Delete a folder, if it is there and empty."""
    with suppress(OSError):
        path.rmdir()


def move(path: Path, to: Path) -> None:
    """Give a file another name, at once; raises OutputError with the system's reason."""
    try:
        os.replace(path, to)
    except OSError as error:
        raise OutputError(f"{path}: cannot be moved to {to}: {system_reason(error)}.") from error


def remove(paths: list[Path]) -> None:
    """Delete files, those that are there."""
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
