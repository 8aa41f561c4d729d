"""Blocks of lines cut into cells by NumPy, if they all have the same number of cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Index
from mlpcli.datasets.csvbytes import PAD, Spans

SPACE, NEWLINE = b" \n"


@dataclass(frozen=True)
class Dialect:
    """How cells are set apart: " " stands for any run of spaces and tabs."""

    delimiter: str
    quote: str
    width: int  # cells in a row
    trailing: bool = False  # whether a separator ends each line, behind the last cell

    @property
    def n_cut(self) -> int:
        """The cells that the separators of a line cut."""
        return self.width + self.trailing


@dataclass(frozen=True)
class ByteRows:
    """Some rows as places in a block of bytes (n,width); none of them has a fault."""

    lines: Sequence[int]
    buffer: bytes
    starts: Index
    ends: Index
    faults: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def cells(self, columns: Sequence[int]) -> Spans:
        """The cells of these columns, row by row."""
        chosen = as_slice(columns)
        starts, ends = self.starts[:, chosen], self.ends[:, chosen]
        return Spans(self.buffer, starts.ravel(), ends.ravel())


def as_slice(columns: Sequence[int]) -> slice | Sequence[int]:
    """The same columns as a slice if they follow each other, which NumPy indexes faster."""
    first, last = columns[0], columns[-1]
    if list(columns) == list(range(first, last + 1)):
        return slice(first, last + 1)
    return columns


def keep_freed_memory() -> None:
    """Let the C library keep the memory of arrays of up to 16 MiB for the next ones.

    The GNU one gives arrays of 128 KiB back to the system, and asks for new pages each time, until
    a larger one has been freed; a third of the time went there. No page of this one is touched.
    """
    np.empty(1 << 21)


def cut_bytes(block: bytes, dialect: Dialect, line: int) -> ByteRows | None:
    """The rows of a block, a line each; None if the csv module must read it."""
    if dialect.n_cut == 1:
        return None
    buffer = bytes(PAD) + block
    data = np.frombuffer(buffer, np.uint8)
    is_end = data == NEWLINE
    n_rows = int(np.count_nonzero(is_end))
    ends = np.flatnonzero(is_end | (data == ord(dialect.delimiter)))
    n_tabs = 0 if dialect.delimiter != "\t" else len(ends) - n_rows
    if len(ends) != n_rows * dialect.n_cut:
        return None
    if np.count_nonzero(data < SPACE) != PAD + n_rows + n_tabs:  # other white space, for one
        return None
    starts = np.concatenate([[PAD], ends[:-1] + 1])
    if not is_end[ends[dialect.n_cut - 1 :: dialect.n_cut]].all():
        return None
    if b" " in block:
        starts, ends = _stripped(data, starts, ends)
    quote = ord(dialect.quote)
    n_quotes = np.count_nonzero(data == quote)
    if n_quotes:
        quoted = (data[starts] == quote) & (data[ends - 1] == quote) & (ends - starts > 1)
        if 2 * np.count_nonzero(quoted) != n_quotes:
            return None
        starts, ends = _stripped(data, starts + quoted, ends - quoted)
    return _rows_of(buffer, starts, ends, dialect, line)


def _stripped(data: NDArray[np.uint8], starts: Index, ends: Index) -> tuple[Index, Index]:
    """The cells without the spaces around them."""
    while (more := (data[starts] == SPACE) & (starts < ends)).any():
        starts = starts + more
    while (more := (data[ends - 1] == SPACE) & (starts < ends)).any():
        ends = ends - more
    return starts, ends


def _rows_of(
    buffer: bytes, starts: Index, ends: Index, dialect: Dialect, line: int
) -> ByteRows | None:
    """The rows of these cells; None if a separator at the end of a line is not its last sign."""
    starts = starts.reshape(-1, dialect.n_cut)
    ends = ends.reshape(-1, dialect.n_cut)
    if dialect.trailing and (starts[:, -1] < ends[:, -1]).any():
        return None
    width = dialect.width
    lines = range(line, line + len(starts))
    return ByteRows(lines, buffer, starts[:, :width], ends[:, :width])
