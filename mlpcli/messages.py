"""Messages to a person: how they are sent, and how sizes, lists and failures are worded."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeAlias

Notify: TypeAlias = Callable[[str], object]  # is called with a sentence for the user
SCHEMA = 1  # of every JSON document
MAX_NAMES = 10  # that a sentence lists
LARGE = 8 * 2**20  # bytes of a data set that may take seconds to read
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")  # categories of Unicode that have an effect, and no shape
JOINERS = "\u200c\u200d"  # of Cf, but scripts such as Persian and Hindi are not right without them
KEPT = ("\n", "\t")  # in a text of several lines


def printable(text: str) -> str:
    """The text as one line that has no effect on a terminal: ESC becomes four characters.

    Control characters, line breaks, marks that turn the direction of a text and other signs
    without a shape are written as Python writes them; all others stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(map(_printable_sign, text))


def _printable_sign(sign: str) -> str:
    if unicodedata.category(sign) not in ACTING or sign in JOINERS:
        return sign
    return sign.encode("unicode_escape").decode("ascii")


def printable_lines(text: str) -> str:
    """The same of a text of several lines, which keeps its line breaks (LF) and tabs."""
    parts = re.split(r"([\n\t])", text)
    return "".join(part if part in KEPT else printable(part) for part in parts)


def size_in_words(nbytes: float) -> str:
    """A number of bytes for a person: '1.5 MiB'."""
    *smaller, largest = UNITS
    for unit in smaller:
        if nbytes < 1024:
            return f"{nbytes:.0f} bytes" if unit == "bytes" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.1f} {largest}"


def announce_reading(origin: object, nbytes: int, notify: Notify) -> None:
    """Say that a data set is being read, if it is so large that it takes a while."""
    if nbytes >= LARGE:
        notify(f"Reading {origin}, {size_in_words(nbytes)}.")


def system_reason(error: OSError) -> str:
    """What the system says of a failure, without its number and the path."""
    return error.strerror or str(error)


def names_in_words(names: Sequence[str]) -> str:
    """The names for a sentence: the first ten of many."""
    listed = ", ".join(names[:MAX_NAMES])
    if len(names) > MAX_NAMES:
        return f"{listed}, … ({len(names):,} in all)"
    return listed
