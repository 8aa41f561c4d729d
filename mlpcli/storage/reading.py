"""The careful reading of untrusted files: no claim is believed beyond what a file holds."""

import errno
import hashlib
import math
import os
import stat
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.errors import DataError
from mlpcli.machine import available_memory

SEAL = b"mlpcli sha256 "  # what stands in a file of our own before its digest
DIGEST = 64  # its length, in hexadecimal
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
            raise DataError(
                f"{path}: is not a regular file (a pipe, socket or device). Name a file on disk."
            )
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
            raise DataError(
                f"{path}: ends after {done:,} of {len(view):,} bytes of data: the file is truncated."
            )
        view[done : done + len(block)] = block
        done += len(block)


def read_npz(path: Path, most_packed: int = MOST_DEFLATE) -> dict[str, Raw]:
    """Every array of an .npz file; nothing is unpickled, and no claim is believed beyond what the file holds.

    An array may be packed to that part of its size, which for weights, that hardly shrink, had better be a large one.
    Raises DataError naming the file and the array.
    """
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                must_fit(path, sum(member.file_size for member in members))
                return {
                    m.filename.removesuffix(".npy"): _read_member(path, archive, m, most_packed)
                    for m in members
                }
        except (*DAMAGE, RuntimeError, ValueError, OverflowError, IndexError) as error:
            raise DataError(f"{path}: is not a whole .npz file ({error}).") from error


def _read_member(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, most_packed: int
) -> Raw:
    where = f"{path}: array {member.filename.removesuffix('.npy')!r}"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(
            f"{where} is packed in a way that NumPy never uses. Write it again with numpy.savez."
        )
    if member.file_size > most_packed * member.compress_size + READ:
        raise DataError(
            f"{where} claims {size(member.file_size)}, more than the file can hold of such numbers."
        )
    with archive.open(member) as stream:
        shape, fortran, dtype = _read_header(where, stream)
        if dtype.hasobject:
            raise DataError(
                f"{where} holds Python objects, which are never loaded. Save it as numbers or strings."
            )
        if dtype.kind == "V" or not dtype.itemsize:
            raise DataError(f"{where} is of type {dtype}, which is not plain numbers or strings.")
        nbytes = math.prod(shape) * dtype.itemsize
        left = member.file_size - stream.tell()
        if nbytes != left:
            raise DataError(
                f"{where} claims {nbytes:,} bytes of data, and the file holds {left:,}."
            )
        array: Raw = np.empty(math.prod(shape), dtype)
        read_exactly(stream, array, path)  # to the very end, which is what checks the archive's CRC
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _read_header(
    where: str, stream: IO[bytes]
) -> tuple[tuple[int, ...], bool, "np.dtype[np.generic]"]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on old spellings
            version = np.lib.format.read_magic(stream)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            header: tuple[tuple[int, ...], bool, np.dtype[np.generic]] = read(stream)
    except DAMAGE:
        raise
    except Exception as error:  # the header is Python text, whose parsers fail in many ways
        raise DataError(
            f"{where} has no readable .npy header. Write it again with numpy.savez."
        ) from error
    if any(isinstance(length, bool) or length < 0 for length in header[0]):
        raise DataError(
            f"{where} claims a length that is not a number from 0 on. Write it again with numpy.savez."
        )
    return header


def check_seal(path: Path, needed: bool = True) -> None:
    """Raise DataError unless the file is, to the bit, what write_npz wrote, or has no seal where none is `needed`."""
    with open_regular(path) as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - len(SEAL) - DIGEST))
        end = file.read()
        sealed = end.startswith(SEAL)
        if (needed or sealed) and not (sealed and end.removeprefix(SEAL) == digest(file)):
            raise DataError(f"{path}: is damaged: it is not what was written, byte by byte.")


def digest(file: IO[bytes]) -> bytes:
    """The SHA-256 of all but the last bytes of a file, in hexadecimal; leaves the file at those."""
    left, digest = file.seek(-DIGEST, os.SEEK_END), hashlib.sha256()
    file.seek(0)
    while left:
        block = file.read(min(READ, left))
        digest.update(block)
        left -= len(block)
    return digest.hexdigest().encode()
