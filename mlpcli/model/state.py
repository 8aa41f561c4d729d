"""The training state: all that training needs to go on, whole or for some hidden units."""

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
    """Independent random streams of one seed; drawing from one leaves the others as they are."""

    split: np.random.Generator
    initialise: np.random.Generator
    shuffle: np.random.Generator
    dropout: np.random.Generator

    @classmethod
    def from_seed(cls, seed: int) -> Self:
        """The four streams of a run; the same seed, at least 0, gives the same streams."""
        sequences = np.random.SeedSequence(seed).spawn(4)
        generators = [np.random.Generator(np.random.PCG64DXSM(s)) for s in sequences]
        return cls(*generators)


def _no_order() -> Index:
    """The order of rows before the first epoch has begun."""
    return np.empty(0, np.intp)


@dataclass
class TrainingState:
    """All that training needs to go on from where it is."""

    network: Network
    optimizer: Optimizer
    shuffle: np.random.Generator
    dropout: np.random.Generator
    epoch: int = 0  # epochs finished
    batch: int = 0  # minibatches finished in the epoch in progress
    order: Index = field(default_factory=_no_order)  # the rows, as that epoch takes them
    loss_sum: float = 0.0  # over the rows that the epoch has taken

    def shard(self, units: slice) -> "TrainingState":
        """A state that trains some of the hidden units.

        It has copies of their weights and moments, and of all of b2, which every shard holds.
        The random streams are the same objects as this state's.
        """
        D, _, K = self.network.shape
        shape = Shape(D, units.stop - units.start, K)
        whole = self.network
        network = Network(shape, whole.activation, whole.theta.dtype, whole.smoothing)
        shard = replace(self, network=network, optimizer=self.optimizer.for_network(network))
        for of_shard, of_whole in _shared_arrays(shard, self, units):
            of_shard[...] = of_whole
        return shard

    def gather(self, shard: "TrainingState", units: slice) -> None:
        """Copy a shard's weights and moments into this state; `units` are the shard's."""
        for of_shard, of_whole in _shared_arrays(shard, self, units):
            of_whole[...] = of_shard

    def copy_position(self, other: "TrainingState") -> None:
        """Copy how far another state has come: its steps, epoch, minibatch, order and loss."""
        self.optimizer.steps = other.optimizer.steps
        self.epoch = other.epoch
        self.batch = other.batch
        self.order = other.order
        self.loss_sum = other.loss_sum


@dataclass
class Best:
    """The weights with the lowest validation loss so far; epoch 0 means that there are none yet."""

    theta: Floats
    epoch: int = 0
    loss: float = math.inf


def _shared_arrays(
    shard: TrainingState, whole: TrainingState, units: slice
) -> list[tuple[Floats, Floats]]:
    """Each array of a shard beside the view of the whole state's array that it is a copy of."""
    pairs: list[tuple[Floats, Floats]] = []
    for of_shard, of_whole in zip(_vectors(shard), _vectors(whole), strict=True):
        W1, W2, b1, b2 = views(of_whole, whole.network.shape)
        cut = (W1[:, units], W2[units], b1[units], b2)
        pairs += zip(views(of_shard, shard.network.shape), cut, strict=True)
    return pairs


def _vectors(state: TrainingState) -> list[Floats]:
    """The vectors that are as long as theta: theta itself and the optimizer's slots."""
    return [state.network.theta, *state.optimizer.slots]
