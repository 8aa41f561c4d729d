"""A data set ready to train on: three sets of rows over the arrays as read, classes, scaling."""

from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import Index, Labels, Raw
from mlpcli.datasets.classes import encode
from mlpcli.datasets.table import Table
from mlpcli.preprocessing.scaling import Scaling


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, by their indices; features and labels are shared, never copied.

    x (N,D) and labels (N), which are indices of classes, are those of the whole table.
    """

    x: Raw
    labels: Labels
    index: Index

    def __len__(self) -> int:
        return len(self.index)

    def subset(self, indices: slice) -> "Rows":
        """Some of these rows, by their indices among them."""
        return Rows(self.x, self.labels, self.index[indices])


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test rows, with their classes and the scaling of their features."""

    source: str  # what the user named
    classes: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    scaling: Scaling
    scaling_kind: str
    image: tuple[int, int] | None  # height and width, if a row is an image
    sha256: str  # of all features and labels
    columns: tuple[str, ...] = ()  # the features' names, if the source has them

    @property
    def features(self) -> int:
        """D, the number of features."""
        return int(self.train.x.shape[1])

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
    return Rows(table.x, encode(table, classes, reference), np.arange(table.n_rows))
