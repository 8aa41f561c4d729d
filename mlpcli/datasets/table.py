"""A table: features and labels as a loader reads them, checked before anything uses them."""

import hashlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import SWEEP, Floats, Raw, chunks
from mlpcli.datasets.labels import LabelColumn, checked_labels
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.messages import size_in_words
from mlpcli.preprocessing.columns import Column
from mlpcli.storage.reading import check_memory

MIN_SIDE = 16  # pixels: a smaller square number of features is square by chance
BYTES_PER_LABEL = 24  # in memory, at most, while labels become indices
FEW_ROWS = 1 << 20
MAX_FEATURE = np.finfo(np.float32).max


@dataclass(frozen=True)
class Table:
    """Rows: raw features x (N,D) as they were read, and the label of each (N).

    `columns` are all columns of the source in order, those of labels and weights too; () if it has
    no more to say of them than that they are numbers. What x holds of a category, and of a missing
    cell, is in preprocessing/columns.py.
    """

    origin: str  # the file or data set, for messages
    x: Raw
    labels: LabelColumn
    image: tuple[int, int] | None = None  # height and width, if a row is an image
    test: "Table | None" = None  # the source's own test rows, if it has any
    validation: "Table | None" = None  # the source's own validation rows, if it has any
    columns: tuple[Column, ...] = ()
    weights: Floats | None = None  # (N) of the rows, if the source has them
    notes: tuple[str, ...] = ()  # sentences for the user on how it was read

    @property
    def n_rows(self) -> int:
        """N, without the test rows."""
        return len(self.x)

    @property
    def n_features(self) -> int:
        """D."""
        return int(self.x.shape[1])

    @property
    def held_out(self) -> "Table":
        """The source's own test rows, or all rows if it has none."""
        return self.test or self


def checked_table(origin: str, x: Raw, labels: Raw | LabelColumn) -> Table:
    """The table of features (N,D), or images (N,height,width), and labels (N) or (N,1).

    A note says how many cells are missing (NaN). Raises DataError if these are not rows of finite
    or missing numbers with one label each, or if memory cannot hold the copies that they need.
    """
    _check_features(origin, x)
    check_room(origin, _copied_bytes(x) + len(x) * BYTES_PER_LABEL)
    n_rows = len(x)
    image = None
    if x.ndim == 3:
        _, height, width = x.shape
        image = (height, width)
    x = x.reshape(n_rows, -1)
    notes = _check_finite(origin, x) if x.dtype.kind == "f" else ()
    labels = checked_labels(origin, labels, n_rows)
    dtype = _native(x.dtype)
    x = np.ascontiguousarray(x, dtype)
    if image is None:
        image = _guessed_image(x)
    return Table(origin, x, labels, image, notes=notes)


def check_room(origin: str, nbytes: int) -> None:
    """Raise DataError unless memory can hold so many bytes more."""
    try:
        check_memory(Path(origin), nbytes)
    except UnreadableFileError as error:
        raise DataError(f"{origin}: {error.problem}. {error.advice}") from error


def check_rows(path: Path, n_rows: int) -> None:
    """Raise DataError if a file is packed so far that it has less than a bit for each row.

    Each row takes memory for its label and its place in the split, whatever its features take.
    """
    nbytes = os.path.getsize(path)
    if n_rows > max(FEW_ROWS, 8 * nbytes):
        raise DataError(
            f"{path}: claims {n_rows:,} rows in {size_in_words(nbytes)}, which is less than a bit "
            "for each. Save such rows uncompressed."
        )


def _copied_bytes(x: Raw) -> int:
    """The bytes of the copy of features that are not laid out row by row in a native type."""
    dtype = _native(x.dtype)
    if x.flags.c_contiguous and x.dtype == dtype:
        return 0
    return x.size * dtype.itemsize


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in this machine's byte order, and no wider than float64."""
    if dtype.itemsize > 8:
        return np.dtype(np.float64)
    return dtype.newbyteorder("=")


