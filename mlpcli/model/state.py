"""A training state: all that training needs to go on from where it is, whole or cut by hidden units."""

import math
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from mlpcli.arrays import Floats, Index, Shape
from mlpcli.model.network import Network
from mlpcli.model.optimizers import Optimizer
from mlpcli.model.parameters import views


@dataclass(frozen=True)
class Streams:
    """Independent random streams, all from one seed; using one leaves the others as they are."""

    split: np.random.Generator
    initialise: np.random.Generator
    shuffle: np.random.Generator
    dropout: np.random.Generator

    @classmethod
    def from_seed(cls, seed: int) -> Self:
        """The four streams of a run."""
        sequences = np.random.SeedSequence(seed).spawn(4)
        return cls(*(np.random.Generator(np.random.PCG64DXSM(s)) for s in sequences))


@dataclass
class TrainingState:
    """All that training needs to go on from where it is."""

    network: Network
    optimizer: Optimizer
    shuffle: np.random.Generator
    dropout: np.random.Generator
    epoch: int = 0  # epochs finished
    batch: int = 0  # batches finished in the epoch in progress
    order: Index = field(default_factory=lambda: np.empty(0, np.intp))  # that epoch's order of rows
    loss_sum: float = 0.0  # over the rows seen in it

    def part(self, units: slice) -> "TrainingState":
        """A state of its own for some of the hidden units: their weights and moments are copied, b2 is every part's."""
        D, _, K = self.network.shape
        network = Network(
            Shape(D, units.stop - units.start, K), self.network.activation, self.network.theta.dtype
        )
        part = replace(self, network=network, optimizer=self.optimizer.resting_for(network))
        for own, whole in _pairs(part, self, units):
            own[...] = whole
        return part

    def gather(self, part: "TrainingState", units: slice) -> None:
        """Take over a part's weights and moments."""
        for own, whole in _pairs(part, self, units):
            whole[...] = own

    def copy_position(self, other: "TrainingState") -> None:
        """Take over another state's position: how far it has come, and in what order of rows."""
        self.optimizer.steps = other.optimizer.steps
        self.epoch, self.batch, self.order, self.loss_sum = (
            other.epoch,
            other.batch,
            other.order,
            other.loss_sum,
        )


@dataclass
class Best:
    """The weights with the lowest validation loss so far; none yet where the epoch is 0."""

    theta: Floats
    epoch: int = 0
    loss: float = math.inf


def _pairs(part: TrainingState, whole: TrainingState, units: slice) -> list[tuple[Floats, Floats]]:
    """Each array of a part with the same one of the whole, cut to the part's units."""
    vectors = zip(
        [part.network.theta, *part.optimizer.slots],
        [whole.network.theta, *whole.optimizer.slots],
        strict=True,
    )
    pairs: list[tuple[Floats, Floats]] = []
    for own, all_units in vectors:
        W1, W2, b1, b2 = views(all_units, whole.network.shape)
        pairs += zip(
            views(own, part.network.shape), (W1[:, units], W2[units], b1[units], b2), strict=True
        )
    return pairs
