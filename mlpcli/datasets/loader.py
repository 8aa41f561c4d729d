"""Minibatches: rows gathered and scaled into the network's input, without a copy of the table."""

from collections.abc import Iterator

import numpy as np

from mlpcli.arrays import ALL, Floats, Index, Labels, chunks
from mlpcli.datasets.dataset import Rows
from mlpcli.preprocessing.scaling import Scaling

LARGE_IMAGE = 256  # features from which on it pays to look for blank borders


class BatchLoader:
    """Gathers raw rows into a buffer of their own type, and scales them into the network's x."""

    def __init__(self, rows: Rows, scaling: Scaling, B: int) -> None:
        D = rows.x.shape[1]
        is_large_image = rows.x.dtype == np.uint8 and D >= LARGE_IMAGE
        self.rows = rows
        self.scaling = scaling
        self.raw = np.empty((B, D), rows.x.dtype)
        self.may_have_blank_borders = is_large_image and scaling.keeps_zero

    def fill(self, indices: Index, x: Floats) -> Labels:
        """Write the rows of these indices (n), scaled, into x (n,D); returns their labels (n)."""
        raw = self.raw[: len(indices)]
        index = self.rows.index[indices]
        np.take(self.rows.x, index, axis=0, out=raw, mode="clip")
        self.scaling.apply(raw, x)
        return self.rows.labels[index]

    def active_columns(self, n: int) -> slice:
        """The columns from the first to the last that are not all zero in the n rows just filled.

        All columns, unless rows are large images, which may have blank borders.
        """
        if not self.may_have_blank_borders:
            return ALL
        largest = np.maximum.reduce(self.raw[:n], axis=0)
        (active,) = largest.nonzero()
        if not len(active):
            return slice(0, 0)
        return slice(active[0], active[-1] + 1)

    def batches(self, x: Floats) -> Iterator[tuple[Floats, Labels]]:
        """All rows in order, at most len(x) at a time, each minibatch written into x."""
        indices = np.arange(len(self.rows))
        for piece in chunks(len(indices), len(x)):
            batch = x[: piece.stop - piece.start]
            yield batch, self.fill(indices[piece], batch)
