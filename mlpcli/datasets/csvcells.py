"""What a cell of a CSV file means: a number, a missing cell, or a level of a category."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.datasets.csvbytes import Spans, parse_numbers
from mlpcli.datasets.csvwords import WordTable
from mlpcli.datasets.table import MAX_FEATURE
from mlpcli.preprocessing.columns import other_spellings, spelling

MAX_LEVELS = 100_000
LARGEST = float(MAX_FEATURE)
MAX_TEXTS = 1 << 25  # characters of all levels of a column
UNKNOWN = -1.0  # the code of a level that is not among those known
ADVICE = "Fill in or remove such rows."
NAME_MISSING = "If it means a missing cell, name it in data.missing."
MAX_SHOWN = 60  # characters of a cell in a message


class Numbers:
    """Reads cells as numbers: what Python's float takes, but 1_000 and the digits of others."""

    def __init__(self, missing: Iterable[str], decimal: str) -> None:
        self.missing = frozenset(missing)
        self.decimal = decimal
        self.missing_numbers = missing_numbers(self.missing, decimal)

    def parse(self, text: str) -> float | None:
        """The number, NaN if the cell is missing, None if it is a word, infinite or too large."""
        text = text.strip()
        if text in self.missing:
            return math.nan
        number = as_number(text, self.decimal)
        if number is None or not abs(number) <= LARGEST:
            return None
        return math.nan if number in self.missing_numbers else number

    def encode(self, cells: "Spans | list[str]") -> tuple[Floats, list[int]]:
        """The numbers, and the indices of the cells that are none (and NaN among the numbers)."""
        if isinstance(cells, Spans):
            return self._encode_spans(cells)
        parsed = [self.parse(text) for text in cells]
        bad = [index for index, number in enumerate(parsed) if number is None]
        return np.array(parsed, np.float64), bad  # None becomes NaN

    def _encode_spans(self, cells: Spans) -> tuple[Floats, list[int]]:
        values, left = parse_numbers(cells, self.decimal)
        bad = []
        for index in left.tolist():
            number = self.parse(cells[index])
            if number is None:
                bad.append(index)
            values[index] = math.nan if number is None else number
        if self.missing_numbers:
            values[np.isin(values, self.missing_numbers)] = math.nan
        return values, bad


class Levels:
    """Reads cells as levels of a category: each the index of its text among `names`.

    The names are those given, of which "1.0" is another spelling of "1"; without them, all that are
    met, in the order in which they are.
    """

    def __init__(self, missing: Iterable[str], names: Sequence[str] | None = None) -> None:
        self.missing = frozenset(missing)
        self.is_fixed = names is not None
        self.names = list(names or ())
        self.code_of = {name: float(code) for code, name in enumerate(self.names)}
        self.alike = other_spellings(self.names) if self.is_fixed else {}
        self.n_characters = 0
        self.table: WordTable | None = None

    @property
    def too_many(self) -> bool:
        """Whether there are more levels than a category may have; then no others are added."""
        return len(self.names) > MAX_LEVELS or self.n_characters > MAX_TEXTS

    def encode(self, cells: "Spans | list[str]") -> Floats:
        """The index of each cell's level, NaN if the cell is missing, −1 if it is not known."""
        if isinstance(cells, Spans):
            self.table = self.table or WordTable(lambda _, text: self.code(text))
            return self.table.encode(cells, 1)
        return np.array([self.code(text) for text in cells], np.float64)

    def code(self, text: str) -> float:
        """The index of a cell's level, NaN if the cell is missing, −1 if it is not known."""
        text = text.strip()
        code = self.code_of.get(text)
        if code is not None:
            return code
        if text in self.missing:
            return math.nan
        if self.is_fixed:
            return self.alike.get(spelling(text), UNKNOWN)
        if self.too_many:
            return UNKNOWN
        code = self.code_of[text] = float(len(self.names))
        self.names.append(text)
        self.n_characters += len(text)
        return code


def missing_numbers(missing: Iterable[str], decimal: str = ".") -> list[float]:
    """The numbers among the texts of a missing cell, such as -999: -999.0 is missing as well."""
    numbers = [as_number(text, decimal) for text in missing]
    return [number for number in numbers if number is not None]


def as_number(text: str, decimal: str = ".") -> float | None:
    """The number that a text without spaces around it spells, None if it spells none."""
    if decimal == ",":
        text = text.replace(".", "_").replace(",", ".")
    if "_" in text or not text.isascii():
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def sorted_levels(names: Sequence[str]) -> list[str]:
    """The levels in order: of their numbers if all are numbers, else of their texts."""
    numbers = {name: as_number(name) for name in names}
    if None in numbers.values():
        return sorted(names)
    return sorted(names, key=lambda name: (numbers[name], name))


def shown(cell: str) -> str:
    """A cell for a message, cut if it is long."""
    if len(cell) > MAX_SHOWN:
        return f"{cell[:MAX_SHOWN]!r}…"
    return repr(cell)


def cell_fault(cell: str, where: str, decimal: str) -> str:
    """What is wrong with a cell where a number is needed: a clause that follows "line 3"."""
    cell = cell.strip()
    if as_number(cell, decimal) is not None:
        return f" has {shown(cell)} in {where}, which is infinite or too large. {ADVICE}"
    return f" has {shown(cell)} in {where}, where a number is needed. {NAME_MISSING}"
