"""Array types, and the letters of every shape: B rows, D inputs, H hidden units, K classes."""

import mmap
import sys
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Raw: TypeAlias = NDArray[Any]  # features as they were read: uint8 for images, else a float type
Labels: TypeAlias = NDArray[np.intp]
Index: TypeAlias = NDArray[np.intp]
ALL = slice(0, sys.maxsize)  # of an axis, with a start and an end that are numbers
SWEEP = 4096  # rows looked at together in a sweep of a whole table, so that no float copy of it is ever made


class Shape(NamedTuple):
    """The three sizes of a network: D inputs, H hidden units, K classes."""

    D: int
    H: int
    K: int

    @property
    def weights(self) -> int:
        """How many numbers W1 and W2 hold."""
        return self.D * self.H + self.H * self.K

    @property
    def parameters(self) -> int:
        """How many numbers W1, W2, b1 and b2 hold."""
        return self.weights + self.H + self.K

    def __str__(self) -> str:
        return f"{self.D}-{self.H}-{self.K}"


def chunks(length: int, size: int) -> list[slice]:
    """Slices that cover range(length) in order, each of `size` but for a shorter last one."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def shared_zeros(length: int, dtype: DTypeLike) -> Raw:
    """A vector of zeros that a forked process shares instead of copying it."""
    return np.frombuffer(mmap.mmap(-1, length * np.dtype(dtype).itemsize), dtype)
