"""A first look at a CSV file: its separator and quotes, its header, the names of its columns."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mlpcli.config import Place
from mlpcli.datasets.csvblocks import Dialect
from mlpcli.datasets.csvcells import as_number
from mlpcli.datasets.csvheader import (
    check_repeated,
    check_second_header,
    check_title,
    check_width,
    is_header,
    is_word,
)
from mlpcli.datasets.csvrows import read_rows, with_single_spaces
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError
from mlpcli.storage.reading import SMALL, check_memory

DELIMITERS = ",;\t|"
QUOTES = "\"'"
BYTES_PER_TEXT = 64  # of a cell as a text, where lines have many
DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d+\s*$)")
SAMPLE = 1000  # rows below the first that are looked at
ONE_COLUMN = "has one column only; it needs features and a label, separated by , ; | tab or spaces."


@dataclass(frozen=True)
class Layout:
    """How to read a CSV file, and what its first lines say of its columns."""

    dialect: Dialect
    header_lines: int  # the lines that end with the header's; 0 without one
    names: tuple[str, ...]  # of all columns, "" for one without; () without a header
    rows: list[list[str]]  # the first ones below the header, of the right width
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self.dialect.width

    def describe(self, index: int) -> str:
        """A column by its number, and by its name if it has one."""
        number = f"column {index + 1:,}"
        name = self.names[index] if self.names else ""
        return f"{number} ({name})" if name else number


def check_head(path: Path, head: bytes) -> None:
    """Refuse first lines with more cells than memory can hold as texts."""
    if len(head) > SMALL:
        n_cells = max(head.count(delimiter.encode()) for delimiter in DELIMITERS)
        check_memory(path, n_cells * BYTES_PER_TEXT)


def find_layout(origin: str, head: bytes, options: ReadingOptions, is_whole: bool) -> Layout:
    """The layout that the first lines show; `is_whole` says that they are all there are.

    Raises DataError if they are no table.
    """
    text = head.decode()
    delimiter, quote = _find_delimiter(text, options)
    if delimiter == " ":
        text = with_single_spaces(head).decode()
    rows = _first_rows(origin, text, delimiter, quote, is_whole)
    if not rows:
        raise DataError(f"{origin}: is empty.")
    lines, cells = zip(*rows, strict=True)
    first, below = cells[0], list(cells[1:])
    check_width(origin, lines[0], len(first))
    trailing = _has_trailing(cells)
    if trailing:
        first, below = _without_last(first, below)
    unnamed = _row_names_without_a_name(first, below)
    dialect = Dialect(delimiter, quote, len(first) + unnamed, trailing)
    check_title(origin, lines[0], first, below, dialect.width)
    numbered = [(lines[0], first)]
    numbered += [
        (line, row) for line, row in zip(lines[1:], below, strict=True) if len(row) == dialect.width
    ]
    below = [row for _, row in numbered[1:]]
    if not options.columns:  # a model's columns say of every bad row what is wrong
        check_repeated(origin, numbered, options)
    header, note = _decide_header(origin, first, below, options, unnamed)
    if options.header is not False and not options.columns:
        check_second_header(origin, numbered[header:], options)
    if not header:
        return Layout(dialect, 0, (), [first, *below][:SAMPLE])
    names = ("",) * unnamed + tuple(cell.strip() for cell in first)
    _check_names(origin, names)
    notes = (f"{origin}: line {lines[0]:,} {note}",) if note else ()
    return Layout(dialect, lines[0], names, below, notes)


def _first_rows(
    origin: str, text: str, delimiter: str, quote: str, is_whole: bool
) -> list[tuple[int, list[str]]]:
    lines = [f"{line}\n" for line in text.split("\n")[:-1]]
    records = ((line, cells) for line, cells in read_rows(origin, lines, delimiter, quote) if cells)
    rows = list(islice(records, SAMPLE + 2))
    if not is_whole and 2 < len(rows) < SAMPLE + 2:
        rows.pop()  # a quoted cell may go on in the next block
    return rows[: SAMPLE + 1]


# Separators and quotes


def _find_delimiter(text: str, options: ReadingOptions) -> tuple[str, str]:
    """The separator and the quote that cut the first lines into rows of the same width."""
    lines = [line for line in islice(text.split("\n"), 100) if line.strip()]
    if not lines:
        return ",", QUOTES[0]
    candidates = [sign for sign in DELIMITERS if sign != options.decimal]
    quote = _find_quote(lines, candidates)
    ranked = [(_quality(lines, delimiter, quote), delimiter) for delimiter in candidates]
    best, delimiter = max(ranked, key=lambda entry: entry[0])
    if best == (0, 0, 0):
        delimiter = _spaces_or_comma(lines)
        quote = _find_quote(lines, delimiter)
    elif delimiter == "\t" and best[0] < 1 and len({len(line.split()) for line in lines}) == 1:
        delimiter = " "  # several tabs in a row
    return delimiter, quote


def _find_quote(lines: list[str], delimiters: Sequence[str]) -> str:
    """The quote that more cells stand in as a whole; the double one if none does."""
    sign = "[" + re.escape("".join(delimiters)) + "]"
    counts = {}
    for quote in QUOTES:
        whole = re.compile(rf"(?:^|{sign})\s*{quote}[^{quote}]*{quote}\s*(?={sign}|$)")
        counts[quote] = sum(len(whole.findall(line)) for line in lines)
    return max(QUOTES, key=lambda quote: counts[quote])


def _quality(lines: list[str], delimiter: str, quote: str) -> tuple[float, float, int]:
    """How well a separator cuts the lines; zeros if it cuts nothing.

    It is the share of lines that have the most frequent width, the share of cells that have no
    other separator in them, and that width.
    """
    rows = [_unquoted(line, quote).split(delimiter) for line in lines]
    widths = Counter(map(len, rows))
    width, n_rows = max(widths.items(), key=lambda item: item[1] if item[0] > 1 else 0)
    if width < 2:
        return 0, 0, 0
    others = set(DELIMITERS) - {delimiter}
    cells = [DECIMAL_COMMA.sub("", cell) for row in rows for cell in row]
    clean = sum(not others & set(cell) for cell in cells)
    return round(n_rows / len(rows), 2), round(clean / len(cells), 2), width


def _unquoted(line: str, quote: str) -> str:
    return re.sub(f"{quote}[^{quote}]*{quote}", "", line)


def _spaces_or_comma(lines: list[str]) -> str:
    """Spaces, if they cut at least half the lines."""
    n_cut = sum(len(line.split()) > 1 for line in lines)
    return " " if 2 * n_cut >= len(lines) > 0 else ","


# The shape of the first rows


def _has_trailing(rows: Sequence[list[str]]) -> bool:
    """Whether each row, at least the second and all below, ends in a separator."""
    below = rows[1:] or rows
    return (
        len(below[0]) > 2
        and all(not row[-1].strip() for row in below)
        and (not rows[0][-1].strip() or len(rows[0]) == len(below[0]) - 1)
    )


def _without_last(first: list[str], below: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The rows without their last, empty cells; a header may lack it."""
    if not first[-1].strip():
        first = first[:-1]
    return first, [row[:-1] for row in below]


