"""Second opinions: two methods of plain real arithmetic agree with the complex step, or say nothing, or blame it."""

from dataclasses import replace

import numpy as np
import pytest

from mlpcli.errors import CheckError
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.cross_checks import cross_check
from mlpcli.gradcheck.verdict import truth_of
from tests.support.backward_passes import ACTIVATIONS

activations = pytest.mark.parametrize("activation", ACTIVATIONS)


@activations
@pytest.mark.parametrize("overflow", [False, True], ids=["usual", "overflow"])
def test_they_agree_with_the_truth(activation: str, overflow: bool) -> None:
    heard = 0
    for seed in range(10):
        case = small_case(
            "any", activation, seed, dropout=0.5, l2=0.1, trained=seed % 2 == 0, overflow=overflow
        )
        cross_checks = cross_check(case, truth_of(case), np.random.default_rng(seed))
        if cross_checks.central_error is not None and cross_checks.taylor_slope is not None:
            heard += 1
            assert cross_checks.central_error < 1e-4
            assert cross_checks.taylor_slope > 1.7
    assert heard >= (5 if activation == "relu" else 10)


def test_across_a_kink_they_say_nothing() -> None:
    case = small_case("any", "relu", 0, at_kink=True)
    cross_checks = cross_check(case, truth_of(case), np.random.default_rng(0))
    assert (cross_checks.central_error, cross_checks.taylor_slope) == (None, None)
    clear = small_case("any", "relu", 0)
    near = replace(clear, b1=clear.b1 - clear.a[0, 0] + 1e-9)
    assert cross_check(near, truth_of(near), np.random.default_rng(0)).central_error is None


def test_without_a_kink_none_is_crossed() -> None:
    case = small_case("any", "tanh", 0, at_kink=True)
    assert cross_check(case, truth_of(case), np.random.default_rng(0)).central_error is not None


@activations
@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2"])
@pytest.mark.parametrize("factor", [1 + 1e-3, 0, -1])
def test_a_truth_that_is_none_is_blamed_on_the_checker(
    activation: str, name: str, factor: float
) -> None:
    case = small_case("doctored", activation, 3, dropout=0.5)
    truth = truth_of(case) | {name: factor * truth_of(case)[name]}
    with pytest.raises(
        CheckError,
        match=r"^the checker contradicts itself on the case 'doctored' \(.*No gradient is",
    ):
        cross_check(case, truth, np.random.default_rng(0))
