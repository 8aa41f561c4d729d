"""The second backward pass equals the true gradients, and a mistake changes only what it should."""

from dataclasses import replace

import numpy as np
import pytest

from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, PARAMETERS, PHI, true_gradient
from mlpcli.gradcheck.derivation import (
    FORMULAS,
    FORMULAS_WITH_WEIGHTS,
    SLOPES,
    SLOPES_BY_OUTPUT,
    ForwardPass,
    Mistake,
    backward,
    derive,
    formula,
)
from mlpcli.gradcheck.mistakes import BY_ID
from tests.support.backward_passes import ACTIVATIONS

activations = pytest.mark.parametrize("activation", ACTIVATIONS)


@activations
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_all_six_gradients_equal_the_true_ones(
    activation: str, dropout: float, l2: float, weighted: bool, smoothing: float
) -> None:
    case = small_case(
        "any", activation, 0, dropout=dropout, l2=l2, weighted=weighted, smoothing=smoothing
    )
    for name, gradient in backward(ForwardPass(case)).items():
        expected = true_gradient(case, name)
        np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-14, err_msg=name)


@activations
def test_slopes_are_the_derivatives_of_phi_and_do_not_overflow(activation: str) -> None:
    a = np.array([-1000.0, -3, -0.5, 0.5, 3, 1000])
    s = PHI[activation](a)
    expected = PHI[activation](a + 1e-20j).imag / 1e-20
    np.testing.assert_allclose(SLOPES[activation](a), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(SLOPES_BY_OUTPUT[activation](s), expected, rtol=1e-12, atol=1e-15)


def test_a_given_active_set_is_the_slope() -> None:
    case = small_case("any", "relu", 1)
    opposite = replace(case, active=case.a < 0)
    f = ForwardPass(opposite)
    np.testing.assert_array_equal(f.slope, case.a < 0)
    expected = true_gradient(opposite, "W1")
    np.testing.assert_allclose(backward(f)["W1"], expected, rtol=1e-12, atol=1e-15)


def test_the_other_mask_drops_as_many_units_but_not_the_same() -> None:
    f = ForwardPass(small_case("any", "relu", 2, dropout=0.5))
    assert np.count_nonzero(f.other_mask) == np.count_nonzero(f.case.r)
    assert not np.array_equal(f.other_mask, f.case.r)


@pytest.mark.parametrize("at", EQUATIONS)
def test_a_mistake_changes_its_equation_and_those_made_from_it(at: str) -> None:
    f = ForwardPass(small_case("any", "tanh", 3, dropout=0.5))
    right = backward(f)
    wrong = backward(f, BY_ID["sum-instead-of-mean"], at)
    changed = {"z": EQUATIONS, "a": ("a", "W1", "b1")}.get(at, (at,))
    assert [name for name in EQUATIONS if not np.allclose(right[name], wrong[name])] == [*changed]


@pytest.mark.parametrize("at", ["z", "a"])
def test_the_equations_after_a_transposed_gradient_use_it_untransposed(at: str) -> None:
    f = ForwardPass(small_case("any", "tanh", 4))
    right = backward(f)
    wrong = backward(f, BY_ID["transposed"], at)
    np.testing.assert_array_equal(wrong[at], right[at].T)
    for name in EQUATIONS:
        if name != at:
            np.testing.assert_array_equal(wrong[name], right[name], err_msg=name)


def test_weight_decay_is_added_to_the_weights_alone() -> None:
    f = ForwardPass(small_case("any", "tanh", 5, l2=0.25))
    without_decay = ForwardPass(replace(f.case, l2=0.0))
    dz = (f.p - f.y) / f.B
    da = np.ones_like(f.s)
    for name in PARAMETERS:
        decay = 0.25 * getattr(f.case, name) if name in ("W1", "W2") else 0.0
        expected = derive(without_decay, name, dz, da) + decay
        np.testing.assert_allclose(derive(f, name, dz, da), expected, rtol=1e-12)


def test_a_mistake_can_be_made_where_it_has_a_step_or_changes_the_decay() -> None:
    in_step = Mistake("any", "", "", {"a": lambda f, dz, da: da})
    in_decay = Mistake("any", "", "", decay=lambda case, name: 0.0)
    assert [name for name in EQUATIONS if in_step.changes(name)] == ["a"]
    assert {name for name in EQUATIONS if in_decay.changes(name)} == set(PARAMETERS)


def test_every_equation_has_a_formula_that_begins_with_its_name() -> None:
    assert tuple(FORMULAS) == EQUATIONS
    for formulas in (FORMULAS, FORMULAS_WITH_WEIGHTS):
        assert all(text.startswith(f"∂{name} = ") for name, text in formulas.items())


def test_the_formula_of_a_case_has_w_only_if_its_rows_have_weights() -> None:
    plain = small_case("any", "tanh", 5)
    weighted = small_case("any", "tanh", 5, weighted=True)
    assert {name: formula(name, plain) for name in EQUATIONS} == FORMULAS
    assert {name: formula(name, weighted) for name in EQUATIONS} == FORMULAS_WITH_WEIGHTS
    assert formula("z", weighted) == "∂z = w (softmax(z) − y) / B"
