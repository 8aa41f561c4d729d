"""A table of rows as a loader reads it, and what every loader's rows must be before they are used."""

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import SWEEP, Labels, Raw, chunks
from mlpcli.errors import DataError

SMALLEST_IMAGE = (
    16  # pixels a side: below this a square number of features is taken for a coincidence
)
LARGEST = np.finfo(np.float32).max
LARGEST_LABEL = np.float64(2**53)  # below it a float64 is exact


@dataclass(frozen=True)
class Table:
    """Rows: features x (N,D) in the type they were read in, labels (N) as integers or strings."""

    where: str  # the file or data set, for messages
    x: Raw
    labels: NDArray[Any]
    image: tuple[int, int] | None = None  # height and width, when a row is a picture
    test: "Table | None" = None  # the source's own test rows
    columns: tuple[str, ...] = ()  # the features' names, where the source has them

    @property
    def held_out(self) -> "Table":
        """The source's own test rows, or all rows where it has no such part."""
        return self.test or self


def table(where: str, x: Raw, labels: NDArray[Any]) -> Table:
    """A checked table; raises DataError naming the place of the first bad value.

    x may be (N,D), or (N,height,width) for images; labels may be (N) or (N,1).
    """
    _check_features(where, x)
    image = (x.shape[1], x.shape[2]) if x.ndim == 3 else None
    x = x.reshape(len(x), -1)
    if x.dtype.kind == "f":
        _check_finite(where, x)
    labels = _checked_labels(where, labels)
    if len(labels) != len(x):
        raise DataError(
            f"{where}: has {len(x):,} rows of features and {len(labels):,} labels; each row needs one."
        )
    dtype = np.dtype(np.float64) if x.dtype.itemsize > 8 else x.dtype.newbyteorder("=")
    return Table(where, np.ascontiguousarray(x, dtype), labels, image or _square(x))


def compact(x: Raw) -> Raw:
    """The same values as uint8 where nothing is lost by it, else unchanged."""
    for piece in chunks(len(x), SWEEP):
        rows = x[piece]
        if not (np.all(rows >= 0) and np.all(rows <= 255) and np.all(rows == np.floor(rows))):
            return x
    return x.astype(np.uint8)


def encode(rows: Table, classes: tuple[str, ...], told: str) -> Labels:
    """Each label's place in classes; raises DataError for a label that `told` never saw."""
    found, inverse = np.unique(rows.labels, return_inverse=True)
    place = {name: k for k, name in enumerate(classes)}
    unknown = [str(name) for name in found if str(name) not in place]
    if unknown:
        raise DataError(
            f"{rows.where}: has the label {unknown[0]!r}, which {told} never saw. "
            f"The known classes are {shortened(classes)}."
        )
    return np.array([place[str(name)] for name in found], np.intp)[inverse.reshape(-1)]


def classes_of(rows: Table) -> tuple[str, ...]:
    """The names of the classes, in numerical order for numbers, else in alphabetical order."""
    names = [str(name) for name in np.unique(rows.labels)]
    if len(names) < 2:
        raise DataError(
            f"{rows.where}: has one class only ({names[0]!r}); a classifier needs at least two."
        )
    try:
        return tuple(sorted(names, key=int))
    except ValueError:
        return tuple(names)


def shortened(names: tuple[str, ...], most: int = 10) -> str:
    """The names for a sentence, the first ten of many."""
    return ", ".join(names[:most]) + (f", … ({len(names):,} in all)" if len(names) > most else "")


