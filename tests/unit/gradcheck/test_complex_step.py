"""The truth itself: complex steps against the row-by-row oracle and SciPy, and what rounding may do to a gradient."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit

from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import (
    EQUATIONS,
    PHI,
    Case,
    gradient_of,
    loss,
    one_hot,
    phi,
    sizes,
    slope_along,
    softmax,
)
from tests.support import reference
from tests.support.backward_passes import ACTIVATIONS, Gradients

EXACT: Any = {"rtol": 1e-12, "atol": 1e-12}
activations = pytest.mark.parametrize("activation", ACTIVATIONS)
dropouts = pytest.mark.parametrize("dropout", [0.0, 0.5], ids=["no mask", "mask"])
decays = pytest.mark.parametrize("l2", [0.0, 0.3], ids=["no l2", "l2"])
names = pytest.mark.parametrize("name", EQUATIONS)


def oracle(case: Case) -> Gradients:
    """All six gradients from the row-by-row reference."""
    w = reference.Weights(case.W1, case.W2, case.b1, case.b2)
    g = reference.gradients(w, case.activation, case.x, case.r, case.labels, case.l2)
    return {"z": g.dz, "a": g.da} | g.weights._asdict()


@activations
@dropouts
@decays
def test_the_truth_equals_the_reference(activation: str, dropout: float, l2: float) -> None:
    case = small_case("any", activation, 0, dropout=dropout, l2=l2)
    expected = oracle(case)
    for name in EQUATIONS:
        np.testing.assert_allclose(gradient_of(case, name), expected[name], **EXACT, err_msg=name)


@activations
def test_the_truth_of_trained_weights_equals_the_reference(activation: str) -> None:
    case = small_case("any", activation, 0, dropout=0.5, trained=True)
    expected = oracle(case)
    for name in EQUATIONS:
        np.testing.assert_allclose(gradient_of(case, name), expected[name], **EXACT, err_msg=name)


@activations
@decays
@names
def test_the_truth_equals_scipys_finite_differences(activation: str, l2: float, name: str) -> None:
    case = small_case("any", activation, 1, dropout=0.5, l2=l2)
    value = getattr(case, name)
    expected = approx_fprime(
        value.ravel(), lambda flat: float(loss(case, **{name: flat.reshape(value.shape)}))
    )
    np.testing.assert_allclose(gradient_of(case, name).ravel(), expected, atol=1e-6)


@activations
@decays
def test_the_loss_equals_the_reference(activation: str, l2: float) -> None:
    case = small_case("any", activation, 2, dropout=0.5, l2=l2)
    w = reference.Weights(case.W1, case.W2, case.b1, case.b2)
    expected = reference.loss(w, activation, case.x, case.r, case.labels, l2)
    assert float(loss(case)) == pytest.approx(expected, rel=1e-14)


def test_many_losses_are_taken_at_once() -> None:
    case = small_case("any", "tanh", 3)
    many = np.stack([case.W1, 2 * case.W1, 0 * case.W1])
    np.testing.assert_allclose(loss(case, W1=many), [loss(case, W1=W1) for W1 in many], rtol=1e-14)


@activations
@names
def test_a_slope_along_a_direction_is_the_gradient_times_it(activation: str, name: str) -> None:
    case = small_case("any", activation, 4, dropout=0.5, l2=0.1)
    direction = np.random.default_rng(0).normal(size=getattr(case, name).shape)
    expected = np.vdot(gradient_of(case, name), direction)
    assert slope_along(case, name, direction) == pytest.approx(expected, rel=1e-12)


@activations
def test_phi_is_finite_at_any_size_and_branches_on_the_real_part_alone(activation: str) -> None:
    a = np.array([-1000.0, -30.0, -1.0, 0.0, 1.0, 30.0, 1000.0])
    known = {"relu": np.maximum(a, 0), "tanh": np.tanh(a), "logistic": expit(a), "identity": a}
    np.testing.assert_allclose(PHI[activation](a), known[activation], rtol=1e-15)
    np.testing.assert_allclose(PHI[activation](a + 1e-20j).real, known[activation], rtol=1e-15)
    np.testing.assert_array_equal(
        PHI[activation](a - 1e-20j).imag, -PHI[activation](a + 1e-20j).imag
    )


def test_the_slope_at_relus_kink_is_0() -> None:
    np.testing.assert_array_equal(PHI["relu"](np.array([0 + 1e-20j, 0 - 1e-20j])), [0, 0])


def test_a_frozen_active_set_decides_in_place_of_the_sign() -> None:
    case = small_case("any", "relu", 5)
    frozen = Case(
        **{k: v for k, v in vars(case).items() if k in Case.__match_args__} | {"active": case.a < 0}
    )
    np.testing.assert_array_equal(phi(frozen, frozen.a), np.minimum(case.a, 0))


def test_logits_of_any_size_have_a_finite_loss_and_truth() -> None:
    case = small_case("any", "relu", 6, overflow=True)
    assert case.z.max() > 1000
    assert np.isfinite(loss(case))
    assert all(np.isfinite(gradient_of(case, name)).all() for name in EQUATIONS)


def test_softmax_and_labels_sum_to_1_by_row() -> None:
    case = small_case("any", "relu", 7)
    np.testing.assert_allclose(softmax(case.z).sum(axis=1), 1)
    np.testing.assert_array_equal(one_hot(case).argmax(axis=1), case.labels)
    assert one_hot(case).sum() == len(case.labels)


@activations
@dropouts
def test_no_gradient_is_larger_than_its_size(activation: str, dropout: float) -> None:
    case = small_case("any", activation, 8, dropout=dropout, l2=0.1)
    for name, size in sizes(case).items():
        assert np.all(np.abs(gradient_of(case, name)) <= size * (1 + 1e-12)), name


@activations
def test_sizes_bound_what_rounding_the_inputs_does(activation: str) -> None:
    """Weights moved by a few units in float32's last place move no entry by more than some of these of its size."""
    case = small_case("any", activation, 9, dropout=0.5, l2=0.1, trained=True)
    stream, eps = np.random.default_rng(0), float(np.finfo(np.float32).eps)
    moved = {
        n: getattr(case, n) * (1 + eps * stream.uniform(-1, 1, getattr(case, n).shape))
        for n in ("W1", "W2")
    }
    near = Case(
        case.name,
        activation,
        case.x,
        case.labels,
        case.r,
        moved["W1"],
        case.b1,
        moved["W2"],
        case.b2,
        0.1,
    )
    for name, size in sizes(case).items():
        assert np.all(
            np.abs(gradient_of(near, name) - gradient_of(case, name)) <= 2 * eps * size
        ), name


def test_sizes_grow_with_what_is_upstream() -> None:
    case = small_case("any", "tanh", 10)
    usual, grown = sizes(case), sizes(case, {"z": 1e6 * sizes(case)["z"]})
    assert all(np.allclose(grown[name], 1e6 * usual[name]) for name in EQUATIONS)
    below = sizes(case, {"a": 1e6 * usual["a"]})
    assert all(np.allclose(below[name], 1e6 * usual[name]) for name in ("W1", "b1"))
    assert all(np.array_equal(below[name], usual[name]) for name in ("z", "W2", "b2"))
