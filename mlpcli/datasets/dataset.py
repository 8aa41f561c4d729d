"""A data set ready to train on: three sets of rows over the arrays as read, classes and scaling."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import ALL, Floats, Index, Labels, Raw, chunks
from mlpcli.datasets.table import Table, encode
from mlpcli.preprocessing.scaling import Scaling

LARGE = 256  # features, of images whose blank borders are worth looking for


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, by their places in it; the features are shared, never copied."""

    x: Raw
    labels: Labels
    index: Index

    def __len__(self) -> int:
        return len(self.index)

    def part(self, places: slice) -> "Rows":
        """Some of these rows, by their places among them."""
        return Rows(self.x, self.labels, self.index[places])


@dataclass(frozen=True)
class Dataset:
    """Rows to train on, to choose by and to score, with what is needed to read and name them."""

    source: str
    classes: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    scaling: Scaling
    scaling_kind: str
    image: tuple[int, int] | None
    sha256: str
    columns: tuple[str, ...] = ()  # the features' names, where the source has them

    @property
    def features(self) -> int:
        """D, the number of features."""
        return int(self.train.x.shape[1])

    @property
    def parts(self) -> dict[str, Rows]:
        """The three sets of rows by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def rows(self) -> int:
        """All rows: training, validation and test."""
        return sum(map(len, self.parts.values()))


class BatchLoader:
    """Gathers minibatches: raw rows into a buffer of their own type, scaled into the network's x."""

    def __init__(self, rows: Rows, scaling: Scaling, B: int) -> None:
        self.rows = rows
        self.scaling = scaling
        self.raw = np.empty((B, rows.x.shape[1]), rows.x.dtype)
        self.bordered = rows.x.dtype == np.uint8 and rows.x.shape[1] >= LARGE and scaling.keeps_zero

    def fill(self, places: Index, x: Floats) -> Labels:
        """Write the rows at these places of the set into x (n,D), scaled, and return their labels (n)."""
        index, raw = self.rows.index[places], self.raw[: len(places)]
        np.take(self.rows.x, index, axis=0, out=raw, mode="clip")
        self.scaling.apply(raw, x)
        return self.rows.labels[index]

    def active_columns(self, n: int) -> slice:
        """The columns from the first to the last that hold more than zeros in the n rows just filled.

        Looked for in large images alone, which have blank borders; elsewhere they are all columns.
        """
        if not self.bordered:
            return ALL
        (seen,) = np.maximum.reduce(self.raw[:n], axis=0).nonzero()
        return slice(seen[0], seen[-1] + 1) if len(seen) else slice(0, 0)

    def batches(self, x: Floats) -> Iterator[tuple[Floats, Labels]]:
        """All rows in order, at most len(x) at a time, each written into x."""
        places = np.arange(len(self.rows))
        for piece in chunks(len(places), len(x)):
            batch = x[: piece.stop - piece.start]
            yield batch, self.fill(places[piece], batch)


def all_rows(table: Table, classes: tuple[str, ...], told: str) -> Rows:
    """Every row of a table, its labels as places in classes."""
    return Rows(table.x, encode(table, classes, told), np.arange(len(table.x)))
