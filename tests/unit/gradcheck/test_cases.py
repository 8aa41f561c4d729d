"""Small cases: each covers everything, and none is left to chance."""

from dataclasses import replace
from itertools import combinations
from math import gcd

import numpy as np
import pytest

from mlpcli.gradcheck.cases import (
    FLIPS,
    NEAR,
    SHAPE,
    B,
    Coverage,
    coverage,
    network_of,
    small_case,
    train,
)
from mlpcli.gradcheck.complex_step import Case, loss
from tests.support.backward_passes import ACTIVATIONS

activations = pytest.mark.parametrize("activation", ACTIVATIONS)
SEEDS = range(40)


def same(one: Case, other: Case) -> bool:
    return all(
        np.array_equal(getattr(one, n), getattr(other, n))
        for n in ("x", "labels", "r", "W1", "b1", "W2", "b2")
    )


def test_no_two_lengths_have_a_common_divisor() -> None:
    assert [pair for pair in combinations((B, *SHAPE), 2) if gcd(*pair) > 1] == []


@activations
def test_equal_seeds_give_equal_cases_and_others_do_not(activation: str) -> None:
    made = [small_case("any", activation, seed, dropout=0.5, trained=True) for seed in (3, 3, 4)]
    assert same(made[0], made[1])
    assert not same(made[0], made[2])


@activations
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_every_case_covers_everything_and_keeps_clear_of_kinks(
    activation: str, dropout: float
) -> None:
    for seed in SEEDS:
        case = small_case("any", activation, seed, dropout=dropout, trained=seed % 2 == 0)
        assert coverage(case).gap(dropout > 0) == ""
        assert np.abs(case.a).min() > NEAR


def test_a_case_at_the_kink_has_a_unit_at_exactly_0_in_every_row() -> None:
    case = small_case("any", "relu", 0, dropout=0.5, at_kink=True)
    np.testing.assert_array_equal(case.a[:, 0], np.zeros(B))
    assert coverage(case).at_kink == B
    assert coverage(replace(case, activation="tanh")).at_kink == 0


@activations
def test_every_number_is_the_same_in_float32_and_float64(activation: str) -> None:
    case = small_case("any", activation, 1, dropout=0.3, input_dropout=0.2, trained=True)
    for name in ("x", "r", "W1", "b1", "W2", "b2"):
        value = getattr(case, name)
        np.testing.assert_array_equal(value.astype(np.float32), value, err_msg=name)


def test_inputs_are_dropped_where_that_is_asked_for() -> None:
    assert np.all(small_case("any", "relu", 2).x)
    assert np.count_nonzero(small_case("any", "relu", 2, input_dropout=0.2).x == 0) > 0


def test_the_mask_is_0_or_1_over_the_probability_of_keeping() -> None:
    assert np.unique(small_case("any", "relu", 3).r).tolist() == [1]
    assert np.unique(small_case("any", "relu", 3, dropout=0.2).r) == pytest.approx(
        [0, 1.25], rel=1e-4
    )


@activations
def test_trained_weights_have_a_lower_loss(activation: str) -> None:
    case = small_case("any", activation, 4, dropout=0.5, l2=0.01)
    assert loss(train(case)) < loss(case) / 2


def test_logits_can_be_past_the_range_of_exp() -> None:
    case = small_case("any", "relu", 5, overflow=True)
    assert np.all(np.ptp(case.z, axis=1) > np.log(np.finfo(np.float64).max))


FULL = Coverage(
    units=9, dropped=3, live=3, dead=3, at_kink=0, flipped=FLIPS, classes=4, all_classes=4
)


@pytest.mark.parametrize(
    ("lacking", "gap"),
    [
        ({}, ""),
        ({"dropped": 9, "live": 0, "dead": 0}, "a unit that is kept"),
        ({"dropped": 0}, "a unit that is dropped"),
        ({"live": 0}, "a live unit"),
        ({"dead": 0}, "a dead unit"),
        ({"classes": 3}, "every class"),
        ({"flipped": FLIPS - 1}, "a bias that flips 3 kept units"),
    ],
)
def test_a_case_that_would_prove_nothing_says_what_it_lacks(
    lacking: dict[str, int], gap: str
) -> None:
    assert replace(FULL, **lacking).gap(dropout=True) == gap


def test_nothing_need_be_dropped_without_dropout() -> None:
    assert replace(FULL, dropped=0).gap(dropout=False) == ""


def test_coverage_counts_entries() -> None:
    x, r, W1, b1 = (
        np.eye(3),
        np.array([[1.0, 0], [1, 1], [1, 1]]),
        np.array([[1.0, -1], [2, -2], [-3, 3]]),
        [-1.5, 0],
    )
    case = Case(
        "any", "relu", x, np.array([0, 1, 0]), r, W1, np.array(b1), np.ones((2, 3)), np.zeros(3)
    )
    assert coverage(case) == Coverage(
        6, dropped=1, live=2, dead=3, at_kink=0, flipped=1, classes=2, all_classes=3
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_has_the_weights_of_its_case(dtype: type) -> None:
    case = small_case("any", "tanh", 6)
    network = network_of(case, dtype)
    assert (network.shape, network.activation, network.theta.dtype) == (SHAPE, "tanh", dtype)
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(getattr(network, name), getattr(case, name))
