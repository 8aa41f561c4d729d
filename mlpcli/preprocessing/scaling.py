"""Scaling of features, x_in = (x − offset) · scale, learnt on the training rows alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlpcli.arrays import SWEEP, Floats, Index, Raw, chunks

ROUNDING = (
    1e-12  # a spread below this share of a feature's size is rounding: the feature is constant
)
SMALLEST = np.finfo(np.float32).tiny  # and so is one below this, whose inverse would overflow


@dataclass(frozen=True)
class Scaling:
    """offset (D) and scale (D), applied a minibatch at a time."""

    offset: Floats
    scale: Floats

    @cached_property
    def keeps_zero(self) -> bool:
        """Whether a raw 0 is a 0 for the network too."""
        return not self.offset.any()

    def apply(self, raw: Raw, x: Floats) -> None:
        """Write (raw − offset) · scale into x, both (n,D)."""
        if self.keeps_zero:
            np.multiply(raw, self.scale, out=x, casting="same_kind")
        else:
            np.subtract(raw, self.offset, out=x, casting="same_kind")
            np.multiply(x, self.scale, out=x, casting="same_kind")


def learn(kind: str, x: Raw, index: Index, together: bool) -> Scaling:
    """The scaling of that kind for the rows `index` of x (N,D).

    none: as it is. unit: to [0, 1], by the extremes of each feature, or of all features
    `together` (the pixels of images). standard: to mean 0 and standard deviation 1.
    """
    low, span = {"none": _nothing, "unit": _extremes, "standard": _moments}[kind](
        x, index, together
    )
    constant = span <= np.maximum(ROUNDING * np.abs(low), SMALLEST)
    unit = np.where(
        constant, np.maximum(1, np.abs(low)), span
    )  # or the rounding of a large one would be large
    dtype = np.result_type(x.dtype, np.float32)
    return Scaling(low.astype(dtype), (1 / unit).astype(dtype))


def _nothing(x: Raw, index: Index, together: bool) -> tuple[Floats, Floats]:
    return np.zeros(x.shape[1]), np.ones(x.shape[1])


def _extremes(x: Raw, index: Index, together: bool) -> tuple[Floats, Floats]:
    low, high = np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
    for piece in chunks(len(index), SWEEP):
        rows = x[index[piece]]
        np.minimum(low, rows.min(axis=0), out=low)
        np.maximum(high, rows.max(axis=0), out=high)
    if together:
        low[:], high[:] = low.min(), high.max()
    return low, high - low


def _moments(x: Raw, index: Index, together: bool) -> tuple[Floats, Floats]:
    mean, square = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for piece in chunks(len(index), SWEEP):
        mean += x[index[piece]].sum(axis=0, dtype=np.float64) / len(index)
    for piece in chunks(len(index), SWEEP):
        square += ((x[index[piece]] - mean) ** 2).sum(axis=0) / len(index)
    return mean, np.sqrt(square)
