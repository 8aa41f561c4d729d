"""A data set ready to train on: three sets of rows over the arrays as read, and their encoding."""

from dataclasses import dataclass, replace

import numpy as np

from mlpcli.arrays import Floats, Index, Labels, Raw
from mlpcli.datasets.classes import encode
from mlpcli.datasets.table import Table
from mlpcli.preprocessing.columns import Column
from mlpcli.preprocessing.encoding import Preprocessing


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, by their indices; features and labels are shared, never copied.

    x (N,D_raw), labels (N), which are indices of classes, and weights (N), if there are any, are
    those of the whole table.
    """

    x: Raw
    labels: Labels
    index: Index
    weights: Floats | None = None

    def __len__(self) -> int:
        return len(self.index)

    def subset(self, indices: slice) -> "Rows":
        """Some of these rows, by their indices among them."""
        return replace(self, index=self.index[indices])

    @property
    def own_weights(self) -> Floats | None:
        """The weights of these rows (n), or None."""
        if self.weights is None:
            return None
        weights: Floats = self.weights[self.index]
        return weights


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test rows, with their classes and what is learnt of the columns.

    There may be no validation rows.
    """

    source: str  # what the user named
    classes: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    preprocessing: Preprocessing
    scaling_kind: str
    image: tuple[int, int] | None  # height and width, if a row is an image
    sha256: str  # of all features and labels
    columns: tuple[Column, ...] = ()  # as those of a table
    notes: tuple[str, ...] = ()  # sentences for the user on how it was read

    @property
    def n_inputs(self) -> int:
        """D, the length of a row of the network's input."""
        return self.preprocessing.n_inputs

    @property
    def features(self) -> int:
        """The number of raw columns that are used."""
        if not self.columns:
            return int(self.train.x.shape[1])
        return sum(column.kind in ("number", "category") for column in self.columns)

    @property
    def parts(self) -> dict[str, Rows]:
        """The three sets of rows by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def n_rows(self) -> int:
        """The number of rows in all three sets."""
        return sum(len(rows) for rows in self.parts.values())


def all_rows(table: Table, classes: tuple[str, ...], reference: str) -> Rows:
    """Every row of a table.

    Raises DataError for a label that is none of the classes, which are those of `reference`.
    """
    labels = encode(table, classes, reference)
    return Rows(table.x, labels, np.arange(table.n_rows), table.weights)
