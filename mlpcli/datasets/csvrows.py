"""A CSV file's text cut into rows and cells: by the csv module, or by NumPy where that is enough.

NumPy cuts blocks whose lines all have the same number of cells; the csv module reads all others,
and says which row is not as it must be.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from mlpcli.datasets.csvblocks import ByteRows, cut_bytes, keep_freed_memory
from mlpcli.datasets.csvblocks import Dialect as Dialect
from mlpcli.errors import DataError

SPACES = re.compile(rb"[ \t]+")
MEND_LINE = "Mend or remove that line; a cell with a separator in it must be in quotes."
AT_ENDS = re.compile(rb"(?m)^ | $")


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


Rows: TypeAlias = TextRows | ByteRows


def cut(origin: str, blocks: Iterator[bytes], dialect: Dialect, line: int = 1) -> Iterator[Rows]:
    """The rows of the text, some thousands at a time; `line` is the number of its first line.

    Raises DataError naming the line where quotes are not closed.
    """
    keep_freed_memory()
    if dialect.delimiter == " ":
        blocks = map(with_single_spaces, blocks)
    for block in blocks:
        rows = cut_bytes(block, dialect, line)
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
    return f" has {n_cells:,} cells, and the first line has {dialect.width:,}. {MEND_LINE}"
