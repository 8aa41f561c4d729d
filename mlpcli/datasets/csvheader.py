"""Whether the first row of a table names its columns, or is a row like those below it."""

from collections.abc import Sequence
from itertools import pairwise

from mlpcli.datasets.csvcells import as_number, shown
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError

# What people write for a missing cell, beside what they say they do; in small letters.
SIGNS = ("-", "--", "---", ".", "..", "*", "!", "??", "na", "na.", "n.a", "n.a.", "nan", "#n/a",
         "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!")  # fmt: skip
WORDS = ("none", "null", "nil", "void", "empty", "missing", "unk", "unknown", "undefined")
MARKERS = frozenset([*SIGNS, *WORDS])
MIN_STEPS = 3  # names that are numbers, such as 2010, 2011, 2012
YEARS = (1500, 2100)
REMOVE = "Remove that line, or mend it."
NOT_SURE = "was taken for the header; data.header=false reads it as a row."
MAX_COLUMNS = 1 << 17


def check_width(origin: str, line: int, width: int) -> None:
    """Raise DataError if the first line has more cells than a table ever has."""
    if width > MAX_COLUMNS:
        raise DataError(
            f"{origin}: line {line:,} has {width:,} cells, and at most {MAX_COLUMNS:,} are read. "
            "If a row is an image or a signal, save the rows as an .npz file."
        )


def is_header(
    first: list[str], below: list[list[str]], options: ReadingOptions
) -> tuple[bool, str]:
    """Whether the first row is a header of the rows below, and what to say if that is not sure."""
    cells = [cell.strip() for cell in first]
    if _counts_columns(cells):
        return True, ""
    missing = frozenset(options.missing)
    words = [index for index, cell in enumerate(cells) if is_word(cell, options)]
    if not words:
        is_one = _names_steps(cells, below, options.decimal)
        return is_one, NOT_SURE if is_one else ""
    columns = [[row[index].strip() for row in below] for index in range(len(cells))]
    for index in words:
        if _stands_above_numbers(cells[index], columns[index], missing, options.decimal):
            return _unless_like_the_rows(cells, options.decimal)
    reappear = any(cells[index] in columns[index] for index in words)
    numbers = [cell for cell in cells if not is_word(cell, options)]
    if below and not reappear and len(numbers) >= MIN_STEPS and _steps(numbers, options.decimal):
        return True, NOT_SURE
    all_words = len(words) + cells[:1].count("") == len(cells)
    if not below or not all_words or reappear or len(set(cells)) < len(cells):
        return False, ""
    return True, NOT_SURE


def _counts_columns(cells: list[str]) -> bool:
    """Whether these are a data frame's own names, 0, 1, 2, …, maybe with "" for its index."""
    names = cells[1:] if cells[0] == "" else cells
    return len(names) > 1 and names == [str(number) for number in range(len(names))]


def is_word(cell: str, options: ReadingOptions) -> bool:
    """Whether a cell is neither a number nor missing."""
    return cell not in options.missing and as_number(cell, options.decimal) is None


def _stands_above_numbers(
    cell: str, column: list[str], missing: frozenset[str], decimal: str
) -> bool:
    """Whether a word stands above numbers alone, and is not one that stands for a missing cell."""
    if cell.lower() in MARKERS:
        return False
    present = [text for text in column if text not in missing]
    return bool(present) and all(as_number(text, decimal) is not None for text in present)


def _unless_like_the_rows(cells: list[str], decimal: str) -> tuple[bool, str]:
    """A row with a word above numbers is a header, unless its own numbers are a row's.

    Names such as 1, 2, 3 or 2019, 2020 are whole numbers that differ.
    """
    numbers = [cell for cell in cells if as_number(cell, decimal) is not None]
    if not numbers:
        return True, ""
    if len(set(numbers)) < len(numbers) or not all(map(str.isdigit, numbers)):
        return False, ""
    return True, NOT_SURE


def _steps(cells: Sequence[str], decimal: str) -> float | None:
    """The step if these are numbers that rise in equal steps, such as 400.5, 410.5, 420.5."""
    numbers = [number for cell in cells if (number := as_number(cell, decimal)) is not None]
    if len(numbers) < max(2, len(cells)):
        return None
    steps = [right - left for left, right in pairwise(numbers)]
    is_even = all(abs(step - steps[0]) <= 1e-6 * abs(steps[0]) for step in steps)
    return steps[0] if is_even and steps[0] > 0 else None


def _names_steps(cells: list[str], below: list[list[str]], decimal: str) -> bool:
    """Whether a row of numbers alone is 1, 2, 3, … or years in a row, and the next one is not."""
    if len(cells) <= MIN_STEPS or len(below) < 2 or not all(map(str.isdigit, cells)):
        return False
    numbers = [int(cell) for cell in cells]
    are_names = numbers[0] == 1 or (YEARS[0] <= numbers[0] and numbers[-1] <= YEARS[1])
    next_row = [cell.strip() for cell in below[0]]
    return are_names and _steps(cells, decimal) == 1 and _steps(next_row, decimal) is None


# Lines that are neither the header nor rows


def check_title(
    origin: str, line: int, first: list[str], below: list[list[str]], width: int
) -> None:
    """Raise DataError if the first row is a title: alone in its width, or one cell with text."""
    widths = {len(row) for row in below}
    n_filled = sum(bool(cell.strip()) for cell in first)
    if len(below) >= 2 and len(widths) == 1 and width not in widths:
        found = f"it has {len(first):,} cells, and the lines below have {max(widths):,}."
    elif n_filled == 1 and len(first) > 2 and first[0].strip() and as_number(first[0]) is None:
        found = "one of its cells has text, and the others are empty."
    else:
        return
    raise DataError(f"{origin}: line {line:,} is no header of these rows: {found} {REMOVE}")


def check_repeated(origin: str, rows: list[tuple[int, list[str]]], options: ReadingOptions) -> None:
    """Raise DataError if the header stands among the rows again, as in files that were joined.

    `rows` begin with the first one; each has its line.
    """
    first = rows[0][1]
    again = [line for line, row in rows[1:] if row == first]
    others = [row for _, row in rows[1:] if row != first]
    if again and is_header(first, others, options) == (True, ""):
        raise DataError(f"{origin}: {repeats_the_header(again[0])}")


def repeats_the_header(line: int) -> str:
    """The sentence for a line that is the header again."""
    return f"line {line:,} repeats the header, as in files that were joined. Remove that line."


def check_second_header(
    origin: str, rows: list[tuple[int, list[str]]], options: ReadingOptions
) -> None:
    """Raise DataError if the first or the second row has words above the numbers of two columns.

    It is a second line of names, or of units. `rows` are those below the header, with lines.
    """
    missing = frozenset(options.missing)
    for place, (line, row) in enumerate(rows[:2]):
        below = [other for _, other in rows[place + 1 :]]
        above = [
            index
            for index, cell in enumerate(row)
            if is_word(cell.strip(), options)
            and _stands_above_numbers(
                cell.strip(), [other[index].strip() for other in below], missing, options.decimal
            )
        ]
        if len(above) > 1 and len(below) > 1:
            raise DataError(
                f"{origin}: line {line:,} looks like a second header: it has "
                f"{shown(row[above[0]].strip())} above the numbers of column {above[0] + 1:,}. "
                f"{REMOVE}"
            )
