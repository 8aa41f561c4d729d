"""Labels: the text of each distinct one once, and for each row the index of its text.

One long label among many rows takes no more memory than its own length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Raw, chunks
from mlpcli.errors import DataError

MAX_WHOLE = np.float64(2**53)  # below it, float64 holds every whole number exactly
MAX_LENGTH = 1000  # characters of a label
MAX_DISTINCT = 100_000
PIECE = 1 << 20  # bytes of labels taken at a time, so that no other copy of them all is made


@dataclass(frozen=True)
class LabelColumn:
    """The label of each row: an index (N) of `names`, which are distinct and sorted as text."""

    names: tuple[str, ...]
    indices: NDArray[np.unsignedinteger[Any]]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, rows: slice) -> "LabelColumn":
        return label_column(self.names, self.indices[rows])

    def tolist(self) -> list[str]:
        """The label of each row."""
        return [self.names[index] for index in self.indices.tolist()]

    def padded(self) -> tuple[int, Iterator[bytes]]:
        """The length in bytes of the longest label, at least 1, and all labels of that length.

        The labels are in UTF-8 and filled up with zeros, as in a NumPy array of bytes. They come
        in pieces of many rows each.
        """
        encoded = [name.encode("utf-8") for name in self.names]
        width = max(1, *map(len, encoded))
        return width, self._padded_pieces(encoded, width)

    def _padded_pieces(self, encoded: list[bytes], width: int) -> Iterator[bytes]:
        for piece in chunks(len(self), max(1, PIECE // width)):
            indices = self.indices[piece].tolist()
            yield b"".join([encoded[index].ljust(width, b"\0") for index in indices])


def label_column(names: Sequence[str], indices: Raw) -> LabelColumn:
    """The labels with these texts, by the indices of their texts; equal texts become one."""
    occurs = np.zeros(len(names), bool)
    for piece in chunks(len(indices), PIECE):
        occurs[indices[piece]] = True
    distinct = sorted({name for name, there in zip(names, occurs, strict=True) if there})
    rank_of = {name: rank for rank, name in enumerate(distinct)}
    dtype = np.min_scalar_type(len(distinct))
    ranks = np.array([rank_of.get(name, 0) for name in names], dtype)
    result = np.empty(len(indices), dtype)
    for piece in chunks(len(indices), PIECE):
        result[piece] = ranks[indices[piece]]
    return LabelColumn(tuple(distinct), result)


def checked_labels(origin: str, labels: Raw | LabelColumn, n_rows: int) -> LabelColumn:
    """The labels (N) or (N,1) of so many rows, which must be whole numbers or strings.

    Raises DataError if they are not, or if they are too many or too long to be names of classes.
    """
    if not isinstance(labels, LabelColumn):
        labels = _in_one_column(origin, labels)
    n_labels = len(labels)
    if n_labels != n_rows:
        raise DataError(
            f"{origin}: has {n_rows:,} rows of features and {n_labels:,} labels; "
            "each row needs one."
        )
    if not isinstance(labels, LabelColumn):
        labels = _from_array(origin, labels)
    _check_distinct(origin, len(labels.names))
    _check_lengths(origin, labels)
    return labels


def _in_one_column(origin: str, labels: Raw) -> Raw:
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{origin}: labels have {labels.ndim} dimensions; there must be one label a row."
        )
    return labels


def _from_array(origin: str, labels: Raw) -> LabelColumn:
    match labels.dtype.kind:
        case "S" | "U":
            return _of_texts(origin, labels)
        case "b" | "u" | "i" | "f":
            return _of_numbers(origin, labels)
    raise DataError(
        f"{origin}: labels are of type {labels.dtype}; they must be integers or strings."
    )


def _check_distinct(origin: str, count: int) -> None:
    if count > MAX_DISTINCT:
        raise DataError(
            f"{origin}: has more than {MAX_DISTINCT:,} different labels, too many to be classes."
        )


def _check_lengths(origin: str, labels: LabelColumn) -> None:
    for index, name in enumerate(labels.names):
        if len(name) > MAX_LENGTH:
            row = int(np.argmax(labels.indices == index))
            raise DataError(
                f"{origin}: the label in row {row:,} (counted from 0) has {len(name):,} "
                f"characters; at most {MAX_LENGTH:,} are allowed."
            )


def _of_numbers(origin: str, labels: Raw) -> LabelColumn:
    pieces = chunks(len(labels), PIECE // 8)
    distinct = np.unique(np.concatenate([np.unique(labels[piece]) for piece in pieces]))
    if labels.dtype.kind == "f":
        _check_whole(origin, labels, distinct)
    _check_distinct(origin, len(distinct))
    indices = np.empty(len(labels), np.min_scalar_type(len(distinct)))
    for piece in pieces:
        indices[piece] = np.searchsorted(distinct, labels[piece])
    return label_column([str(int(number)) for number in distinct], indices)


def _check_whole(origin: str, labels: Raw, distinct: Raw) -> None:
    if np.all(_is_whole(distinct)):
        return
    row = int(np.argmin(_is_whole(labels)))
    label = labels[row]
    raise DataError(
        f"{origin}: the label in row {row:,} (counted from 0) is {label}; "
        "labels must be whole numbers or strings "
        "(this tool classifies, it does not fit curves)."
    )


def _is_whole(numbers: Raw) -> NDArray[np.bool_]:
    is_whole = numbers == np.floor(numbers)
    is_small = np.abs(numbers) < MAX_WHOLE  # and so neither infinite nor missing
    both: NDArray[np.bool_] = is_whole & is_small
    return both


def _of_texts(origin: str, labels: Raw) -> LabelColumn:
    """The labels of an array of strings, or of bytes in UTF-8."""
    index_of: dict[str | bytes, int] = {}
    indices = np.empty(len(labels), np.uint32)
    size = max(1, PIECE // max(1, labels.dtype.itemsize))
    try:
        for piece in chunks(len(labels), size):
            texts = labels[piece].tolist()
            indices[piece] = [index_of.setdefault(text, len(index_of)) for text in texts]
            _check_distinct(origin, len(index_of))
        names = [_checked_text(label) for label in index_of]
    except (ValueError, SystemError) as error:  # of texts that are not Unicode
        raise DataError(
            f"{origin}: a label is not Unicode text. Save labels as UTF-8 or as whole numbers."
        ) from error
    return label_column(names, indices)


def _checked_text(label: str | bytes) -> str:
    """The label as a text that can be written as UTF-8; raises UnicodeError if it is none."""
    if isinstance(label, bytes):
        return label.decode("utf-8")
    label.encode("utf-8")
    return label