def _guessed_image(x: Raw) -> tuple[int, int] | None:
    """The sides of a square image, if rows are so many bytes that they probably are one."""
    D = x.shape[1]
    side = math.isqrt(D)
    is_square = side * side == D
    if x.dtype == np.uint8 and is_square and side >= MIN_SIDE:
        return side, side
    return None


def as_uint8_if_lossless(x: Raw) -> Raw:
    """The same values as uint8 if all are whole numbers from 0 to 255, else x itself."""
    for piece in chunks(len(x), SWEEP):
        block = x[piece]
        if not np.all(block >= 0):
            return x
        if not np.all(block <= 255):
            return x
        if not np.all(block == np.floor(block)):
            return x
    return x.astype(np.uint8)


def fingerprint(*tables: Table) -> str:
    """The SHA-256 of all features and labels of the tables, with their own test and other rows."""
    digest = hashlib.sha256()
    for table in tables:
        parts = {"rows": table, "test": table.test, "validation": table.validation}
        for role, part in parts.items():
            for content in _contents(role, part) if part is not None else ():
                digest.update(content)
    return digest.hexdigest()


def _contents(role: str, table: Table) -> Iterator[bytes | memoryview]:
    """What is hashed of a table: the type, the shape and the bytes of its features and labels.

    Labels are hashed as an array of bytes would be, which could be too large for the memory.
    """
    yield f"{role} {table.x.dtype.str} {table.x.shape}".encode()
    flat = table.x.reshape(-1)
    yield flat.view(np.uint8).data
    width, labels = table.labels.padded()
    yield f"{role} |S{width} {(table.n_rows,)}".encode()
    yield from labels
    categories = [column for column in table.columns if column.kind == "category"]
    if categories:
        yield repr(categories).encode()
    if table.weights is not None:
        yield np.ascontiguousarray(table.weights).view(np.uint8).data


def check_features_match(table: Table, reference: Table) -> None:
    """Raise DataError unless two tables have as many raw columns."""
    check_n_features(table, reference.n_features, reference.origin)


def check_n_features(table: Table, n_features: int, reference: str) -> None:
    """Raise DataError unless a table has as many raw columns as what `reference` names."""
    if table.n_features != n_features:
        raise DataError(
            f"{table.origin}: has {table.n_features:,} features, and {reference} has "
            f"{n_features:,}; both must have the same."
        )


def with_test(table: Table, test: Table) -> Table:
    """The table with these as its own test rows; raises DataError if their features differ."""
    check_features_match(test, table)
    return replace(table, test=test)


def _check_features(origin: str, x: Raw) -> None:
    if x.ndim not in (2, 3):
        raise DataError(
            f"{origin}: features have {x.ndim} dimensions; "
            "they must be rows × features, or rows × height × width."
        )
    if 0 in x.shape:
        n_features = math.prod(x.shape[1:])
        raise DataError(
            f"{origin}: has {len(x):,} rows and {n_features:,} features; both must be at least 1."
        )
    if x.dtype.kind not in "buif":
        raise DataError(f"{origin}: features are of type {x.dtype}; they must be real numbers.")


def _check_finite(origin: str, x: Raw) -> tuple[str, ...]:
    """A note of how many cells are missing, if any are.

    Raises DataError naming the first cell that is infinite in float32.
    """
    n_missing = n_bad = 0
    first = None
    for piece in chunks(len(x), SWEEP):
        missing = np.isnan(x[piece])
        bad = ~(missing | (np.abs(x[piece]) <= MAX_FEATURE))
        if first is None and bad.any():
            row, column = np.argwhere(bad)[0]
            first = (piece.start + int(row), int(column))
        n_missing += int(np.count_nonzero(missing))
        n_bad += int(np.count_nonzero(bad))
    if first is not None:
        row, column = first
        raise DataError(
            f"{origin}: {n_bad:,} feature values are infinite or too large; "
            f"the first is {x[first]} in row {row:,}, column {column:,} (counted from 0). "
            "Fill in or remove such rows."
        )
    if not n_missing:
        return ()
    return (f"{origin}: {n_missing:,} of {x.size:,} cells are missing (NaN).",)
