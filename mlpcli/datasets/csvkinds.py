"""What a column of words is good for: a category, or nothing, or a question to the user."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from mlpcli.arrays import Floats, Raw, chunks
from mlpcli.config import MISSING
from mlpcli.datasets.csvcells import MAX_LEVELS, as_number, shown
from mlpcli.datasets.csvheader import MARKERS
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words

MIN_ROWS = 20  # of a column whose texts can be called different in every row
FEW_TEXTS = 10  # words among numbers that may be there by mistake
FEW_CELLS = 0.05  # of all cells, such words
PIECE = 1 << 16  # rows of a column that are looked at at a time

TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?( ?(Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
MONTH = (
    "(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?"
    r"|oct(ober)?|nov(ember)?|dec(ember)?)\.?"
)
DAYS = (
    r"\d{4}(?P<a>[-/.])\d{1,2}(?P=a)\d{1,2}",
    r"\d{1,2}(?P<b>[-/.])\d{1,2}(?P=b)\d{2}(\d{2})?",
    r"\d{4}[-/]\d{1,2}",
    rf"\d{{1,2}}[-/. ]{{0,2}}{MONTH}[-/., ]{{0,2}}\d{{2}}(\d{{2}})?",
    rf"{MONTH}[-/ ]\d{{1,2}}(, ?| )\d{{4}}",
    rf"{MONTH}[-/ ]?(\d{{4}}|\d{{2}})",
    rf"{MONTH} \d{{1,2}} {TIME} \d{{4}}",
)
WEEKDAY = r"((mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?|sun)(day)?[,.]? )?"
DATE = re.compile(rf"{WEEKDAY}({'|'.join(DAYS)})((T|,? *){TIME})?", re.IGNORECASE)
CLOCK = re.compile(TIME)

WITH_COMMA = re.compile(r"[+-]?\d*,\d+")
GROUPS = r"\d{1,3}([., '’_\u00a0\u202f]\d{3})+"  # thousands
# A number that has a currency, a unit, a sign or thousands written with it, or other digits.
WRITTEN = re.compile(
    r"(?P<before>[(<>≤≥~≈±]*=? ?([$€£¥₹]|[A-Z]{3} )? ?)[-+−]?[$€£¥]?"
    rf"({GROUPS}([.,]\d+)?|\d+([.,]\d*)?|[.,]\d+)([eEdD][-+]?\d+)?"
    r"(?P<after>\s?([%‰*+)€$£¥₹]|°?[A-Za-zµ²³/]{1,5}|°)?\)?)"
)
HEX = re.compile(r"0[xX][\da-fA-F]+")
FEW_WAYS = 4  # in which units and signs stand around the numbers of one column


def judge(
    where: str, names: Sequence[str], counts: Callable[[], Raw], too_many: bool, decimal: str = "."
) -> tuple[bool, str]:
    """Whether a column with these levels, `counts` cells each, can be a category.

    A note says why not, or what is odd; `where` names file and column. Raises DataError if its
    words are probably no category.
    """
    numbers = [as_number(name, decimal) is not None for name in names]
    words = [name for name, number in zip(names, numbers, strict=True) if not number]
    _check_decimals(where, words)
    if words and _are_dates(names):
        date = next(filter(is_date, names))
        return False, f"{where} holds dates or times, as {shown(date)}, and is ignored."
    note = _written_numbers(where, words, len(names))
    if too_many and 2 * len(words) < len(names):
        raise _words_in_numbers(where, words, f"more than {MAX_LEVELS:,}")
    if len(words) < len(names) and not note:
        cells = counts()
        n_words = int(cells.sum() - cells[numbers].sum())
        note = _words_among_numbers(where, words, n_words, len(names), int(cells.sum()))
    if too_many:
        return False, f"{where} has more than {MAX_LEVELS:,} different words, and is ignored."
    if not words or note:
        return True, note
    if len(names) >= MIN_ROWS and len(names) == counts().sum():
        if 2 * len(words) < len(names):
            raise _words_in_numbers(where, words, f"{len(names) - len(words):,}")
        return False, f"{where} has another word in every row, and is ignored."
    return True, ""


def _check_decimals(where: str, words: Sequence[str]) -> None:
    """Raise DataError if all words are numbers with a comma in them."""
    if words and all(map(WITH_COMMA.fullmatch, words)):
        raise DataError(
            f"{where} has numbers with a comma, as {shown(words[0])}. If it stands before the "
            "decimals, set data.decimal=','; if it parts thousands, remove it."
        )


def is_date(text: str) -> bool:
    """Whether a text is a date, a month of a year, or a time of the day."""
    return bool(DATE.fullmatch(text) or CLOCK.fullmatch(text))


def _are_dates(names: Sequence[str]) -> bool:
    """Whether all texts are dates or times, but for what may stand for a missing one."""
    others = [name for name in names if not is_date(name)]
    return len(others) < len(names) and all(name.lower() in MARKERS for name in others)


def _written_numbers(where: str, words: Sequence[str], n_texts: int) -> str:
    """What to say if all words are numbers with a unit, a currency or the like.

    Raises DataError if they are too many to be a category's levels.
    """
    if not words or not _are_written_numbers(words):
        return ""
    found = f"{where} has numbers that are written with other signs, as {shown(words[0])}"
    if n_texts <= FEW_TEXTS:
        return f"{found}: it was taken for a category. To use them as numbers, write those alone."
    raise DataError(
        f"{found}. Write the numbers alone; or name the column in data.categorical or data.ignore."
    )


def _are_written_numbers(words: Sequence[str]) -> bool:
    if all(map(HEX.fullmatch, words)):
        return True
    matches = [WRITTEN.fullmatch(word) for word in words]
    ways = {match and (match["before"], match["after"].strip()) for match in matches}
    return None not in ways and len(ways) <= FEW_WAYS


def _words_in_numbers(where: str, words: Sequence[str], many: str) -> DataError:
    listed = names_in_words([shown(word) for word in words])
    return DataError(
        f"{where} has words ({listed}) among {many} numbers. If they mean "
        "missing cells, name them in data.missing; or name the column in data.ignore."
    )


def _words_among_numbers(
    where: str, words: Sequence[str], n_words: int, n_texts: int, n_cells: int
) -> str:
    """What to say of a column of numbers with some words; raises DataError if they mean a gap."""
    listed = names_in_words([shown(word) for word in words])
    if words and all(word in MISSING or word.lower() in MARKERS for word in words):
        raise DataError(
            f"{where} has {listed} in {n_words:,} of {n_cells:,} cells, and numbers in the others. "
            "If that is how a missing cell is written, name it in data.missing; "
            "if the column is a category, name the column in data.categorical."
        )
    are_few = n_words < FEW_CELLS * n_cells or n_texts > 2 * FEW_TEXTS
    if not words or len(words) >= FEW_TEXTS or not are_few:
        return ""
    return (
        f"{where} has words in {n_words:,} of {n_cells:,} cells ({listed}), and numbers in the "
        "others: it was taken for a category. If they mean missing cells, name them in "
        "data.missing."
    )


# The codes of a column's cells


def count_cells(codes: Floats, n_levels: int) -> Raw:
    """How many of the cells (N) have each code from 0."""
    counts = np.zeros(n_levels, np.intp)
    for piece in chunks(len(codes), PIECE):
        some = codes[piece]
        known = some[some >= 0].astype(np.intp)
        counts += np.bincount(known, minlength=n_levels)
    return counts


def recode(codes: Floats, values: Sequence[float]) -> None:
    """Put the value of each code (N) in its place; missing cells stay NaN."""
    table = np.array([*values, np.nan])
    for piece in chunks(len(codes), PIECE):
        some = codes[piece]
        known = np.where(np.isnan(some), len(values), some).astype(np.intp)
        codes[piece] = table[known]
