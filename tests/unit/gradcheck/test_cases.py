"""Small cases cover everything, and a case that does not is recognised."""

from dataclasses import replace
from itertools import combinations
from math import gcd

import numpy as np
import pytest

from mlpcli.gradcheck.cases import (
    KINK_MARGIN,
    MIN_FLIPS,
    USUAL,
    Coverage,
    coverage,
    network_of,
    small_case,
    train,
)
from mlpcli.gradcheck.complex_step import PARAMETERS, Case, loss
from tests.support.backward_passes import ACTIVATIONS

activations = pytest.mark.parametrize("activation", ACTIVATIONS)
SEEDS = range(40)


def are_equal(first: Case, second: Case) -> bool:
    arrays = ("x", "labels", "r", *PARAMETERS)
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in arrays)


# Small cases


def test_no_two_lengths_have_a_common_divisor() -> None:
    assert [pair for pair in combinations(USUAL[:4], 2) if gcd(*pair) > 1] == []


@activations
def test_equal_seeds_give_equal_cases_and_other_seeds_others(activation: str) -> None:
    first = small_case("any", activation, 3, dropout=0.5, trained=True)
    again = small_case("any", activation, 3, dropout=0.5, trained=True)
    other = small_case("any", activation, 4, dropout=0.5, trained=True)
    assert are_equal(first, again)
    assert not are_equal(first, other)


@activations
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_every_case_covers_everything_and_keeps_clear_of_kinks(
    activation: str, dropout: float
) -> None:
    for seed in SEEDS:
        case = small_case("any", activation, seed, dropout=dropout, trained=seed % 2 == 0)
        assert coverage(case).missing(dropout > 0) == ""
        assert np.abs(case.a).min() > KINK_MARGIN


def test_a_case_at_the_kink_has_a_unit_at_exactly_0_in_every_row() -> None:
    case = small_case("any", "relu", 0, dropout=0.5, at_kink=True)
    np.testing.assert_array_equal(case.a[:, 0], np.zeros(USUAL.B))
    assert coverage(case).at_kink == USUAL.B
    assert coverage(replace(case, activation="tanh")).at_kink == 0


@activations
def test_every_number_is_the_same_in_float32_and_float64(activation: str) -> None:
    case = small_case("any", activation, 1, dropout=0.3, input_dropout=0.2, trained=True)
    for name in ("x", "r", *PARAMETERS):
        value = getattr(case, name)
        np.testing.assert_array_equal(value.astype(np.float32), value, err_msg=name)


def test_inputs_are_dropped_only_with_input_dropout() -> None:
    assert np.all(small_case("any", "relu", 2).x)
    assert np.count_nonzero(small_case("any", "relu", 2, input_dropout=0.2).x == 0) > 0


def test_the_mask_is_0_or_1_over_the_probability_of_keeping() -> None:
    without_dropout = small_case("any", "relu", 3)
    with_dropout = small_case("any", "relu", 3, dropout=0.2)
    assert np.unique(without_dropout.r).tolist() == [1]
    assert np.unique(with_dropout.r) == pytest.approx([0, 1.25], rel=1e-4)


@activations
def test_trained_weights_have_a_lower_loss(activation: str) -> None:
    case = small_case("any", activation, 4, dropout=0.5, l2=0.01)
    assert loss(train(case)) < loss(case) / 2


def test_logits_can_be_out_of_the_range_of_exp() -> None:
    case = small_case("any", "relu", 5, overflow=True)
    assert np.all(np.ptp(case.z, axis=1) > np.log(np.finfo(np.float64).max))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_has_the_parameters_of_its_case(dtype: type) -> None:
    case = small_case("any", "tanh", 6)
    network = network_of(case, dtype)
    assert (network.shape, network.activation) == (USUAL[1:4], "tanh")
    assert network.theta.dtype == dtype
    for name in PARAMETERS:
        np.testing.assert_array_equal(getattr(network, name), getattr(case, name))


@activations
def test_a_weighted_case_has_the_numbers_of_the_case_without_weights(activation: str) -> None:
    for seed in SEEDS:
        case = small_case("any", activation, seed, dropout=0.5, weighted=True)
        assert are_equal(case, small_case("any", activation, seed, dropout=0.5))


def test_weights_have_another_mean_than_1_and_one_of_them_is_0() -> None:
    for seed in SEEDS:
        weights = small_case("any", "relu", seed, weighted=True).weights
        assert weights is not None
        assert np.count_nonzero(weights == 0) == 1
        assert len(np.unique(weights)) == USUAL.B
        assert weights.mean() < 0.9
        np.testing.assert_array_equal(weights.astype(np.float32), weights)


def test_a_row_of_every_class_has_a_weight() -> None:
    for seed in SEEDS:
        case = small_case("any", "relu", seed, weighted=True)
        assert len(np.unique(case.labels[case.w > 0])) == USUAL.K


@activations
def test_a_case_can_be_trained_with_weights_and_smoothing(activation: str) -> None:
    for seed in SEEDS:
        case = small_case("any", activation, seed, dropout=0.5, weighted=True, smoothing=0.1)
        assert loss(train(case)) < loss(case)


# Coverage

FULL = Coverage(
    units=9, dropped=3, live=3, dead=3, at_kink=0, flipped=MIN_FLIPS, classes=4, all_classes=4
)


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        ({}, ""),
        ({"dropped": 9, "live": 0, "dead": 0}, "a unit that is kept"),
        ({"dropped": 0}, "a unit that is dropped"),
        ({"live": 0}, "a live unit"),
        ({"dead": 0}, "a dead unit"),
        ({"classes": 3}, "every class"),
        ({"flipped": MIN_FLIPS - 1}, "a bias that flips 3 kept units"),
    ],
)
def test_what_a_case_does_not_cover_is_named(counts: dict[str, int], missing: str) -> None:
    assert replace(FULL, **counts).missing(dropout=True) == missing


def test_without_dropout_no_unit_need_be_dropped() -> None:
    assert replace(FULL, dropped=0).missing(dropout=False) == ""


def test_coverage_counts_entries() -> None:
    case = Case(
        "any",
        "relu",
        x=np.eye(3),
        labels=np.array([0, 1, 0]),
        r=np.array([[1.0, 0], [1, 1], [1, 1]]),
        W1=np.array([[1.0, -1], [2, -2], [-3, 3]]),
        b1=np.array([-1.5, 0]),
        W2=np.ones((2, 3)),
        b2=np.zeros(3),
    )
    expected = Coverage(
        units=6, dropped=1, live=2, dead=3, at_kink=0, flipped=1, classes=2, all_classes=3
    )
    assert coverage(case) == expected
