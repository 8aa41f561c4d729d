"""An .npz file with arrays x and y, and optionally x_test and y_test."""

from pathlib import Path

from mlpcli.arrays import Raw
from mlpcli.datasets.table import Table, table, with_test
from mlpcli.errors import DataError
from mlpcli.storage.reading import read_npz


def read(path: Path) -> Table:
    """The rows of x and y, with x_test and y_test as their own test rows where they are there."""
    arrays = read_npz(path)
    rows = _part(path, arrays, "x", "y")
    if "x_test" in arrays or "y_test" in arrays:
        return with_test(rows, _part(path, arrays, "x_test", "y_test"))
    return rows


def _part(path: Path, arrays: dict[str, Raw], x: str, y: str) -> Table:
    for name in (x, y):
        if name not in arrays:
            held = ", ".join(sorted(arrays)) or "nothing"
            raise DataError(
                f"{path}: has no array {name!r}; it holds {held}. Save features as {x} and labels as {y}."
            )
    return table(f"{path} ({x}, {y})", arrays[x], arrays[y])
