"""Dropout masks: r holds 1/q where a unit is kept and 0 where it is dropped (inverted dropout).

Srivastava et al. 2014. One 16-bit draw decides each unit, so q is rounded to a multiple of 2⁻¹⁶
and r uses that q: the mean of r is exactly 1, and scoring needs no rescaling.
"""

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import Floats

DRAW = 4096  # 64-bit words asked of the generator at a time, so that nothing grows with B·H


class Masks:
    """Draws masks of one shape (B, n) into one buffer; `dropout` is the probability of dropping."""

    def __init__(self, shape: tuple[int, int], dropout: float, dtype: DTypeLike = np.float32) -> None:
        B, n = shape
        self.threshold = max(1, round((1 - dropout) * 2**16))
        self.r: Floats = np.empty(shape, dtype)
        self.keep = np.empty(shape, np.bool_)
        self.words = np.empty(-(-B * n // 4), np.uint64)
        self.draws = self.words.view(np.uint16)[: B * n].reshape(shape)

    def draw(self, stream: np.random.Generator, rows: int) -> Floats:
        """The next mask for the first `rows` rows, (rows, n): independent draws, kept with probability q."""
        words = self.words[: -(-rows * self.r.shape[1] // 4)]
        for start in range(0, len(words), DRAW):
            piece = words[start : start + DRAW]
            piece[:] = stream.bit_generator.random_raw(len(piece))
        r, keep = self.r[:rows], self.keep[:rows]
        np.less(self.draws[:rows], self.threshold, out=keep)
        np.multiply(keep, r.dtype.type(2**16 / self.threshold), out=r)
        return r


def draw_nothing_dropped(stream: np.random.Generator, rows: int) -> float:
    """The mask of a layer without dropout: r = 1, and no random number is spent."""
    return 1.0
