"""A folder of IDX files, the format of MNIST (LeCun et al. 1998), plain or gzipped."""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.datasets.table import Table, table, with_test
from mlpcli.errors import DataError
from mlpcli.messages import size_in_words
from mlpcli.storage.reading import MAX_DEFLATE, check_memory, open_regular, read_exactly

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
NAMES = ("{part}-{kind}-idx{ndim}-ubyte", "{part}-{kind}.idx{ndim}-ubyte")


def read_folder(folder: Path) -> Table:
    """The training rows of the folder, with the t10k files as its own test rows where they are there."""
    train = _read_part(folder, "train")
    if train is None:
        raise DataError(
            f"{folder}: has no train-images-idx3-ubyte (plain or .gz). A folder must hold IDX files by MNIST's names; "
            "for other data name an .npz or .csv file."
        )
    test = _read_part(folder, "t10k")
    return with_test(train, test) if test else train


def _read_part(folder: Path, part: str) -> Table | None:
    images = _find(folder, part, "images", 3)
    if images is None:
        return None
    labels = _find(folder, part, "labels", 1)
    if labels is None:
        raise DataError(
            f"{folder}: has {images.name}, but not the labels {part}-labels-idx1-ubyte that go with it."
        )
    return table(str(images), read_idx(images), read_idx(labels))


def _find(folder: Path, part: str, kind: str, ndim: int) -> Path | None:
    stems = (name.format(part=part, kind=kind, ndim=ndim) for name in NAMES)
    paths = (folder / (stem + ending) for stem in stems for ending in ("", ".gz"))
    return next((path for path in paths if os.path.lexists(path)), None)


def read_idx(path: Path) -> Raw:
    """The array of one IDX file; raises DataError for anything that is not a whole one."""
    with open_regular(path) as file:
        length = os.fstat(file.fileno()).st_size
        if path.suffix != ".gz":
            return _read_array(path, file, length)
        try:
            with gzip.open(file) as stream:
                return _read_array(path, stream, length * MAX_DEFLATE)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f"{path}: is not a whole gzip file ({error}). Fetch it again."
            ) from error


def _read_array(path: Path, stream: IO[bytes] | gzip.GzipFile, at_most: int) -> Raw:
    """Read header and data from a stream that cannot hold more than `at_most` bytes."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] not in (1, 2, 3):
        begin = magic.hex(" ") or "nothing"
        raise DataError(
            f"{path}: is not an IDX file of one to three dimensions: it begins with {begin}."
        )
    header = stream.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise DataError(f"{path}: ends within its header: the file is truncated.")
    shape = struct.unpack(f">{magic[3]}I", header)
    if 0 in shape:
        raise DataError(
            f"{path}: holds nothing: by its header it is {' × '.join(map(str, shape))}."
        )
    dtype = np.dtype(TYPES[magic[2]])
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes > at_most:
        raise DataError(
            f"{path}: claims {size_in_words(nbytes)} of data, more than the file can hold: it is truncated."
        )
    check_memory(path, nbytes)
    array = np.empty(math.prod(shape), dtype)
    read_exactly(stream, array, path)
    if stream.read(1):
        raise DataError(f"{path}: is longer than its header says.")
    return array.reshape(shape).astype(dtype.newbyteorder("="), copy=False)
