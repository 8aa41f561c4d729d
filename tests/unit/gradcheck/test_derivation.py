"""The second backward pass, in plain NumPy: right where nothing is changed, wrong only where it is told to be."""

from dataclasses import replace

import numpy as np
import pytest

from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, PHI, gradient_of
from mlpcli.gradcheck.derivation import (
    DECAYED,
    FORMULAS,
    SLOPES,
    THROUGH_OUTPUT,
    Mistake,
    Pass,
    backward,
    derive,
)
from mlpcli.gradcheck.mistakes import BY_ID
from tests.support.backward_passes import ACTIVATIONS

activations = pytest.mark.parametrize("activation", ACTIVATIONS)


@activations
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_all_six_equal_the_truth(activation: str, dropout: float, l2: float) -> None:
    case = small_case("any", activation, 0, dropout=dropout, l2=l2)
    for name, gradient in backward(Pass(case)).items():
        np.testing.assert_allclose(
            gradient, gradient_of(case, name), rtol=1e-12, atol=1e-14, err_msg=name
        )


@activations
def test_slopes_are_the_derivatives_of_phi_and_do_not_overflow(activation: str) -> None:
    a = np.array([-1000.0, -3, -0.5, 0.5, 3, 1000])
    expected = PHI[activation](a + 1e-20j).imag / 1e-20
    np.testing.assert_allclose(SLOPES[activation](a), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        THROUGH_OUTPUT[activation](PHI[activation](a)), expected, rtol=1e-12, atol=1e-15
    )


def test_a_frozen_active_set_is_the_slope() -> None:
    case = small_case("any", "relu", 1)
    frozen = replace(case, active=case.a < 0)
    np.testing.assert_array_equal(Pass(frozen).slope, case.a < 0)
    np.testing.assert_allclose(
        backward(Pass(frozen))["W1"], gradient_of(frozen, "W1"), rtol=1e-12, atol=1e-15
    )


def test_another_mask_drops_as_many_units_and_not_the_same() -> None:
    f = Pass(small_case("any", "relu", 2, dropout=0.5))
    assert np.count_nonzero(f.other_mask) == np.count_nonzero(f.case.r)
    assert not np.array_equal(f.other_mask, f.case.r)


@pytest.mark.parametrize("at", EQUATIONS)
def test_a_mistake_changes_its_equation_and_what_follows_from_it(at: str) -> None:
    f = Pass(small_case("any", "tanh", 3, dropout=0.5))
    right, wrong = backward(f), backward(f, BY_ID["sum-instead-of-mean"], at)
    below = {"z": EQUATIONS, "a": ("a", "W1", "b1")}.get(at, (at,))
    assert [name for name in EQUATIONS if not np.allclose(right[name], wrong[name])] == list(below)


@pytest.mark.parametrize("at", ["z", "a"])
def test_a_transposed_gradient_goes_on_upright(at: str) -> None:
    f = Pass(small_case("any", "tanh", 4))
    right, wrong = backward(f), backward(f, BY_ID["transposed"], at)
    np.testing.assert_array_equal(wrong[at], right[at].T)
    for name in EQUATIONS:
        if name != at:
            np.testing.assert_array_equal(wrong[name], right[name], err_msg=name)


def test_weight_decay_is_added_to_the_weights_alone() -> None:
    f = Pass(small_case("any", "tanh", 5, l2=0.25))
    plain = Pass(replace(f.case, l2=0.0))
    dz, da = (f.p - f.y) / f.B, np.ones_like(f.s)
    for name in DECAYED:
        added = 0.25 * getattr(f.case, name) if name in ("W1", "W2") else 0.0
        np.testing.assert_allclose(
            derive(f, name, dz, da), derive(plain, name, dz, da) + added, rtol=1e-12
        )


def test_a_mistake_knows_where_it_can_be_made() -> None:
    step, decay = (
        Mistake("any", "", "", {"a": lambda f, dz, da: da}),
        Mistake("any", "", "", decay=lambda c, n: 0.0),
    )
    assert [name for name in EQUATIONS if step.changes(name)] == ["a"]
    assert {name for name in EQUATIONS if decay.changes(name)} == set(DECAYED)


def test_every_equation_has_a_formula_that_begins_with_its_name() -> None:
    assert tuple(FORMULAS) == EQUATIONS
    assert all(formula.startswith(f"∂{name} = ") for name, formula in FORMULAS.items())
