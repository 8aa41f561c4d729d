"""True gradients equal those of a row-by-row reference and SciPy's; magnitudes bound rounding."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import (
    EQUATIONS,
    PHI,
    Case,
    directional_derivative,
    loss,
    magnitudes,
    phi,
    softmax,
    true_gradient,
    true_gradients,
)
from tests.support import reference
from tests.support.backward_passes import ACTIVATIONS, Gradients

EXACT: Any = {"rtol": 1e-12, "atol": 1e-12}
activations = pytest.mark.parametrize("activation", ACTIVATIONS)
dropouts = pytest.mark.parametrize("dropout", [0.0, 0.5], ids=["no mask", "mask"])
decays = pytest.mark.parametrize("l2", [0.0, 0.3], ids=["no l2", "l2"])
names = pytest.mark.parametrize("name", EQUATIONS)
weighed = pytest.mark.parametrize("weighted", [False, True], ids=["no weights", "weights"])
smoothed = pytest.mark.parametrize("smoothing", [0.0, 0.2], ids=["one-hot", "smoothed"])


def reference_gradients(case: Case) -> Gradients:
    """All six gradients by the row-by-row reference."""
    w = reference.Weights(case.W1, case.W2, case.b1, case.b2)
    rows = (case.x, case.r, case.labels, case.l2, case.weights, case.smoothing)
    g = reference.gradients(w, case.activation, *rows)
    return {"z": g.dz, "a": g.da} | g.weights._asdict()


def assert_equals_reference(case: Case) -> None:
    expected = reference_gradients(case)
    gradients = true_gradients(case)
    assert gradients.keys() == expected.keys()
    for name in EQUATIONS:
        np.testing.assert_allclose(gradients[name], expected[name], **EXACT, err_msg=name)


# Gradients


@activations
@dropouts
@decays
@weighed
@smoothed
def test_true_gradients_equal_the_reference(
    activation: str, dropout: float, l2: float, weighted: bool, smoothing: float
) -> None:
    case = small_case(
        "any", activation, 0, dropout=dropout, l2=l2, weighted=weighted, smoothing=smoothing
    )
    assert_equals_reference(case)


@activations
@weighed
@smoothed
def test_true_gradients_of_trained_weights_equal_the_reference(
    activation: str, weighted: bool, smoothing: float
) -> None:
    case = small_case(
        "any",
        activation,
        0,
        dropout=0.5,
        trained=True,
        weighted=weighted,
        smoothing=smoothing,
    )
    assert_equals_reference(case)


@activations
@decays
@names
@weighed
@smoothed
def test_true_gradients_equal_scipys_finite_differences(
    activation: str, l2: float, name: str, weighted: bool, smoothing: float
) -> None:
    case = small_case(
        "any", activation, 1, dropout=0.5, l2=l2, weighted=weighted, smoothing=smoothing
    )
    value = getattr(case, name)

    def loss_at(flat: Floats) -> float:
        return float(loss(case, **{name: flat.reshape(value.shape)}))

    expected = approx_fprime(value.ravel(), loss_at)
    np.testing.assert_allclose(true_gradient(case, name).ravel(), expected, atol=1e-6)


@activations
@names
def test_a_directional_derivative_is_the_gradient_times_the_direction(
    activation: str, name: str
) -> None:
    case = small_case("any", activation, 4, dropout=0.5, l2=0.1)
    direction = np.random.default_rng(0).normal(size=getattr(case, name).shape)
    expected = np.vdot(true_gradient(case, name), direction)
    assert directional_derivative(case, name, direction) == pytest.approx(expected, rel=1e-12)


# The forward pass


@activations
@decays
@weighed
@smoothed
def test_the_loss_equals_the_reference(
    activation: str, l2: float, weighted: bool, smoothing: float
) -> None:
    case = small_case(
        "any", activation, 2, dropout=0.5, l2=l2, weighted=weighted, smoothing=smoothing
    )
    w = reference.Weights(case.W1, case.W2, case.b1, case.b2)
    rows = (case.x, case.r, case.labels, l2, case.weights, smoothing)
    expected = reference.loss(w, activation, *rows)
    assert float(loss(case)) == pytest.approx(expected, rel=1e-14)


def test_a_leading_axis_gives_one_loss_for_each_value() -> None:
    case = small_case("any", "tanh", 3)
    many = np.stack([case.W1, 2 * case.W1, 0 * case.W1])
    one_by_one = [loss(case, W1=W1) for W1 in many]
    np.testing.assert_allclose(loss(case, W1=many), one_by_one, rtol=1e-14)


@activations
def test_phi_is_finite_at_any_size_and_branches_on_the_real_part_alone(activation: str) -> None:
    a = np.array([-1000.0, -30.0, -1.0, 0.0, 1.0, 30.0, 1000.0])
    known = {"relu": np.maximum(a, 0), "tanh": np.tanh(a), "logistic": expit(a), "identity": a}
    expected = known[activation]
    function = PHI[activation]
    np.testing.assert_allclose(function(a), expected, rtol=1e-15)
    np.testing.assert_allclose(function(a + 1e-20j).real, expected, rtol=1e-15)
    np.testing.assert_array_equal(function(a - 1e-20j).imag, -function(a + 1e-20j).imag)


def test_the_slope_at_relus_kink_is_0() -> None:
    np.testing.assert_array_equal(PHI["relu"](np.array([0 + 1e-20j, 0 - 1e-20j])), [0, 0])


def test_a_given_active_set_decides_in_place_of_the_sign() -> None:
    case = small_case("any", "relu", 5)
    opposite = replace(case, active=case.a < 0)
    np.testing.assert_array_equal(phi(opposite, opposite.a), np.minimum(case.a, 0))


@smoothed
def test_logits_of_any_size_have_a_finite_loss_and_finite_gradients(smoothing: float) -> None:
    case = small_case("any", "relu", 6, overflow=True, smoothing=smoothing)
    assert case.z.max() > 1000
    assert np.isfinite(loss(case))
    assert all(np.isfinite(gradient).all() for gradient in true_gradients(case).values())


@smoothed
def test_softmax_and_targets_sum_to_1_by_row(smoothing: float) -> None:
    case = small_case("any", "relu", 7, smoothing=smoothing)
    np.testing.assert_allclose(softmax(case.z).sum(axis=1), 1)
    np.testing.assert_array_equal(case.one_hot.argmax(axis=1), case.labels)
    assert case.one_hot.sum() == len(case.labels)
    expected = [reference.target(label, case.K, smoothing) for label in case.labels]
    np.testing.assert_allclose(case.y, expected, rtol=1e-15)
    np.testing.assert_allclose(case.y.sum(axis=1), 1, rtol=1e-15)


def test_without_weights_every_row_has_the_weight_1() -> None:
    case = small_case("any", "relu", 7)
    np.testing.assert_array_equal(case.w, np.ones(len(case.x)))
    weights = np.arange(7.0)
    assert replace(case, weights=weights).w is weights


# Magnitudes


@activations
@dropouts
@weighed
@smoothed
def test_no_gradient_exceeds_its_magnitude(
    activation: str, dropout: float, weighted: bool, smoothing: float
) -> None:
    case = small_case(
        "any", activation, 8, dropout=dropout, l2=0.1, weighted=weighted, smoothing=smoothing
    )
    for name, magnitude in magnitudes(case).items():
        assert np.all(np.abs(true_gradient(case, name)) <= magnitude * (1 + 1e-12)), name


@activations
@weighed
@smoothed
def test_magnitudes_bound_the_effect_of_rounding_weights_to_float32(
    activation: str, weighted: bool, smoothing: float
) -> None:
    case = small_case(
        "any",
        activation,
        9,
        dropout=0.5,
        l2=0.1,
        trained=True,
        weighted=weighted,
        smoothing=smoothing,
    )
    rng = np.random.default_rng(0)
    eps = float(np.finfo(np.float32).eps)

    def rounded(weights: Floats) -> Floats:
        return weights * (1 + eps * rng.uniform(-1, 1, weights.shape))

    near = replace(case, W1=rounded(case.W1), W2=rounded(case.W2))
    for name, magnitude in magnitudes(case).items():
        change = np.abs(true_gradient(near, name) - true_gradient(case, name))
        assert np.all(change <= 2 * eps * magnitude), name


def test_magnitudes_grow_with_the_upstream_gradients() -> None:
    case = small_case("any", "tanh", 10)
    usual = magnitudes(case)
    large_dz = magnitudes(case, {"z": 1e6 * usual["z"]})
    assert all(np.allclose(large_dz[name], 1e6 * usual[name]) for name in EQUATIONS)
    large_da = magnitudes(case, {"a": 1e6 * usual["a"]})
    assert all(np.allclose(large_da[name], 1e6 * usual[name]) for name in ("W1", "b1"))
    assert all(np.array_equal(large_da[name], usual[name]) for name in ("z", "W2", "b2"))
