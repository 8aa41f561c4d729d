"""A CSV file's text cut into rows and cells: by the csv module, or by NumPy where that is enough.

NumPy cuts blocks whose lines all have the same number of cells; the csv module reads all others,
and says which row is not as it must be.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Index
from mlpcli.datasets.csvbytes import PAD, Spans
from mlpcli.errors import DataError

SPACE, NEWLINE = b" \n"
SPACES = re.compile(rb"[ \t]+")
AT_ENDS = re.compile(rb"(?m)^ | $")


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
class TextRows:
    """Some rows as texts: the line that each ends on, and its cells.

    A row that is not as wide as it must be has empty cells, and its fault: a clause that follows
    "line 3".
    """

    lines: Sequence[int]
    texts: list[list[str]]
    faults: dict[int, str]

    def __len__(self) -> int:
        return len(self.lines)

    def cells(self, columns: Sequence[int]) -> list[str]:
        """The cells of these columns, row by row."""
        return [row[column] for row in self.texts for column in columns]


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


Rows: TypeAlias = TextRows | ByteRows


def cut(origin: str, blocks: Iterator[bytes], dialect: Dialect, line: int = 1) -> Iterator[Rows]:
    """The rows of the text, some thousands at a time; `line` is the number of its first line.

    Raises DataError naming the line where quotes are not closed.
    """
    keep_freed_memory()
    if dialect.delimiter == " ":
        blocks = map(with_single_spaces, blocks)
    for block in blocks:
        rows = _cut_bytes(block, dialect, line)
        if rows is None:
            lines = _Lines(block, blocks, line)
            yield _cut_lines(origin, lines, dialect)
            line = lines.number
        else:
            yield rows
            line += len(rows)


def with_single_spaces(block: bytes) -> bytes:
    """The lines with one space for each run of spaces and tabs, and none at their ends."""
    return AT_ENDS.sub(b"", SPACES.sub(b" ", block))


def read_rows(
    origin: str, lines: Iterable[str], delimiter: str, quote: str, line: int = 1
) -> Iterator[tuple[int, list[str]]]:
    """Each row, blank ones as [], with the number of the line that it ends on.

    Raises DataError naming the line that cannot be read.
    """
    reader = csv.reader(
        _with_empty_lines(lines, delimiter),
        delimiter=delimiter,
        quotechar=quote,
        skipinitialspace=delimiter != " ",
    )
    before = 0
    try:
        for cells in reader:
            yield line + reader.line_num - 1, cells
            before = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{origin}: line {line + before:,} cannot be read as CSV ({error}). "
            f"Close each {quote} that begins a cell."
        ) from error


def _with_empty_lines(lines: Iterable[str], delimiter: str) -> Iterator[str]:
    """The lines, with those of spaces alone made empty: the parser skips an empty line."""
    for line in lines:
        if delimiter in line or line.strip():
            yield line
        else:
            yield "\n"


class _Lines:
    """The lines of a block, and of the next ones if a quoted cell goes on in them."""

    def __init__(self, block: bytes, blocks: Iterator[bytes], line: int) -> None:
        self.block = block
        self.blocks = blocks
        self.number = line  # of the next line
        self.first = line
        self.left = block.count(b"\n")

    def __iter__(self) -> Iterator[str]:
        for block in chain([self.block], self.blocks):
            if not self.left:
                self.left = block.count(b"\n")
            for text in block.decode().split("\n")[:-1]:
                self.left -= 1
                self.number += 1
                yield text + "\n"


def _cut_lines(origin: str, lines: _Lines, dialect: Dialect) -> TextRows:
    numbers = []
    texts: list[list[str]] = []
    faults: dict[int, str] = {}
    delimiter, quote = dialect.delimiter, dialect.quote
    for line, cells in read_rows(origin, lines, delimiter, quote, lines.first):
        if cells:
            fault = row_fault(cells, dialect)
            if fault:
                faults[len(texts)] = fault
                cells = [*cells[: dialect.width], *[""] * (dialect.width - len(cells))]
            numbers.append(line)
            texts.append(cells)
        if not lines.left:
            break
    return TextRows(numbers, texts, faults)


def row_fault(cells: list[str], dialect: Dialect) -> str:
    """What is wrong with a row as a whole, or ""."""
    n_cells = len(cells)
    if dialect.trailing and n_cells == dialect.n_cut and not cells[-1].strip():
        return ""
    if n_cells == dialect.width:
        return ""
    return f" has {n_cells:,} cells, and the first line has {dialect.width:,}."


# By NumPy


def keep_freed_memory() -> None:
    """Let the C library keep the memory of arrays of up to 16 MiB for the next ones.

    The GNU one gives arrays of 128 KiB back to the system, and asks for new pages each time, until
    a larger one has been freed; a third of the time went there. No page of this one is touched.
    """
    np.empty(1 << 21)


def _cut_bytes(block: bytes, dialect: Dialect, line: int) -> ByteRows | None:
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
