"""A training state cut by hidden units and put together again, and its random streams."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Floats, Shape
from mlpcli.model.network import Network
from mlpcli.model.optimizers import Hyperparameters, Optimizer
from mlpcli.model.state import TrainingState
from tests.support import reference

SHAPE = Shape(7, 11, 3)
rules = pytest.mark.parametrize(("rule", "vectors"), [("sgd", 1), ("momentum", 2), ("adam", 3)])
cuts = pytest.mark.parametrize(
    "ends", [(0, 11), (0, 5, 11), (0, 1, 2, 11), tuple(range(12))], ids=str
)


def full_state(rule: str) -> TrainingState:
    """A state in the middle of training, whose every number is another one."""
    network = Network(SHAPE, "tanh", np.float64)
    optimizer = Optimizer(rule, network, Hyperparameters(momentum=0.7), weight_decay=0.1)
    optimizer.steps = 17
    for place, vector in enumerate([network.theta, *optimizer.slots]):
        vector[:] = np.arange(SHAPE.parameters) + 1000 * (place + 1)
    streams = np.random.default_rng(1), np.random.default_rng(2)
    return TrainingState(
        network, optimizer, *streams, epoch=3, batch=2, order=np.arange(23), loss_sum=4.5
    )


def vectors_of(state: TrainingState) -> list[Floats]:
    return [state.network.theta, *state.optimizer.slots]


def units_of(ends: tuple[int, ...]) -> list[slice]:
    return [slice(*cut) for cut in pairwise(ends)]


def cut(flat: Any, units: slice) -> Any:
    """The flat vector of some of the units, all of them with b2."""
    w = reference.unflat(flat, *SHAPE)
    return reference.Weights(w.W1[:, units], w.W2[units], w.b1[units], w.b2).flat


@rules
@cuts
def test_a_part_has_copies_of_its_units_weights_and_moments_and_all_of_b2(
    rule: str, vectors: int, ends: tuple[int, ...]
) -> None:
    whole = full_state(rule)
    for units in units_of(ends):
        part = whole.part(units)
        assert part.network.shape == Shape(7, units.stop - units.start, 3)
        assert len(vectors_of(part)) == vectors
        for own, every in zip(vectors_of(part), vectors_of(whole), strict=True):
            np.testing.assert_array_equal(own, cut(every, units))
            assert own.dtype == np.float64
            assert not np.shares_memory(own, every)
        assert (part.network.activation, part.optimizer.name) == ("tanh", rule)
        assert (part.optimizer.hyper, part.optimizer.weight_decay, part.optimizer.steps) == (
            Hyperparameters(0.7),
            0.1,
            17,
        )
        assert (part.epoch, part.batch, part.loss_sum, len(part.order)) == (3, 2, 4.5, 23)


@rules
@cuts
def test_parts_put_together_again_are_the_whole(
    rule: str, vectors: int, ends: tuple[int, ...]
) -> None:
    whole = full_state(rule)
    parts = [(whole.part(units), units) for units in units_of(ends)]
    expected = [vector.copy() for vector in vectors_of(whole)]
    for vector in vectors_of(whole):
        vector[:] = np.nan
    for part, units in parts:
        whole.gather(part, units)
    assert len(expected) == vectors
    for vector, before in zip(vectors_of(whole), expected, strict=True):
        np.testing.assert_array_equal(vector, before)


def test_a_part_changes_nothing_of_the_whole_before_it_is_taken_back() -> None:
    whole = full_state("adam")
    part, untouched = whole.part(slice(3, 7)), [vector.copy() for vector in vectors_of(whole)]
    for vector in vectors_of(part):
        vector[:] = -1
    for vector, before in zip(vectors_of(whole), untouched, strict=True):
        np.testing.assert_array_equal(vector, before)
    whole.gather(part, slice(3, 7))
    for vector, before in zip(vectors_of(whole), untouched, strict=True):
        now, then = reference.unflat(vector, *SHAPE), reference.unflat(before, *SHAPE)
        others = [unit for unit in range(11) if unit not in range(3, 7)]
        np.testing.assert_array_equal(now.W1[:, others], then.W1[:, others])
        assert np.all(now.W1[:, 3:7] == -1)
        assert np.all(now.W2[3:7] == -1)
        assert np.all(now.b1[3:7] == -1)
        assert np.all(now.b2 == -1)
        np.testing.assert_array_equal(now.W2[others], then.W2[others])
        np.testing.assert_array_equal(now.b1[others], then.b1[others])


def test_a_state_that_follows_another_is_as_far_and_keeps_its_numbers() -> None:
    whole, before = (
        full_state("momentum"),
        [vector.copy() for vector in vectors_of(full_state("momentum"))],
    )
    part = whole.part(slice(0, 5))
    part.epoch, part.batch, part.loss_sum, part.order, part.optimizer.steps = (
        4,
        1,
        0.5,
        np.arange(9),
        22,
    )
    whole.gather(part, slice(0, 5))
    assert (whole.epoch, whole.batch, whole.loss_sum, len(whole.order), whole.optimizer.steps) == (
        3,
        2,
        4.5,
        23,
        17,
    )
    whole.copy_position(part)
    assert (whole.epoch, whole.batch, whole.loss_sum, len(whole.order), whole.optimizer.steps) == (
        4,
        1,
        0.5,
        9,
        22,
    )
    for vector, numbers in zip(vectors_of(whole), before, strict=True):
        np.testing.assert_array_equal(vector, numbers)
