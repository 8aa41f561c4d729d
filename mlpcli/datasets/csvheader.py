"""Whether the first row of a table names its columns, or is a row like those below it."""

from mlpcli.datasets.csvcells import as_number
from mlpcli.datasets.options import ReadingOptions

# What people write for a missing cell, beside what they say they do; in small letters.
SIGNS = ("-", "--", "---", ".", "..", "*", "!", "??", "na", "na.", "n.a", "n.a.", "nan", "#n/a")
WORDS = ("none", "null", "nil", "void", "empty", "missing", "unk", "unknown", "undefined")
MARKERS = frozenset([*SIGNS, *WORDS])
NOT_SURE = "was taken for the header; data.header=false reads it as a row."


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
        return False, ""
    columns = [[row[index].strip() for row in below] for index in range(len(cells))]
    for index in words:
        if _stands_above_numbers(cells[index], columns[index], missing, options.decimal):
            return _unless_like_the_rows(cells, options.decimal)
    all_words = len(words) + cells[:1].count("") == len(cells)
    reappear = any(cells[index] in columns[index] for index in words)
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
