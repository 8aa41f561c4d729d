"""The labels and the weights of a CSV file's rows."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Raw
from mlpcli.datasets.csvcells import Levels, Numbers, as_number, shown
from mlpcli.datasets.csvrows import Rows
from mlpcli.datasets.labels import MAX_DISTINCT, MAX_LENGTH, MAX_WHOLE, LabelColumn, label_column
from mlpcli.errors import DataError

ONE_NUMBER = "Each row needs a number from 0 on."


class LabelReader:
    """Reads the label of each row as an index of the texts that were met."""

    def __init__(self, origin: str, place: int, missing: Iterable[str]) -> None:
        self.origin = origin
        self.place = place
        self.levels = Levels({"", *missing})  # no text is no label, whatever else is missing

    def encode(self, rows: Rows) -> tuple[Raw, NDArray[np.bool_]]:
        """The index of each row's label (n), and which rows have one.

        Raises DataError for a label that is too long, or for too many of them.
        """
        n_known = len(self.levels.names)
        codes = self.levels.encode(rows.cells([self.place]))
        for code, name in enumerate(self.levels.names[n_known:], start=n_known):
            if len(name) > MAX_LENGTH:
                line = rows.lines[int(np.argmax(codes == code))]
                raise DataError(
                    f"{self.origin}: line {line:,} has a label of {len(name):,} characters, "
                    f"and {MAX_LENGTH:,} are allowed."
                )
        if self.levels.too_many:
            raise DataError(
                f"{self.origin}: has more than {MAX_DISTINCT:,} different labels, "
                "too many to be classes. Name the label's column with data.target."
            )
        has_label = ~np.isnan(codes)
        return np.where(has_label, codes, 0).astype(np.uint32), has_label

    def column(self, codes: Raw) -> LabelColumn:
        """The labels with these indices; raises DataError if they are numbers, and not whole."""
        return label_column(_whole_numbers_or_words(self.origin, self.levels.names), codes)


def _whole_numbers_or_words(origin: str, names: list[str]) -> list[str]:
    """The labels, written as integers if they all are; raises DataError for a fraction."""
    numbers = np.array([as_number(name) for name in names], np.float64)  # None becomes NaN
    if np.isnan(numbers).any():
        return names
    is_whole = (numbers == np.floor(numbers)) & ~np.isinf(numbers)
    if not is_whole.all():
        first = names[int(np.argmin(is_whole))]
        raise DataError(
            f"{origin}: the label {shown(first)} is not a whole number; "
            "labels must be whole numbers or words. Name the label's column with data.target."
        )
    if np.all(np.abs(numbers) < MAX_WHOLE):
        return [str(int(number)) for number in numbers]
    return names


def encode_weights(origin: str, where: str, place: int, numbers: Numbers, rows: Rows) -> Floats:
    """The weights of rows (n); `where` names their column.

    Raises DataError naming the line of a weight that is missing, negative or no number.
    """
    cells = rows.cells([place])
    weights, _ = numbers.encode(cells)
    fine = weights >= 0  # and so neither missing nor a word
    if not fine.all():
        row = int(np.argmin(fine))
        raise DataError(
            f"{origin}: line {rows.lines[row]:,} has {shown(cells[row].strip())} in {where}, "
            f"which is the weight. {ONE_NUMBER}"
        )
    return weights
