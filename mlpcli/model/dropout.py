"""Dropout masks: r holds 1/q where a unit is kept and 0 where it is dropped (inverted dropout).

Srivastava et al. 2014. One draw of 8 bits decides each unit where q is a multiple of 2⁻⁸, as 1/2 is,
and one of 16 bits elsewhere. So q is rounded to a multiple of 2⁻¹⁶, and r uses that q: the mean of r
is exactly 1, and scoring needs no rescaling.
"""

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import Floats

DRAW = 4096  # 64-bit words asked of the generator at a time, so that nothing grows with B·H


class Masks:
    """Draws masks of one shape (B, n) into one buffer; `dropout` is the probability of dropping.

    A draw is the same whatever part of the n columns is asked for: `part` says which.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dropout: float,
        dtype: DTypeLike = np.float32,
        part: slice = slice(None),
    ) -> None:
        B, self.n = shape
        threshold = max(1, round((1 - dropout) * 2**16))
        bits = 16 if threshold % 2**8 else 8
        self.threshold = threshold >> 16 - bits
        self.kept = 2**bits / self.threshold  # 1/q
        self.per_word = 64 // bits
        self.words = np.empty(-(-B * self.n // self.per_word), np.uint64)
        draws = self.words.view(f"u{bits // 8}")[: B * self.n].reshape(shape)
        self.draws = draws[:, part]
        self.keep = np.empty(self.draws.shape, np.bool_)
        self.r: Floats = np.empty(self.draws.shape, dtype)

    def draw(self, rng: np.random.Generator, rows: int) -> Floats:
        """The next mask for the first `rows` rows, (rows, n): independent draws, kept with probability q."""
        words = self.words[: -(-rows * self.n // self.per_word)]
        for start in range(0, len(words), DRAW):
            piece = words[start : start + DRAW]
            piece[:] = rng.bit_generator.random_raw(len(piece))
        r, keep = self.r[:rows], self.keep[:rows]
        np.less(self.draws[:rows], self.threshold, out=keep)
        np.multiply(keep, r.dtype.type(self.kept), out=r)
        return r


def draw_nothing_dropped(rng: np.random.Generator, rows: int) -> float:
    """The mask of a layer without dropout: r = 1, and no random number is spent."""
    return 1.0
