"""The careful reading of untrusted files: no claim is believed beyond what a file holds.

Every function raises UnreadableFileError for a file that is not what it must be.
"""

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
from io import TextIOWrapper
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, TextIO

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.errors import UnreadableFileError
from mlpcli.machine import available_memory
from mlpcli.messages import size_in_words, system_reason

SEAL = b"mlpcli sha256 "  # stands before the digest at the end of a file that mlpcli wrote
DIGEST = 64  # the digest's length, in hexadecimal
BLOCK = 1 << 20  # bytes read at a time
MAX_TEXT = 1 << 20  # bytes of a configuration
MAX_DEFLATE = 1032  # deflate shrinks nothing further than this, so a larger claim is a lie
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError)  # what readers raise for a broken archive
MAX_UNPACKED = 100  # times its size that a file may unpack to, beyond SMALL
SMALL = 1 << 24  # bytes that any file may unpack to
SAVE_AGAIN = "Write it again with numpy.savez."
UNCOMPRESSED = "Write it with numpy.savez, not with savez_compressed."


def check_memory(path: Path, nbytes: int) -> None:
    """Refuse to read what memory cannot hold, before anything is allocated."""
    free = available_memory()
    if nbytes > free:
        raise UnreadableFileError(
            path,
            f"would need {size_in_words(nbytes)} of memory, and {size_in_words(free)} is free",
            "Use fewer rows or a smaller number type.",
        )


def check_unpacked(path: Path, packed: int, unpacked: int, advice: str) -> None:
    """Refuse a small file that unpacks to what fills the memory; data does not shrink so far."""
    if unpacked > MAX_UNPACKED * packed + SMALL:
        sizes = f"{size_in_words(packed)} to {size_in_words(unpacked)}"
        raise UnreadableFileError(path, f"unpacks from {sizes}, more than data ever does", advice)


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; anything else is refused, and a FIFO never blocks."""
    try:
        _check_regular(path, os.stat(path).st_mode)
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        if error.errno == errno.ELOOP:
            problem = "is a symbolic link that leads back to itself"
        else:
            problem = f"cannot be read: {system_reason(error)}"
        raise UnreadableFileError(path, problem) from error


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a regular UTF-8 file, with or without a byte-order mark; line ends stay as they are."""
    with open_regular(path) as file, TextIOWrapper(file, "utf-8-sig", newline="") as text:
        yield text


