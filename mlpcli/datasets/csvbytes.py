"""Cells as places in a block of bytes: numbers and words read by the thousand, without strings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Index


@dataclass(frozen=True)
class Spans:
    """Cells (N) of a block: cell i is block[starts[i]:ends[i]], in UTF-8."""

    block: bytes
    starts: Index
    ends: Index

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> str:
        return self.block[self.starts[index] : self.ends[index]].decode()

    def numbers(self, decimal: str) -> tuple[Floats, NDArray[np.intp]]:
        """The cells as numbers, and the indices of those that are left to be read one by one."""
        return np.full(len(self), np.nan), np.arange(len(self))

    def distinct(self) -> tuple[list[str], NDArray[np.intp]]:
        """The distinct texts, and for each cell the index of its own."""
        index_of: dict[str, int] = {}
        inverse = [index_of.setdefault(self[k], len(index_of)) for k in range(len(self))]
        return list(index_of), np.array(inverse, np.intp)
