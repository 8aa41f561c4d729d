"""Scaling of features, x = (raw − offset) · scale, learnt on the training rows alone."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from mlpcli.arrays import SWEEP, Floats, Index, Raw, chunks

# A feature whose spread is below this share of its size varies by rounding alone: it is constant.
ROUNDING = 1e-12
# So is one whose spread is below this, the inverse of which would overflow.
SMALLEST = np.finfo(np.float32).tiny
# A feature moves in a row if it is farther from its usual value than this share of its deviation.
NEGLIGIBLE = 1e-3
# One that moves in a smaller share of the rows than this counts as one that moves in so many.
RARE = 0.2


@dataclass(frozen=True)
class Scaling:
    """offset (D) and scale (D), applied a minibatch at a time."""

    offset: Floats
    scale: Floats

    @property
    def n_raw(self) -> int:
        """The number of raw columns, which is D."""
        return len(self.offset)

    @property
    def n_inputs(self) -> int:
        """D, the length of a row of x."""
        return len(self.offset)

    @cached_property
    def keeps_zero(self) -> bool:
        """Whether a raw 0 stays 0."""
        return not self.offset.any()

    def apply(self, raw: Raw, x: Floats) -> None:
        """Write (raw − offset) · scale into x, both (n,D), and 0 where raw is missing."""
        if self.keeps_zero:
            np.multiply(raw, self.scale, out=x, casting="same_kind")
        else:
            np.subtract(raw, self.offset, out=x, casting="same_kind")
            np.multiply(x, self.scale, out=x, casting="same_kind")
        if raw.dtype.kind == "f" and np.isnan(np.min(x, initial=0)):
            x[np.isnan(raw)] = 0


def learn(kind: str, x: Raw, index: Index, together: bool) -> Scaling:
    """Learn a scaling from the rows `index` of x (N,D).

    A feature that is constant in these rows becomes 0 in all rows: they teach nothing about it.

    `kind` is "none" (features stay as they are), "unit" (to [0, 1], by the smallest and the
    largest value of each feature, or of all features `together`, as the pixels of images are),
    or "standard" (to mean 0 and standard deviation 1, or less if the feature hardly ever moves).
    Raises KeyError for any other kind.
    """
    statistics = STATISTICS[kind]
    low, spread, floor = statistics(x, index, together)
    size = np.abs(low)
    least = np.maximum(ROUNDING * size, SMALLEST)
    constant = spread <= least
    divisor = np.maximum(spread, floor)
    divisor[constant] = np.inf
    scale = 1 / divisor
    dtype = np.result_type(x.dtype, np.float32)
    return Scaling(low.astype(dtype), scale.astype(dtype))


# Where a feature's scale starts, its spread, and the least that it is divided by, each (D).
Statistics: TypeAlias = tuple[Floats, Floats, Floats]


def _nothing(x: Raw, index: Index, together: bool) -> Statistics:
    D = x.shape[1]
    return np.zeros(D), np.ones(D), np.zeros(D)


def _extremes(x: Raw, index: Index, together: bool) -> Statistics:
    """The smallest value of each feature and the distance to its largest."""
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
    return low, high - low, np.zeros(D)


def _deviations(x: Raw, index: Index, together: bool) -> Statistics:
    """The mean and the standard deviation of each feature; the floor is that of rare movement.

    A feature that is away from its usual value in a share p of the rows, by m say, has a deviation
    of m √p: divided by it, the rows that move would be 1/√p away, 30 if they are one in a thousand,
    and training would follow those few. The floor m √RARE keeps them to about 1/√RARE.
    """
    mean, deviation = _moments(x, index)
    share = _share_that_moves(x, index, deviation)
    one_row = 1 / len(index)
    times_rarer = RARE / np.maximum(share, one_row)
    floor = deviation * np.sqrt(times_rarer)
    return mean, deviation, floor


def _moments(x: Raw, index: Index) -> tuple[Floats, Floats]:
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


def _share_that_moves(x: Raw, index: Index, deviation: Floats) -> Floats:
    """The share of the rows in which each feature is away from its usual value (D).

    The usual value is the median of at most SWEEP rows, evenly chosen: any such choice finds the
    value of a feature that hardly ever moves.
    """
    N, D = len(index), x.shape[1]
    step = -(-N // SWEEP)
    some = index[::step]
    usual = np.median(x[some], axis=0)
    nearby = NEGLIGIBLE * deviation
    n_moves = np.zeros(D)
    for chunk in chunks(N, SWEEP):
        rows = x[index[chunk]]
        moves = np.abs(rows - usual) > nearby
        n_moves += moves.sum(axis=0)
    return n_moves / N


STATISTICS = {
    "none": _nothing,
    "unit": _extremes,
    "standard": _deviations,
}