def fingerprint(*tables: Table | None) -> str:
    """SHA-256 of all that is learnt from or scored on: features, labels and test rows of the tables."""
    digest = hashlib.sha256()
    for role, part in (
        each for rows in tables if rows for each in (("rows", rows), ("test", rows.test))
    ):
        if part:
            labels = np.char.encode(part.labels.astype(np.str_), "utf-8")
            for array in (part.x, labels):
                digest.update(f"{role} {array.dtype.str} {array.shape}".encode())
                digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def arranged(rows: Table, columns: tuple[str, ...], width: int, other: str) -> Table:
    """The rows with their features in the order of those columns, where both have names for them.

    Raises DataError when `other`, that they are to go with, has other features.
    """
    if rows.x.shape[1] != width:
        raise DataError(
            f"{rows.where}: has {rows.x.shape[1]:,} features, and {other} has {width:,}; both must have the same."
        )
    if not columns or not rows.columns or columns == rows.columns:
        return rows
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        raise DataError(f"{rows.where}: has no column {missing[0]!r}, which {other} has.")
    order = [rows.columns.index(name) for name in columns]
    return replace(rows, x=np.ascontiguousarray(rows.x[:, order]), columns=columns)


def alike(rows: Table, other: Table) -> Table:
    """The rows arranged as the other table's are."""
    return arranged(rows, other.columns, other.x.shape[1], other.where)


def with_test(rows: Table, test: Table) -> Table:
    """The rows with these as their own test rows; raises DataError when their features differ."""
    return replace(rows, test=alike(test, rows))


def _check_features(where: str, x: Raw) -> None:
    if x.ndim not in (2, 3):
        raise DataError(
            f"{where}: features have {x.ndim} dimensions; they must be rows × features, or rows × height × width."
        )
    if 0 in x.shape:
        width = math.prod(x.shape[1:])
        raise DataError(
            f"{where}: has {len(x):,} rows and {width:,} features; both must be at least 1."
        )
    if x.dtype.kind not in "buif":
        raise DataError(f"{where}: features are of type {x.dtype}; they must be real numbers.")


def _check_finite(where: str, x: Raw) -> None:
    count, first = 0, None
    for piece in chunks(len(x), SWEEP):
        bad = ~(np.abs(x[piece]) <= LARGEST)
        if first is None and bad.any():
            row, column = map(int, np.argwhere(bad)[0])
            first = (piece.start + row, column)
        count += int(np.count_nonzero(bad))
    if first:
        raise DataError(
            f"{where}: {count:,} feature values are missing, infinite or too large; the first is "
            f"{x[first]} in row {first[0]:,}, column {first[1]:,} (counted from 0). Fill in or remove such rows."
        )


def _checked_labels(where: str, labels: NDArray[Any]) -> NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{where}: labels have {labels.ndim} dimensions; there must be one label a row."
        )
    if labels.dtype.kind in "SU":
        return _texts(where, labels)
    if labels.dtype.kind in "bui":
        return labels.astype(np.uint64 if labels.dtype.str[1:] == "u8" else np.int64)
    if labels.dtype.kind != "f":
        raise DataError(
            f"{where}: labels are of type {labels.dtype}; they must be integers or strings."
        )
    whole = np.isfinite(labels) & (labels == np.floor(labels)) & (np.abs(labels) < LARGEST_LABEL)
    if not whole.all():
        row = int(np.argmin(whole))
        raise DataError(
            f"{where}: the label in row {row:,} (counted from 0) is {labels[row]}; "
            "labels must be whole numbers or strings (this tool classifies, it does not fit curves)."
        )
    return labels.astype(np.int64)


def _texts(where: str, labels: NDArray[Any]) -> NDArray[np.str_]:
    try:
        if labels.dtype.kind == "S":
            return np.char.decode(labels, "utf-8")
        np.char.encode(labels, "utf-8")
    except (UnicodeError, SystemError) as error:
        raise DataError(
            f"{where}: a label is not Unicode text. Save labels as UTF-8 or as whole numbers."
        ) from error
    return labels.astype(labels.dtype.newbyteorder("="))


def _square(x: Raw) -> tuple[int, int] | None:
    side = int(np.sqrt(x.shape[1]))
    is_image = x.dtype == np.uint8 and side * side == x.shape[1] and side >= SMALLEST_IMAGE
    return (side, side) if is_image else None