def _row_names_without_a_name(first: list[str], below: list[list[str]]) -> bool:
    """Whether the first row is R's header: no name for the first column, whose cells all differ."""
    if not below or any(len(row) != len(first) + 1 for row in below):
        return False
    names = [row[0].strip() for row in below]
    words = [cell for cell in first if as_number(cell.strip()) is None]
    return len(set(names)) == len(names) and len(words) == len(first) > 1


# The header


def _decide_header(
    origin: str, first: list[str], below: list[list[str]], options: ReadingOptions, unnamed: bool
) -> tuple[bool, str]:
    """Whether the first row is a header, and what to say of it if that is not quite sure."""
    if options.header is not None:
        return options.header, ""
    if unnamed or any(map(is_name, _places(options))) or _names_the_schema(first, options):
        return True, ""
    header, note = is_header(first, below, options)
    if note and options.columns and not any(column.name for column in options.columns):
        return False, ""  # the model's own rows had no header either, and no row may get lost
    return header, note


def _places(options: ReadingOptions) -> list[Place]:
    if options.columns:
        return []
    return [options.target, options.weight, *(options.ignore or ()), *options.categorical]


def is_name(place: Place) -> bool:
    """Whether a place is the name of a column for sure."""
    return isinstance(place, str) and place != "" and re.fullmatch(r"-?\d+", place) is None


def _names_the_schema(first: list[str], options: ReadingOptions) -> bool:
    """Whether the first row has at least half the names that columns must have."""
    names = {column.name for column in options.columns if column.name}
    found = names & {cell.strip() for cell in first}
    return bool(names) and 2 * len(found) >= len(names)


def looks_like_a_header(rows: list[list[str]], options: ReadingOptions) -> bool:
    """Whether these are one row alone, and that is all words."""
    return len(rows) == 1 and all(is_word(cell.strip(), options) for cell in rows[0])


def _check_names(origin: str, names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1 and name:
            places = [f"{index:,}" for index, other in enumerate(names, start=1) if other == name]
            raise DataError(
                f"{origin}: has {count:,} columns named {name!r}: columns {' and '.join(places)}. "
                "Give each a name of its own, or remove all but one."
            )
