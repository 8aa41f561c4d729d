"""Rows of text become rows of numbers: x in the coding of preprocessing/columns.py."""

from collections.abc import Sequence

from mlpcli.arrays import Floats
from mlpcli.datasets.csvblocks import as_slice
from mlpcli.datasets.csvcells import Levels, Numbers
from mlpcli.datasets.csvroles import ABSENT
from mlpcli.datasets.csvrows import Rows, TextRows
from mlpcli.datasets.csvwords import WordTable
from mlpcli.datasets.options import ReadingOptions
from mlpcli.preprocessing.columns import Column


class Encoder:
    """Encodes the features of rows; columns of x that are not its own are left as they are.

    Args:
        columns: The features, in the order of x.
        places: Where each stands in the file.
        only: The columns of x to fill.
        known: Whether the levels of categories are known, or those that are met.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        places: Sequence[int],
        options: ReadingOptions,
        only: Sequence[int],
        known: bool,
    ) -> None:
        self.places = places
        self.numbers = Numbers(options.missing, options.decimal)
        self.number_columns = [d for d in only if columns[d].kind == "number"]
        self.ignored = [d for d in only if columns[d].kind == "ignored" or places[d] == ABSENT]
        self.levels = {
            d: Levels(options.missing, columns[d].levels if known else None)
            for d in only
            if columns[d].kind == "category"
        }
        each = list(self.levels.values())
        self.words = WordTable(lambda k, text: each[k].code(text))

    def encode(self, rows: Rows, out: Floats) -> list[tuple[int, int]]:
        """Fill x (n,D) of these rows; the row and column of each cell that is no number."""
        out[:, self.ignored] = 0
        self._encode_categories(rows, out)
        if not self.number_columns:
            return []
        cells = rows.cells([self.places[d] for d in self.number_columns])
        values, bad = self.numbers.encode(cells)
        width = len(self.number_columns)
        out[:, as_slice(self.number_columns)] = values.reshape(len(rows), width)
        return [(index // width, self.number_columns[index % width]) for index in bad]

    def _encode_categories(self, rows: Rows, out: Floats) -> None:
        if isinstance(rows, TextRows) or not self.levels:
            for d, levels in self.levels.items():
                out[:, d] = levels.encode(rows.cells([self.places[d]]))
            return
        cells = rows.cells([self.places[d] for d in self.levels])
        codes = self.words.encode(cells, len(self.levels))
        out[:, as_slice(list(self.levels))] = codes.reshape(len(rows), len(self.levels))

    def drop_numbers(self, columns: set[int]) -> None:
        """Leave these columns alone from now on."""
        self.number_columns = [d for d in self.number_columns if d not in columns]
