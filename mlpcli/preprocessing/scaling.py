"""Scaling of features, x = (raw − offset) · scale, learnt on the training rows alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlpcli.arrays import SWEEP, Floats, Index, Raw, chunks

# A feature whose spread is below this share of its size varies by rounding alone: it is constant.
ROUNDING = 1e-12
# So is one whose spread is below this, the inverse of which would overflow.
SMALLEST = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Scaling:
    """offset (D) and scale (D), applied a minibatch at a time."""

    offset: Floats
    scale: Floats

    @cached_property
    def keeps_zero(self) -> bool:
        """Whether a raw 0 stays 0."""
        return not self.offset.any()

    def apply(self, raw: Raw, x: Floats) -> None:
        """Write (raw − offset) · scale into x, both (n,D)."""
        if self.keeps_zero:
            np.multiply(raw, self.scale, out=x, casting="same_kind")
        else:
            np.subtract(raw, self.offset, out=x, casting="same_kind")
            np.multiply(x, self.scale, out=x, casting="same_kind")


def learn(kind: str, x: Raw, index: Index, together: bool) -> Scaling:
    """Learn a scaling from the rows `index` of x (N,D); a constant feature becomes 0.

    `kind` is "none" (features stay as they are), "unit" (to [0, 1], by the smallest and the
    largest value of each feature, or of all features `together`, as the pixels of images are),
    or "standard" (to mean 0 and standard deviation 1). Raises KeyError for any other kind.
    """
    low, spread = STATISTICS[kind](x, index, together)
    size = np.abs(low)
    constant = spread <= np.maximum(ROUNDING * size, SMALLEST)
    # A constant feature is divided by its size, or the rounding of a large one would be large.
    unit = np.where(constant, np.maximum(1, size), spread)
    dtype = np.result_type(x.dtype, np.float32)
    scale = 1 / unit
    return Scaling(low.astype(dtype), scale.astype(dtype))


def _nothing(x: Raw, index: Index, together: bool) -> tuple[Floats, Floats]:
    D = x.shape[1]
    return np.zeros(D), np.ones(D)


def _extremes(x: Raw, index: Index, together: bool) -> tuple[Floats, Floats]:
    """The smallest value of each feature and the distance to its largest, each (D)."""
    D = x.shape[1]
    low = np.full(D, np.inf)
    high = np.full(D, -np.inf)
    for chunk in chunks(len(index), SWEEP):
        rows = x[index[chunk]]
        np.minimum(low, rows.min(axis=0), out=low)
        np.maximum(high, rows.max(axis=0), out=high)
    if together:
        low[:] = low.min()
        high[:] = high.max()
    return low, high - low


def _moments(x: Raw, index: Index, together: bool) -> tuple[Floats, Floats]:
    """The mean and the standard deviation of each feature, each (D), in two passes."""
    N, D = len(index), x.shape[1]
    mean = np.zeros(D)
    for chunk in chunks(N, SWEEP):
        rows = x[index[chunk]]
        mean += rows.sum(axis=0, dtype=np.float64) / N
    variance = np.zeros(D)
    for chunk in chunks(N, SWEEP):
        deviations = x[index[chunk]] - mean
        variance += (deviations**2).sum(axis=0) / N
    return mean, np.sqrt(variance)


STATISTICS = {
    "none": _nothing,
    "unit": _extremes,
    "standard": _moments,
}