def _check_regular(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise UnreadableFileError(path, "is a folder, where a file is needed")
    if not stat.S_ISREG(mode):
        raise UnreadableFileError(
            path, "is not a regular file (a pipe, socket or device)", "Name a file on disk."
        )


def read_text(path: Path) -> str:
    """The text of a UTF-8 file of at most 1 MiB, with or without a byte-order mark."""
    with open_regular(path) as file:
        content = file.read(MAX_TEXT + 1)
    if len(content) > MAX_TEXT:
        raise UnreadableFileError(path, f"is larger than {size_in_words(MAX_TEXT)}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(path, f"is not UTF-8 text ({error})") from error


def read_exactly(stream: IO[bytes] | GzipFile, array: Raw, path: Path) -> None:
    """Fill the array from the stream, which must not end before the array is full."""
    view = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        block = stream.read(min(BLOCK, len(view) - done))
        if not block:
            raise UnreadableFileError(
                path, f"ends after {done:,} of {len(view):,} bytes of data: the file is truncated"
            )
        view[done : done + len(block)] = block
        done += len(block)


class ArrayHeader(NamedTuple):
    """What the header of a .npy file claims."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]

    @property
    def nbytes(self) -> int:
        """The bytes of data that follow the header, if its claim is true."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: Path, most_packed: int = MAX_DEFLATE) -> dict[str, Raw]:
    """Every array of an .npz file by name; nothing is unpickled.

    An array may be packed to one part in `most_packed` of its size: weights hardly shrink, so a
    small number refuses what would fill the memory.
    """
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                nbytes = sum(member.file_size for member in members)
                check_memory(path, nbytes)
                for member in members:
                    _check_packing(path, member, most_packed)
                check_unpacked(path, os.fstat(file.fileno()).st_size, nbytes, UNCOMPRESSED)
                return {
                    _array_name(member): _read_member(path, archive, member) for member in members
                }
        except (*DAMAGE, RuntimeError, ValueError, OverflowError, IndexError) as error:
            raise UnreadableFileError(path, f"is not a whole .npz file ({error})") from error


def _array_name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Raw:
    name = _array_name(member)
    with archive.open(member) as stream:
        header = _read_header(path, name, stream)
        _check_header(path, name, header, member.file_size - stream.tell())
        array: Raw = np.empty(math.prod(header.shape), header.dtype)
        read_exactly(stream, array, path)  # to the very end, where the archive's CRC is checked
    if header.fortran:
        return array.reshape(header.shape[::-1]).T
    return array.reshape(header.shape)


def _check_packing(path: Path, member: zipfile.ZipInfo, most_packed: int) -> None:
    name = _array_name(member)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnreadableFileError(
            path, f"array {name!r} is packed in a way that NumPy never uses", SAVE_AGAIN
        )
    if member.file_size > most_packed * member.compress_size + BLOCK:
        claimed = size_in_words(member.file_size)
        raise UnreadableFileError(
            path, f"array {name!r} claims {claimed}, more than the file can hold of such numbers"
        )


def _read_header(path: Path, name: str, stream: IO[bytes]) -> ArrayHeader:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old spellings
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                return ArrayHeader(*np.lib.format.read_array_header_1_0(stream))
            if version == (2, 0):
                return ArrayHeader(*np.lib.format.read_array_header_2_0(stream))
            raise ValueError(f"version {version}")
    except DAMAGE:
        raise
    except Exception as error:  # the header is Python text, whose parsers fail in many ways
        raise UnreadableFileError(
            path, f"array {name!r} has no readable .npy header", SAVE_AGAIN
        ) from error


def _check_header(path: Path, name: str, header: ArrayHeader, available: int) -> None:
    """Refuse a header whose claims are no plain array, or not the one that the file holds."""
    dtype = header.dtype
    problem, advice = "", ""
    if any(isinstance(length, bool) or length < 0 for length in header.shape):
        problem, advice = "claims a length that is not a number from 0 on", SAVE_AGAIN
    elif dtype.hasobject:
        problem = "holds Python objects, which are never loaded"
        advice = "Save it as numbers or strings."
    elif dtype.kind == "V" or not dtype.itemsize:
        problem = f"is of type {dtype}, which is not plain numbers or strings"
    elif header.nbytes != available:
        problem = f"claims {header.nbytes:,} bytes of data, and the file holds {available:,}"
    if problem:
        raise UnreadableFileError(path, f"array {name!r} {problem}", advice)


def check_seal(path: Path, needed: bool = True) -> None:
    """Refuse a file that differs in any bit from what write_npz wrote.

    A file without a seal is accepted if none is `needed`.
    """
    with open_regular(path) as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - len(SEAL) - DIGEST))
        end = file.read()
        sealed = end.startswith(SEAL)
        whole = sealed and end.removeprefix(SEAL) == digest(file)
    if (needed or sealed) and not whole:
        raise UnreadableFileError(path, "is damaged: it is not what was written, byte by byte")


def digest(file: IO[bytes]) -> bytes:
    """The SHA-256, in hexadecimal, of all but the last DIGEST bytes; leaves the file at those."""
    left = file.seek(-DIGEST, os.SEEK_END)
    file.seek(0)
    sha256 = hashlib.sha256()
    while left:
        block = file.read(min(BLOCK, left))
        sha256.update(block)
        left -= len(block)
    return sha256.hexdigest().encode()


def digest_of_first(path: Path, length: int) -> tuple[int, str]:
    """The SHA-256, in hexadecimal, of the first bytes of a file, and how many of them there are."""
    sha256 = hashlib.sha256()
    done = 0
    with open_regular(path) as file:
        while block := file.read(min(BLOCK, length - done)):
            sha256.update(block)
            done += len(block)
    return done, sha256.hexdigest()
