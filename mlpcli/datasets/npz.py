"""An .npz file with arrays x and y, and optionally x_test and y_test."""

from collections.abc import Mapping
from pathlib import Path

from mlpcli.arrays import Raw
from mlpcli.datasets.table import Table, check_rows, checked_table, with_test
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words
from mlpcli.storage.reading import read_npz

MAX_SHOWN = 60  # characters of an array's name in a message


def read(path: Path) -> Table:
    """The rows of x and y, with those of x_test and y_test as its own test rows if it has them.

    Raises DataError if arrays are missing or cannot be learnt from, and UnreadableFileError if the
    file is not a whole one.
    """
    arrays = read_npz(path)
    table = _read_pair(path, arrays, "x", "y")
    if "x_test" not in arrays and "y_test" not in arrays:
        return table
    return with_test(table, _read_pair(path, arrays, "x_test", "y_test"))


def _read_pair(path: Path, arrays: Mapping[str, Raw], x: str, y: str) -> Table:
    for name in (x, y):
        if name not in arrays:
            held = names_in_words([held[:MAX_SHOWN] for held in sorted(arrays)]) or "nothing"
            raise DataError(
                f"{path}: has no array {name!r}; it holds {held}. "
                f"Save features as {x} and labels as {y}."
            )
    check_rows(path, arrays[x].size and len(arrays[x]))
    return checked_table(f"{path} ({x}, {y})", arrays[x], arrays[y])
