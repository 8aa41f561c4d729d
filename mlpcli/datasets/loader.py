"""Minibatches: rows gathered and encoded as the network's input, without a copy of the table."""

from collections.abc import Iterator

import numpy as np

from mlpcli.arrays import ALL, Floats, Index, Labels, chunks
from mlpcli.datasets.dataset import Rows
from mlpcli.preprocessing.encoding import Preprocessing

LARGE_IMAGE = 256  # features from which on it pays to look for blank borders


class BatchLoader:
    """Gathers raw rows into a buffer of their own type, and encodes them as the network's x."""

    def __init__(self, rows: Rows, preprocessing: Preprocessing, B: int) -> None:
        self.rows = rows
        self.preprocessing = preprocessing
        D = rows.x.shape[1]
        dtype = rows.x.dtype
        self.raw = np.empty((B, D), dtype)
        is_large_image = dtype == np.uint8 and D >= LARGE_IMAGE
        self.may_have_blank_borders = is_large_image and preprocessing.keeps_zero

    def fill(self, indices: Index, x: Floats) -> Labels:
        """Write the rows of these indices (n) into x (n,D); returns their labels (n)."""
        rows = self.rows
        index = rows.index[indices]
        n = len(index)
        raw = self.raw[:n]
        np.take(rows.x, index, axis=0, out=raw, mode="clip")
        self.preprocessing.apply(raw, x)
        return rows.labels[index]

    def weights(self, indices: Index) -> Floats | None:
        """The weights of the rows of these indices (n), or None if rows have none."""
        rows = self.rows
        if rows.weights is None:
            return None
        weights: Floats = rows.weights[rows.index[indices]]
        return weights

    def active_columns(self, n: int) -> slice:
        """The columns from the first to the last that are not all zero in the n rows just filled.

        All columns, unless rows are large images, which may have blank borders.
        """
        if not self.may_have_blank_borders:
            return ALL
        raw = self.raw[:n]
        largest = np.maximum.reduce(raw, axis=0)
        (active,) = largest.nonzero()
        if not len(active):
            return slice(0, 0)
        first = active[0]
        last = active[-1]
        return slice(first, last + 1)

    def batches(self, x: Floats) -> Iterator[tuple[Floats, Labels]]:
        """All rows in order, at most len(x) at a time, each minibatch written into x."""
        n_rows = len(self.rows)
        B = len(x)
        indices = np.arange(n_rows)
        for piece in chunks(n_rows, B):
            batch_indices = indices[piece]
            n = len(batch_indices)
            batch = x[:n]
            labels = self.fill(batch_indices, batch)
            yield batch, labels
