"""A table split in two: as files for mlpcli, and as the same rows in arrays for scikit-learn."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit

from benchmarks.tables_data import MISSING, TextTable

LABEL = "label"
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """Training and test rows of a table, in the same order in texts, files and arrays.

    Args:
        number: Of the split; it draws the rows, and is every model's seed.
        train: The training rows; `test` are the others.
        train_file: The training rows as CSV with a header; `test_file` has the others.
        x_train: The training rows (N,D); a category is the index of its text, a gap is NaN.
        y_train: The training rows' classes (N).
        is_category: Which of the columns (D) have a word in them.
        classes: The names of the K classes.
    """

    number: int
    train: TextTable
    test: TextTable
    train_file: Path
    test_file: Path
    x_train: NDArray[np.float64]
    x_test: NDArray[np.float64]
    y_train: NDArray[np.intp]
    y_test: NDArray[np.intp]
    is_category: NDArray[np.bool_]
    classes: list[str]


def split(table: TextTable, number: int, folder: Path) -> Split:
    """Split a table 80/20, each class alike, and write both parts into the folder."""
    splitter = StratifiedShuffleSplit(1, test_size=TEST_SHARE, random_state=number)
    x, is_category = _encoded(table)
    classes, y = np.unique(table.labels, return_inverse=True)
    ((train, test),) = splitter.split(x, y)
    parts = table.rows(train.tolist()), table.rows(test.tolist())
    return Split(
        number=number,
        train=parts[0],
        test=parts[1],
        train_file=_write(parts[0], folder / f"{table.name}-{number}-train.csv"),
        test_file=_write(parts[1], folder / f"{table.name}-{number}-test.csv"),
        x_train=x[train],
        x_test=x[test],
        y_train=y[train],
        y_test=y[test],
        is_category=is_category,
        classes=classes.tolist(),
    )


def _write(table: TextTable, path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*table.columns, LABEL])
        for cells, label in zip(table.cells, table.labels, strict=True):
            writer.writerow([*cells, label])
    return path


def _encoded(table: TextTable) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The features (N,D) as numbers, and which of the columns are categories."""
    columns = list(zip(*table.cells, strict=True))
    is_category = [not all(map(_is_number, column)) for column in columns]
    encoded = []
    for column, category in zip(columns, is_category, strict=True):
        encoded.append(_levels(column) if category else _numbers(column))
    return np.column_stack(encoded), np.array(is_category)


def _is_number(cell: str) -> bool:
    """Whether a cell is a number or missing."""
    if cell in MISSING:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    return np.array([np.nan if cell in MISSING else float(cell) for cell in cells])


def _levels(cells: Sequence[str]) -> NDArray[np.float64]:
    """The index of each cell's text among the texts, NaN for a missing cell."""
    index_of = {level: index for index, level in enumerate(sorted(set(cells)))}
    return np.array([np.nan if cell in MISSING else float(index_of[cell]) for cell in cells])
