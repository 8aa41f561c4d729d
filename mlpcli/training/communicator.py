"""What the processes that train one network need of each other, whatever connects them.

Every process has some of the hidden units. No gradient flows to x, so a unit's weights need
nothing of the other units but the sum of all processes' h W2: a step exchanges B·K numbers.
"""

from typing import Protocol

from mlpcli.arrays import Floats


class Communicator(Protocol):
    """The connection of one process, number `rank` of `size`, with the others."""

    rank: int
    size: int

    def allreduce(self, z: Floats) -> None:
        """Replace z (n,K) by its sum over all processes, with the same bits in each of them."""

    def barrier(self) -> None:
        """Return when all processes have arrived, so that shared buffers are safe to read."""

    def close(self) -> None:
        """Release the other processes, and return when they have ended."""


class SingleProcess:
    """The Communicator of a process that has all hidden units."""

    rank = 0
    size = 1

    def allreduce(self, z: Floats) -> None:
        """Leave z (n,K) as it is: it is the whole sum."""

    def barrier(self) -> None:
        """Return at once."""

    def close(self) -> None:
        """Do nothing."""
