"""The only place that writes files, whole or not at all, and the careful reading of untrusted ones."""

import errno
import math
import os
import stat
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from gzip import GzipFile
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.errors import DataError, OutputError
from mlpcli.machine import available_memory

READ = 1 << 20  # bytes read at a time
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError)  # what a broken archive makes its readers raise
MOST_DEFLATE = 1032  # deflate cannot shrink anything further than this, so a larger claim is a lie


def must_fit(path: Path, nbytes: int) -> None:
    """Refuse to read what memory cannot hold, before anything is allocated."""
    free = available_memory()
    if nbytes > free:
        raise DataError(
            f"{path}: would need {size(nbytes)} of memory, and {size(free)} is free. "
            "Use fewer rows or a smaller number type."
        )


def size(nbytes: float) -> str:
    """A number of bytes for a person: '1.5 MiB'."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if nbytes < 1024 or unit == "PiB":
            return f"{nbytes:.0f} {unit}" if unit == "bytes" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    raise AssertionError("unreachable")


def reason(error: OSError) -> str:
    """What the system says of a failure, without number and path."""
    return error.strerror or str(error)


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; raises DataError for anything else, and never blocks on a FIFO."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise DataError(f"{path}: is a folder, where a file is needed.")
        if not stat.S_ISREG(mode):
            raise DataError(f"{path}: is not a regular file (a pipe, socket or device). Name a file on disk.")
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(f"{path}: is a symbolic link that leads back to itself.") from error
        raise DataError(f"{path}: cannot be read: {reason(error)}.") from error


def read_exactly(stream: IO[bytes] | GzipFile, array: Raw, path: Path) -> None:
    """Fill the array from the stream; raises DataError when the stream ends before it is full."""
    view = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        block = stream.read(min(READ, len(view) - done))
        if not block:
            raise DataError(f"{path}: ends after {done:,} of {len(view):,} bytes of data: the file is truncated.")
        view[done : done + len(block)] = block
        done += len(block)


def read_npz(path: Path) -> dict[str, Raw]:
    """Every array of an .npz file; nothing is unpickled, and no claim is believed beyond what the file holds.

    Raises DataError naming the file and the array.
    """
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                must_fit(path, sum(member.file_size for member in members))
                return {m.filename.removesuffix(".npy"): _read_member(path, archive, m) for m in members}
        except (*DAMAGE, RuntimeError, ValueError, OverflowError) as error:
            raise DataError(f"{path}: is not a whole .npz file ({error}).") from error


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Raw:
    where = f"{path}: array {member.filename.removesuffix('.npy')!r}"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is packed in a way that NumPy never uses. Write it again with numpy.savez.")
    if member.file_size > MOST_DEFLATE * member.compress_size + READ:
        raise DataError(f"{where} claims {size(member.file_size)}, more than the file can hold.")
    with archive.open(member) as stream:
        shape, fortran, dtype = _read_header(where, stream)
        if dtype.hasobject:
            raise DataError(f"{where} holds Python objects, which are never loaded. Save it as numbers or strings.")
        if dtype.kind == "V" or not dtype.itemsize:
            raise DataError(f"{where} is of type {dtype}, which is not plain numbers or strings.")
        nbytes = math.prod(shape) * dtype.itemsize
        left = member.file_size - stream.tell()
        if nbytes != left:
            raise DataError(f"{where} claims {nbytes:,} bytes of data, and the file holds {left:,}.")
        array: Raw = np.empty(math.prod(shape), dtype)
        read_exactly(stream, array, path)  # to the very end, which is what checks the archive's CRC
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _read_header(where: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, "np.dtype[np.generic]"]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on old spellings
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            header: tuple[tuple[int, ...], bool, np.dtype[np.generic]] = read(stream)
    except DAMAGE:
        raise
    except Exception as error:  # the header is Python text, whose parsers fail in many ways
        raise DataError(f"{where} has no readable .npy header. Write it again with numpy.savez.") from error
    if any(isinstance(length, bool) or length < 0 for length in header[0]):
        raise DataError(f"{where} claims a length that is not a number from 0 on. Write it again with numpy.savez.")
    return header


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that it is there whole or not at all, and on disk when this returns.

    Raises OutputError with the system's reason; no temporary file is left behind.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}.") from error
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_npz(path: Path, arrays: dict[str, Raw]) -> None:
    """Write an uncompressed .npz, whole or not at all; equal arrays give equal bytes."""

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)

    write_whole(path, write)


def append_line(path: Path, line: str) -> None:
    """Add one line to a text file, at once on its way to disk."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}.") from error


def make_folder(path: Path, new: bool = False) -> None:
    """Make a folder and those above it; raises OutputError with the system's reason, also where `new` is not so."""
    try:
        path.mkdir(parents=True, exist_ok=not new)
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {reason(error)}.") from error


def remove_folder(path: Path) -> None:
    """Delete a folder, if it is there and empty."""
    with suppress(OSError):
        path.rmdir()


def move(path: Path, to: Path) -> None:
    """Give a file another name, at once; raises OutputError with the system's reason."""
    try:
        os.replace(path, to)
    except OSError as error:
        raise OutputError(f"{path}: cannot be moved to {to}: {reason(error)}.") from error


def remove(paths: list[Path]) -> None:
    """Delete files, those that are there."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be replaced: {reason(error)}.") from error


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
