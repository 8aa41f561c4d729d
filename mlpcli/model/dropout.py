"""Dropout masks r: 1/q for a unit that is kept, 0 for one that is dropped (inverted dropout).

After Srivastava et al. 2014; q is the probability of keeping a unit. q is rounded to a multiple
of 2⁻¹⁶, and r uses the rounded q: the mean of r is exactly 1, and scoring needs no rescaling.
A unit takes 8 random bits where q is a multiple of 2⁻⁸, as 1/2 is, and 16 bits otherwise.
"""

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import Floats, chunks

WORDS = 4096  # 64-bit words drawn at a time, so that no temporary array grows with B·H


class Masks:
    """Draws masks of one shape (B,n) into one buffer; `dropout` is the probability of dropping.

    `columns` selects some of the n columns. They are those of the whole mask, and a draw advances
    the generator as a draw of the whole mask does.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dropout: float,
        dtype: DTypeLike = np.float32,
        columns: slice = slice(None),
    ) -> None:
        B, self.n = shape
        threshold = max(1, round((1 - dropout) * 2**16))  # q, in units of 2⁻¹⁶
        bits = 8 if threshold % 2**8 == 0 else 16
        self.threshold = threshold >> 16 - bits
        self.kept = 2**bits / self.threshold  # 1/q
        self.per_word = 64 // bits
        self.words = np.empty(self._words_for(B), np.uint64)
        all_draws = self.words.view(f"u{bits // 8}")
        draws = all_draws[: B * self.n].reshape(shape)
        self.draws = draws[:, columns]
        self.keep = np.empty(self.draws.shape, np.bool_)
        self.r: Floats = np.empty(self.draws.shape, dtype)

    def _words_for(self, rows: int) -> int:
        """The number of 64-bit words that masks of some rows take, a last one in part."""
        return -(-rows * self.n // self.per_word)

    def draw(self, rng: np.random.Generator, rows: int) -> Floats:
        """Draw a mask (rows,n), or its selected columns, each unit independently.

        `rows` is at most B. The mask is a view of the buffer: the next draw overwrites it.
        """
        words = self.words[: self._words_for(rows)]
        for chunk in chunks(len(words), WORDS):
            n_words = chunk.stop - chunk.start
            words[chunk] = rng.bit_generator.random_raw(n_words)
        r = self.r[:rows]
        keep = self.keep[:rows]
        np.less(self.draws[:rows], self.threshold, out=keep)
        np.multiply(keep, r.dtype.type(self.kept), out=r)
        return r


def draw_nothing_dropped(rng: np.random.Generator, rows: int) -> float:
    """The mask of a layer without dropout: r = 1, and no random number is drawn."""
    return 1.0
