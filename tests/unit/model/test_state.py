"""A training state cut into shards and gathered again, and the random streams of a run."""

from dataclasses import astuple
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Floats, Shape
from mlpcli.model.network import Network
from mlpcli.model.optimizers import Hyperparameters, Optimizer
from mlpcli.model.state import Streams, TrainingState
from tests.support import reference

SHAPE = Shape(7, 11, 3)
HYPER = Hyperparameters(momentum=0.7, nesterov=True, beta1=0.9, beta2=0.999, epsilon=1e-8)
rules = pytest.mark.parametrize(("rule", "count"), [("sgd", 1), ("momentum", 2), ("adam", 3)])
cuts = pytest.mark.parametrize(
    "ends", [(0, 11), (0, 5, 11), (0, 1, 2, 11), tuple(range(12))], ids=str
)


def full_state(rule: str) -> TrainingState:
    """A state in the middle of training, all of whose numbers differ."""
    network = Network(SHAPE, "tanh", np.float64)
    optimizer = Optimizer(rule, network, HYPER, weight_decay=0.1)
    optimizer.steps = 17
    for n, vector in enumerate([network.theta, *optimizer.slots], start=1):
        vector[:] = np.arange(SHAPE.parameters) + 1000 * n
    return TrainingState(
        network,
        optimizer,
        shuffle=np.random.default_rng(1),
        dropout=np.random.default_rng(2),
        epoch=3,
        batch=2,
        order=np.arange(23),
        loss_sum=4.5,
    )


def vectors_of(state: TrainingState) -> list[Floats]:
    """The vectors as long as theta."""
    return [state.network.theta, *state.optimizer.slots]


def copies_of(state: TrainingState) -> list[Floats]:
    return [vector.copy() for vector in vectors_of(state)]


def position_of(state: TrainingState) -> tuple[float, ...]:
    """How far the state has come; the order of rows by its length."""
    steps = state.optimizer.steps
    return state.epoch, state.batch, state.loss_sum, len(state.order), steps


def units_of(ends: tuple[int, ...]) -> list[slice]:
    return [slice(*cut) for cut in pairwise(ends)]


def of_units(flat: Any, units: slice) -> reference.Weights:
    """Some units' weights in the flat vector of all units, with all of b2."""
    w = reference.unflat(flat, *SHAPE)
    return reference.Weights(w.W1[:, units], w.W2[units], w.b1[units], w.b2)


@rules
@cuts
def test_a_shard_has_copies_of_its_units_weights_and_moments_and_all_of_b2(
    rule: str, count: int, ends: tuple[int, ...]
) -> None:
    whole = full_state(rule)
    for units in units_of(ends):
        shard = whole.shard(units)
        assert shard.network.shape == Shape(7, units.stop - units.start, 3)
        assert shard.network.activation == "tanh"
        assert len(vectors_of(shard)) == count
        for own, every in zip(vectors_of(shard), vectors_of(whole), strict=True):
            np.testing.assert_array_equal(own, of_units(every, units).flat)
            assert own.dtype == np.float64
            assert not np.shares_memory(own, every)


@rules
def test_a_shard_has_the_wholes_rule_position_and_random_streams(rule: str, count: int) -> None:
    whole = full_state(rule)
    shard = whole.shard(slice(3, 7))
    assert len(shard.optimizer.slots) == count - 1
    assert shard.optimizer.name == rule
    assert shard.optimizer.hyper == HYPER
    assert shard.optimizer.weight_decay == 0.1
    assert position_of(shard) == position_of(whole) == (3, 2, 4.5, 23, 17)
    assert shard.shuffle is whole.shuffle
    assert shard.dropout is whole.dropout


@rules
@cuts
def test_shards_gathered_are_the_whole_again(rule: str, count: int, ends: tuple[int, ...]) -> None:
    whole = full_state(rule)
    expected = copies_of(whole)
    shards = [(whole.shard(units), units) for units in units_of(ends)]
    for vector in vectors_of(whole):
        vector[:] = np.nan
    for shard, units in shards:
        whole.gather(shard, units)
    assert len(expected) == count
    for vector, before in zip(vectors_of(whole), expected, strict=True):
        np.testing.assert_array_equal(vector, before)


def test_a_shard_changes_nothing_of_the_whole_before_it_is_gathered() -> None:
    whole = full_state("adam")
    untouched = copies_of(whole)
    shard = whole.shard(slice(3, 7))
    for vector in vectors_of(shard):
        vector[:] = -1
    for vector, before in zip(vectors_of(whole), untouched, strict=True):
        np.testing.assert_array_equal(vector, before)


def test_gathering_a_shard_changes_its_units_and_b2_alone() -> None:
    whole = full_state("adam")
    untouched = copies_of(whole)
    shard = whole.shard(slice(3, 7))
    for vector in vectors_of(shard):
        vector[:] = -1
    whole.gather(shard, slice(3, 7))
    others = [unit for unit in range(11) if unit not in range(3, 7)]
    for vector, before in zip(vectors_of(whole), untouched, strict=True):
        assert np.all(of_units(vector, slice(3, 7)).flat == -1)
        now = reference.unflat(vector, *SHAPE)
        then = reference.unflat(before, *SHAPE)
        np.testing.assert_array_equal(now.W1[:, others], then.W1[:, others])
        np.testing.assert_array_equal(now.W2[others], then.W2[others])
        np.testing.assert_array_equal(now.b1[others], then.b1[others])


def test_a_state_that_copies_a_position_keeps_its_own_numbers() -> None:
    whole = full_state("momentum")
    before = copies_of(whole)
    shard = whole.shard(slice(0, 5))
    shard.epoch = 4
    shard.batch = 1
    shard.loss_sum = 0.5
    shard.order = np.arange(9)
    shard.optimizer.steps = 22
    whole.gather(shard, slice(0, 5))
    assert position_of(whole) == (3, 2, 4.5, 23, 17)
    whole.copy_position(shard)
    assert position_of(whole) == (4, 1, 0.5, 9, 22)
    for vector, numbers in zip(vectors_of(whole), before, strict=True):
        np.testing.assert_array_equal(vector, numbers)


def first_draws(seed: int) -> list[float]:
    """The first number of each of a seed's streams."""
    return [rng.random() for rng in astuple(Streams.from_seed(seed))]


def test_the_streams_of_a_seed_are_its_own_and_differ_from_each_other() -> None:
    draws = first_draws(0)
    assert draws == first_draws(0)
    assert len({*draws, *first_draws(1)}) == 8


def test_drawing_from_one_stream_leaves_the_others_as_they_are() -> None:
    streams = Streams.from_seed(0)
    streams.shuffle.permutation(100)
    expected = first_draws(0)
    assert streams.split.random() == expected[0]
    assert streams.initialise.random() == expected[1]
    assert streams.dropout.random() == expected[3]
