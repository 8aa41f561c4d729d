"""Messages to a person: how they are sent, and how sizes, lists and failures are worded."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

Notify: TypeAlias = Callable[[str], object]  # is called with a sentence for the user
SCHEMA = 1  # of every JSON document
MAX_NAMES = 10  # that a sentence lists
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def size_in_words(nbytes: float) -> str:
    """A number of bytes for a person: '1.5 MiB'."""
    *smaller, largest = UNITS
    for unit in smaller:
        if nbytes < 1024:
            return f"{nbytes:.0f} bytes" if unit == "bytes" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.1f} {largest}"


def system_reason(error: OSError) -> str:
    """What the system says of a failure, without its number and the path."""
    return error.strerror or str(error)


def names_in_words(names: Sequence[str]) -> str:
    """The names for a sentence: the first ten of many."""
    listed = ", ".join(names[:MAX_NAMES])
    if len(names) > MAX_NAMES:
        return f"{listed}, … ({len(names):,} in all)"
    return listed
