"""Array types, and the letters of every shape: B rows, D inputs, H hidden units, K classes."""

import mmap
import sys
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Raw: TypeAlias = NDArray[Any]  # features as they were read: uint8 for images, else a float type
Labels: TypeAlias = NDArray[np.intp]  # classes by number, from 0 to K − 1
Index: TypeAlias = NDArray[np.intp]  # of rows, each from 0
ALL = slice(0, sys.maxsize)  # a whole axis, whatever its length, with numbers for start and stop
SWEEP = 4096  # rows of a table taken at a time, so that no float copy of all of it is ever made


class Shape(NamedTuple):
    """The sizes of a network: D inputs, H hidden units, K classes."""

    D: int
    H: int
    K: int

    @property
    def weights(self) -> int:
        """How many numbers W1 (D,H) and W2 (H,K) hold."""
        return self.D * self.H + self.H * self.K

    @property
    def parameters(self) -> int:
        """How many numbers W1, W2, b1 (H) and b2 (K) hold."""
        return self.weights + self.H + self.K

    def __str__(self) -> str:
        return f"{self.D}-{self.H}-{self.K}"


def chunks(length: int, size: int) -> list[slice]:
    """Slices that cover range(length) in order, each of `size` numbers; the last may be shorter."""
    starts = range(0, length, size)
    return [slice(start, min(start + size, length)) for start in starts]


def shared_zeros(length: int, dtype: DTypeLike) -> Raw:
    """A vector of `length` zeros, at least one, in memory that forked processes share."""
    nbytes = length * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, nbytes), dtype)
