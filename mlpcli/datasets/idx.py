"""A folder of IDX files, the format of MNIST (LeCun et al. 1998), plain or gzipped."""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.datasets.table import Table, check_rows, checked_table, with_test
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.messages import size_in_words
from mlpcli.storage.reading import (
    MAX_DEFLATE,
    check_memory,
    check_unpacked,
    open_regular,
    read_exactly,
)

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 3
NAMES = ("{subset}-{kind}-idx{ndim}-ubyte", "{subset}-{kind}.idx{ndim}-ubyte")
ENDINGS = ("", ".gz")

Stream: TypeAlias = IO[bytes] | gzip.GzipFile


def read_folder(folder: Path) -> Table:
    """The training rows of a folder, with the t10k files as its own test rows if they are there.

    Raises DataError if files are missing or do not belong together, and UnreadableFileError if one
    is not a whole IDX file.
    """
    train = _read_subset(folder, "train")
    if train is None:
        raise DataError(
            f"{folder}: has no train-images-idx3-ubyte (plain or .gz). "
            "A folder must hold IDX files by MNIST's names; "
            "for other data name an .npz or .csv file."
        )
    test = _read_subset(folder, "t10k")
    if test is None:
        return train
    return with_test(train, test)


def _read_subset(folder: Path, subset: str) -> Table | None:
    """The images and labels of a subset, train or t10k; None if there are no images."""
    images = _find(folder, subset, "images", ndim=3)
    if images is None:
        return None
    labels = _find(folder, subset, "labels", ndim=1)
    if labels is None:
        raise DataError(
            f"{folder}: has {images.name}, but not the labels "
            f"{subset}-labels-idx1-ubyte that go with it."
        )
    x = read_idx(images)
    check_rows(images, len(x))
    return checked_table(str(images), x, read_idx(labels))


def _find(folder: Path, subset: str, kind: str, ndim: int) -> Path | None:
    for name in NAMES:
        stem = name.format(subset=subset, kind=kind, ndim=ndim)
        for ending in ENDINGS:
            path = folder / (stem + ending)
            if os.path.lexists(path):
                return path
    return None


def read_idx(path: Path) -> Raw:
    """The array of one IDX file, plain or gzipped; raises UnreadableFileError if not whole."""
    with open_regular(path) as file:
        length = os.fstat(file.fileno()).st_size
        if path.suffix != ".gz":
            return _read_array(path, file, length)
        try:
            with gzip.open(file) as stream:
                return _read_array(path, stream, length * MAX_DEFLATE)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UnreadableFileError(
                path, f"is not a whole gzip file ({error})", "Fetch it again."
            ) from error


class Header(NamedTuple):
    """What the header of an IDX file claims."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


def _read_array(path: Path, stream: Stream, at_most: int) -> Raw:
    """Read header and data from a stream that cannot hold more than `at_most` bytes."""
    dtype, shape = _read_header(path, stream)
    length = math.prod(shape)
    nbytes = length * dtype.itemsize
    if nbytes > at_most:
        claimed = size_in_words(nbytes)
        raise UnreadableFileError(
            path, f"claims {claimed} of data, more than the file can hold: it is truncated"
        )
    check_unpacked(path, os.path.getsize(path), nbytes, "Unpack it first, with gunzip.")
    native = dtype.newbyteorder("=")
    n_copies = 1 if native == dtype else 2
    check_memory(path, n_copies * nbytes)
    array: Raw = np.empty(length, dtype)
    read_exactly(stream, array, path)
    if stream.read(1):
        raise UnreadableFileError(path, "is longer than its header says")
    return array.reshape(shape).astype(native, copy=False)


def _read_header(path: Path, stream: Stream) -> Header:
    magic = stream.read(4)
    if not _is_magic(magic):
        beginning = magic.hex(" ") or "nothing"
        raise UnreadableFileError(
            path,
            f"is not an IDX file of one to three dimensions: it begins with {beginning}",
        )
    _, _, code, ndim = magic
    lengths = stream.read(4 * ndim)
    if len(lengths) < 4 * ndim:
        raise UnreadableFileError(path, "ends within its header: the file is truncated")
    shape = struct.unpack(f">{ndim}I", lengths)
    if 0 in shape:
        lengths_in_words = " × ".join(map(str, shape))
        raise UnreadableFileError(path, f"holds nothing: by its header it is {lengths_in_words}")
    return Header(np.dtype(TYPES[code]), shape)


def _is_magic(magic: bytes) -> bool:
    """Whether these are two zeros, the code of a type and a number of dimensions."""
    if len(magic) < 4:
        return False
    return magic[:2] == b"\0\0" and magic[2] in TYPES and 1 <= magic[3] <= MAX_DIMENSIONS
