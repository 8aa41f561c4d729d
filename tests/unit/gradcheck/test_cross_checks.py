"""Two methods of real arithmetic agree with true gradients, and contradict wrong ones."""

from dataclasses import replace

import numpy as np
import pytest

from mlpcli.errors import CheckError
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import PARAMETERS, Case, true_gradients
from mlpcli.gradcheck.cross_checks import CrossCheck, cross_check
from tests.support.backward_passes import ACTIVATIONS

activations = pytest.mark.parametrize("activation", ACTIVATIONS)


def checked(case: Case, seed: int = 0) -> CrossCheck:
    return cross_check(case, true_gradients(case), np.random.default_rng(seed))


@activations
@pytest.mark.parametrize("overflow", [False, True], ids=["usual", "overflow"])
def test_both_methods_agree_with_true_gradients(activation: str, overflow: bool) -> None:
    n_checked = 0
    for seed in range(10):
        trained = seed % 2 == 0
        case = small_case(
            "any",
            activation,
            seed,
            dropout=0.5,
            l2=0.1,
            trained=trained,
            overflow=overflow,
            weighted=seed % 3 == 0,
            smoothing=0.1 * (seed % 4 == 1),
        )
        check = checked(case, seed)
        if check.central_error is not None and check.taylor_order is not None:
            n_checked += 1
            assert check.central_error < 1e-4
            assert check.taylor_order > 1.7
    assert n_checked >= (5 if activation == "relu" else 10)


def test_near_a_kink_there_is_no_cross_check() -> None:
    at_kink = small_case("any", "relu", 0, at_kink=True)
    assert checked(at_kink) == CrossCheck(None, None)
    clear = small_case("any", "relu", 0)
    near_kink = replace(clear, b1=clear.b1 - clear.a[0, 0] + 1e-9)
    assert checked(near_kink) == CrossCheck(None, None)


def test_an_activation_without_a_kink_is_always_checked() -> None:
    assert checked(small_case("any", "tanh", 0, at_kink=True)).central_error is not None


@activations
@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("factor", [1 + 1e-3, 0, -1])
def test_a_gradient_that_is_not_true_contradicts_them(
    activation: str, name: str, factor: float
) -> None:
    case = small_case("doctored", activation, 3, dropout=0.5)
    gradients = true_gradients(case)
    gradients[name] = factor * gradients[name]
    with pytest.raises(
        CheckError,
        match=r"^the checker contradicts itself on the case 'doctored' \(.*No gradient is",
    ):
        cross_check(case, gradients, np.random.default_rng(0))
