"""A folder of IDX files, the format of MNIST (LeCun et al. 1998), plain or gzipped.

Those of EMNIST (Cohen et al. 2017) have names and an orientation of their own.
"""

import gzip
import math
import os
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.datasets.fitting import fitted_features
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table, check_rows, checked_table, with_test
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.messages import names_in_words, size_in_words
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
TESTS = ("t10k", "test")  # the names of test rows
EMNIST = re.compile(r"emnist-(\w+)-(?:train|test)-")
NO_IMAGES = (
    "has no train-images-idx3-ubyte (plain or .gz). A folder must hold IDX files by MNIST's names; "
    "for other data name an .npz or .csv file."
)

Stream: TypeAlias = IO[bytes] | gzip.GzipFile


class Subset(NamedTuple):
    """The files of images and of labels of a set of rows; None for one that is not there."""

    images: Path | None
    labels: Path | None


def read_folder(folder: Path) -> Table:
    """The training rows of a folder, with its files for tests as its own test rows.

    Notes name the files that are not read. Raises DataError if files are missing or do not belong
    together, and UnreadableFileError if one is not a whole IDX file.
    """
    prefix = _find_prefix(folder)
    train = _find_subset(folder, prefix, ("train",))
    if train.images is None:
        raise DataError(f"{folder}: {NO_IMAGES}")
    table = _read_subset(folder, prefix, train)
    test = _find_subset(folder, prefix, TESTS)
    notes = [*table.notes, *_others(folder, {*train, *test})]
    if test.images is not None:
        table = with_test(table, _read_subset(folder, prefix, test))
    return replace(table, notes=tuple(notes))


def read_features(path: Path, options: ReadingOptions) -> Raw:
    """The images (N,height · width) of a file, or of a folder with one file of them, unlabelled.

    Raises DataError if there are none or several, or other features than the model's;
    UnreadableFileError if the file is not a whole IDX file.
    """
    images = _the_images(path) if path.is_dir() else path
    x = _read_images(images)
    table = checked_table(str(images), x, np.zeros(len(x), np.uint8))
    return fitted_features(str(images), table.x, options.columns)


def _the_images(folder: Path) -> Path:
    """The one file of images in a folder."""
    prefix = _find_prefix(folder)
    named = [_find(folder, prefix + name, "images", ndim=3) for name in ("train", *TESTS)]
    found = [path for path in named if path is not None]
    if not found:
        raise DataError(f"{folder}: {NO_IMAGES}")
    if len(found) > 1:
        names = names_in_words([path.name for path in found])
        raise DataError(f"{folder}: has several files of images: {names}. Name one of them.")
    return found[0]


def _find_prefix(folder: Path) -> str:
    """How the files' names begin: "", or "emnist-<split>-".

    Raises DataError if there are several splits of EMNIST.
    """
    if _find(folder, "train", "images", ndim=3):
        return ""
    names = sorted(os.listdir(folder))
    splits = sorted({match[1] for match in map(EMNIST.match, names) if match})
    if len(splits) > 1:
        raise DataError(
            f"{folder}: has several splits of EMNIST: {names_in_words(splits)}. "
            "Move the files of one into a folder of their own."
        )
    return f"emnist-{splits[0]}-" if splits else ""


def _find_subset(folder: Path, prefix: str, names: tuple[str, ...]) -> Subset:
    """The files of a set of rows, by the one of these names that is there."""
    found = []
    for name in names:
        images = _find(folder, prefix + name, "images", ndim=3)
        labels = _find(folder, prefix + name, "labels", ndim=1)
        if images is not None and labels is None:
            raise DataError(
                f"{folder}: has {images.name}, but not the labels "
                f"{prefix}{name}-labels-idx1-ubyte that go with it."
            )
        if images is not None:
            found.append(Subset(images, labels))
    if len(found) > 1:
        listed = names_in_words([path.name for path, _ in found if path])
        raise DataError(f"{folder}: has test rows twice: {listed}. Keep one of them.")
    return found[0] if found else Subset(None, None)


def _read_subset(folder: Path, prefix: str, subset: Subset) -> Table:
    assert subset.images is not None
    assert subset.labels is not None
    x = _read_images(subset.images)
    table = checked_table(str(subset.images), x, read_idx(subset.labels))
    if not prefix:
        return table
    note = (
        f"{folder}: EMNIST's images are stored with rows and columns exchanged, and are set right."
    )
    return replace(table, notes=(*table.notes, note))


def _read_images(path: Path) -> Raw:
    """The images of a file; those of EMNIST, by its name, have rows and columns exchanged."""
    x = read_idx(path)
    check_rows(path, len(x))
    if not EMNIST.match(path.name) or x.ndim != 3:
        return x
    check_memory(path, x.nbytes)
    return np.ascontiguousarray(x.transpose(0, 2, 1))


def _others(folder: Path, read: set[Path | None]) -> list[str]:
    """A note of the files that are not read; none of hidden ones, and of what is read packed."""
    stems = {path.name.removesuffix(".gz") for path in read if path}
    names = sorted(name for name in os.listdir(folder) if os.path.isfile(folder / name))
    others = [
        name for name in names if not name.startswith(".") and name.removesuffix(".gz") not in stems
    ]
    if not others:
        return []
    return [f"{folder}: these files are not read: {names_in_words(others)}."]


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
