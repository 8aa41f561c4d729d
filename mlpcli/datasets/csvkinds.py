"""What a column of words is good for: a category, or nothing, or a question to the user."""

import re
from collections.abc import Callable, Sequence

from mlpcli.arrays import Raw
from mlpcli.datasets.csvcells import MAX_LEVELS, as_number, shown
from mlpcli.datasets.csvheader import MARKERS
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words

MIN_ROWS = 20  # of a column whose texts can be called different in every row
FEW_TEXTS = 10  # words among numbers that may be there by mistake
FEW_CELLS = 0.05  # of all cells, such words
TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?"
DAY = r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{2}(\d{2})?)"
DATE = re.compile(rf"{DAY}([T ] *{TIME})?")
CLOCK = re.compile(TIME)
WITH_COMMA = re.compile(r"[+-]?\d*,\d+")


def judge(
    where: str, names: Sequence[str], counts: Callable[[], Raw], too_many: bool
) -> tuple[bool, str]:
    """Whether a column with these levels, `counts` cells each, can be a category.

    A note says why not, or what is odd; `where` names file and column. Raises DataError if its
    words are probably no category.
    """
    numbers = [as_number(name) is not None for name in names]
    words = [name for name, number in zip(names, numbers, strict=True) if not number]
    _check_decimals(where, words)
    if words and all(DATE.fullmatch(name) or CLOCK.fullmatch(name) for name in names):
        return False, f"{where} holds dates or times, as {shown(names[0])}, and is ignored."
    note = ""
    if too_many and 2 * len(words) < len(names):
        listed = names_in_words([shown(word) for word in words])
        raise DataError(
            f"{where} has words ({listed}) among more than {MAX_LEVELS:,} numbers. If they mean "
            "missing cells, name them in data.missing; or name the column in data.ignore."
        )
    if len(words) < len(names):
        cells = counts()
        n_words = int(cells.sum() - cells[numbers].sum())
        note = _words_among_numbers(where, words, n_words, int(cells.sum()))
    if too_many:
        return False, f"{where} has more than {MAX_LEVELS:,} different words, and is ignored."
    if not words or note:
        return True, note
    if len(names) >= MIN_ROWS and len(names) == counts().sum():
        return False, f"{where} has another word in every row, and is ignored."
    return True, ""


def _check_decimals(where: str, words: Sequence[str]) -> None:
    """Raise DataError if all words are numbers with a comma in them."""
    if words and all(map(WITH_COMMA.fullmatch, words)):
        raise DataError(
            f"{where} has numbers with a comma, as {shown(words[0])}. If it stands before the "
            "decimals, set data.decimal=','; if it parts thousands, remove it."
        )


def _words_among_numbers(where: str, words: Sequence[str], n_words: int, n_cells: int) -> str:
    """What to say of a column of numbers with some words; raises DataError if they mean a gap."""
    listed = names_in_words([shown(word) for word in words])
    if words and all(word.lower() in MARKERS for word in words):
        raise DataError(
            f"{where} has {listed} in {n_words:,} of {n_cells:,} cells, and numbers in the others. "
            "If that is how a missing cell is written, name it in data.missing; "
            "if the column is a category, name the column in data.categorical."
        )
    if not words or len(words) >= FEW_TEXTS or n_words >= FEW_CELLS * n_cells:
        return ""
    return (
        f"{where} has words in {n_words:,} of {n_cells:,} cells ({listed}), and numbers in the "
        "others: it was taken for a category. If they mean missing cells, name them in "
        "data.missing."
    )
