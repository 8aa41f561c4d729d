"""The equations, each on its own and together, against the row-by-row oracle, SciPy and complex steps."""

import copy
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit, log_softmax

from mlpcli.arrays import Shape
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.model.buffers import gradient, workspace
from mlpcli.model.network import (
    Network,
    add_weight_decay,
    backward,
    first_layer_gradient,
    forward,
    hidden_gradient,
    initialise,
    logits_gradient,
    loss_by_row,
    mean_loss,
    second_layer_gradient,
)
from mlpcli.model.parameters import PIECE
from tests.support import reference

B, D, H, K = 5, 7, 11, 3  # pairwise coprime, so that no wrong shape can broadcast
SHAPE = Shape(D, H, K)
EXACT: Any = {"rtol": 1e-12, "atol": 1e-12}
activations = pytest.mark.parametrize("activation", list(ACTIVATIONS))
masked = pytest.mark.parametrize("dropped", [False, True], ids=["no mask", "mask"])
decayed = pytest.mark.parametrize("l2", [0.0, 0.3], ids=["no l2", "l2"])
Case = SimpleNamespace


def case(activation: str, dropped: bool = False, dtype: type = np.float64) -> Case:
    """A network with every parameter non-zero, a minibatch of it, and the same for the oracle."""
    stream = np.random.default_rng(0)
    network = Network(SHAPE, activation, dtype)
    network.theta[:] = stream.normal(0, 0.7, SHAPE.parameters)
    x, labels = stream.normal(size=(B, D)).astype(dtype), stream.integers(0, K, B)
    ones, mask = np.ones((B, H)), stream.choice([0, 1 / 0.75], (B, H), p=[0.25, 0.75])
    oracle = (
        reference.unflat(network.theta.astype(np.float64), D, H, K),
        activation,
        x.astype(np.float64),
        mask.astype(dtype).astype(np.float64) if dropped else ones,
        labels,
    )
    r = mask.astype(dtype) if dropped else 1.0
    ws, grad = workspace(SHAPE, B, dtype), gradient(SHAPE, B, dtype)
    return Case(network=network, x=x, labels=labels, r=r, ws=ws, grad=grad, oracle=oracle)


def run(c: Case, l2: float = 0.0) -> float:
    """Forward and backward; the loss between them."""
    forward(c.network, c.x, c.r, c.ws)
    value = mean_loss(c.labels, c.ws)
    backward(c.network, c.x, c.labels, c.r, c.ws, c.grad, l2)
    return value


@activations
@masked
def test_forward_equals_the_reference(activation: str, dropped: bool) -> None:
    c = case(activation, dropped)
    forward(c.network, c.x, c.r, c.ws)
    w, _, x, r, labels = c.oracle
    rows = [reference.forward(w, activation, *row) for row in zip(x, r, labels, strict=True)]
    np.testing.assert_allclose(c.ws.a, [row.a for row in rows], **EXACT)
    np.testing.assert_allclose(c.ws.h, [row.h for row in rows], **EXACT)
    np.testing.assert_allclose(c.ws.z, [row.z for row in rows], **EXACT)


@activations
@masked
def test_the_loss_equals_the_reference(activation: str, dropped: bool) -> None:
    c = case(activation, dropped)
    assert run(c) == pytest.approx(reference.loss(*c.oracle), rel=1e-12)


@activations
@masked
@decayed
def test_the_gradient_of_every_parameter_equals_the_reference(
    activation: str, dropped: bool, l2: float
) -> None:
    c = case(activation, dropped)
    run(c, l2)
    expected = reference.gradients(*c.oracle, l2).weights
    for name in ("W1", "W2", "b1", "b2"):
        np.testing.assert_allclose(
            getattr(c.grad, "d" + name), getattr(expected, name), **EXACT, err_msg=name
        )
    np.testing.assert_allclose(c.grad.flat, expected.flat, **EXACT)


@activations
@masked
@decayed
def test_the_gradient_is_the_complex_step_derivative_of_the_loss(
    activation: str, dropped: bool, l2: float
) -> None:
    c = case(activation, dropped)
    run(c, l2)
    w, *rest = c.oracle
    expected = reference.complex_step(
        lambda t: reference.loss(reference.unflat(t, D, H, K), *rest, l2), w.flat
    )
    np.testing.assert_allclose(c.grad.flat, expected, **EXACT)


@activations
@masked
@decayed
def test_the_gradient_is_the_finite_difference_of_the_packages_own_loss(
    activation: str, dropped: bool, l2: float
) -> None:
    c = case(activation, dropped)
    run(c, l2)
    other = case(activation, dropped)

    def loss(theta: np.ndarray[Any, Any]) -> float:
        other.network.theta[:] = theta
        forward(other.network, other.x, other.r, other.ws)
        return mean_loss(other.labels, other.ws) + l2 / 2 * float(
            np.sum(theta[: SHAPE.weights] ** 2)
        )

    np.testing.assert_allclose(c.grad.flat, approx_fprime(c.network.theta, loss), atol=1e-6)


@activations
@masked
@decayed
def test_float32_follows_float64_to_its_rounding(activation: str, dropped: bool, l2: float) -> None:
    c = case(activation, dropped, np.float32)
    assert run(c, l2) == pytest.approx(reference.loss(*c.oracle), rel=1e-6)
    assert c.grad.flat.dtype == np.float32
    np.testing.assert_allclose(
        c.grad.flat, reference.gradients(*c.oracle, l2).weights.flat, rtol=1e-5, atol=1e-6
    )


@activations
@masked
def test_each_equation_equals_the_reference_when_given_the_references_own_inputs(
    activation: str, dropped: bool
) -> None:
    c = case(activation, dropped)
    w, _, x, r, _ = c.oracle
    expected = reference.gradients(*c.oracle)
    forward(c.network, c.x, c.r, c.ws)
    mean_loss(c.labels, c.ws)

    logits_gradient(c.labels, c.ws, c.grad)
    np.testing.assert_allclose(c.grad.dz, expected.dz, **EXACT)

    c.ws.h[:] = reference.PHI[activation](x @ w.W1 + w.b1) * r
    c.grad.dz[:] = expected.dz
    second_layer_gradient(c.ws, c.grad)
    np.testing.assert_allclose(c.grad.dW2, expected.weights.W2, **EXACT)
    np.testing.assert_allclose(c.grad.db2, expected.weights.b2, **EXACT)

    hidden_gradient(c.network, c.r, c.ws, c.grad)
    np.testing.assert_allclose(c.grad.da, expected.da, **EXACT)

    c.grad.da[:] = expected.da
    first_layer_gradient(c.x, c.grad)
    np.testing.assert_allclose(c.grad.dW1, expected.weights.W1, **EXACT)
    np.testing.assert_allclose(c.grad.db1, expected.weights.b1, **EXACT)


@pytest.mark.parametrize("shape", [SHAPE, Shape(301, 211, 3)], ids=str)
def test_weight_decay_adds_to_both_matrices_and_never_to_a_bias(shape: Shape) -> None:
    stream = np.random.default_rng(1)
    network, grad = Network(shape, "relu", np.float64), gradient(shape, 1, np.float64)
    network.theta[:] = stream.normal(size=shape.parameters)
    grad.flat[:] = before = stream.normal(size=shape.parameters)
    add_weight_decay(network, 0.25, grad)
    np.testing.assert_allclose(
        grad.dW1, reference.unflat(before, *shape).W1 + 0.25 * network.W1, **EXACT
    )
    np.testing.assert_allclose(
        grad.dW2, reference.unflat(before, *shape).W2 + 0.25 * network.W2, **EXACT
    )
    np.testing.assert_array_equal(grad.flat[shape.weights :], before[shape.weights :])


def test_that_case_of_weight_decay_sweeps_more_than_one_piece() -> None:
    assert Shape(301, 211, 3).weights > PIECE > SHAPE.weights


def test_relu_takes_slope_zero_at_its_kink() -> None:
    c = case("relu")
    c.network.W1[:], c.network.b1[:] = 0, 0
    run(c)
    assert np.all(c.ws.a == 0)
    assert np.all(c.grad.da == 0)


@activations
def test_a_dropped_unit_gets_no_gradient(activation: str) -> None:
    c = case(activation, dropped=True)
    c.r[:, 4] = 0
    run(c)
    assert np.all(c.grad.dW1[:, 4] == 0)
    assert np.all(c.grad.dW2[4] == 0)
    assert c.grad.db1[4] == 0


@pytest.mark.parametrize(
    ("dtype", "size"), [(np.float32, 1e4), (np.float64, 1e4), (np.float64, 1e300)]
)
def test_the_loss_of_extreme_logits_is_finite_and_equals_scipys(dtype: type, size: float) -> None:
    logits = np.random.default_rng(2).uniform(-1, 1, (40, K)).astype(dtype) * dtype(size)
    logits[:K] = (2 * np.eye(K) - 1) * size
    labels = np.arange(40) % K
    ws = workspace(SHAPE, 40, dtype)
    ws.z[:] = logits
    losses = loss_by_row(labels, ws)
    assert np.isfinite(losses).all()
    expected = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(40), labels]
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(losses, expected, rtol=2 * eps, atol=eps)
    np.testing.assert_allclose(ws.p.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_logistic_function_equals_scipys_and_never_overflows(dtype: type) -> None:
    a = np.concatenate([np.linspace(-50, 50, 1001), [-1e30, 1e30]]).astype(dtype)
    s = np.empty_like(a)
    ACTIVATIONS["logistic"].phi(a, s)
    np.testing.assert_allclose(s, expit(a), rtol=0, atol=2 * float(np.finfo(dtype).eps))


@activations
def test_a_slope_is_the_derivative_of_its_function(activation: str) -> None:
    phi, slope = ACTIVATIONS[activation]
    a = np.array([-3.0, -0.5, -1e-3, 1e-3, 0.5, 3.0])
    a = a.reshape(2, 3)
    s, out = np.empty_like(a), np.empty_like(a)
    phi(a, s)
    slope(s, out)
    np.testing.assert_allclose(out, reference.PHI[activation](a + 1e-200j).imag / 1e-200, **EXACT)


@pytest.mark.parametrize(
    ("activation", "limit"),
    [
        ("relu", (6 / 40) ** 0.5),
        *((name, (6 / 130) ** 0.5) for name in ("tanh", "logistic", "identity")),
    ],
)
def test_first_weights_fill_the_limits_of_he_for_relu_and_of_glorot_otherwise(
    activation: str, limit: float
) -> None:
    network = Network(Shape(40, 90, 10), activation, np.float64)
    network.theta[:] = 9
    initialise(network, np.random.default_rng(3))
    for W, most in [(network.W1, limit), (network.W2, (6 / 100) ** 0.5)]:
        assert 0.98 * most < W.max() < most
        assert 0.98 * most < -W.min() < most
        assert abs(W.mean()) < 4 * most / np.sqrt(3 * W.size)  # four standard errors
        assert W.var() == pytest.approx(most**2 / 3, rel=0.2)
    assert not network.theta[network.shape.weights :].any()


def test_first_weights_do_not_depend_on_the_dtype() -> None:
    single, double = Network(SHAPE, "relu", np.float32), Network(SHAPE, "relu", np.float64)
    initialise(single, np.random.default_rng(4))
    initialise(double, np.random.default_rng(4))
    np.testing.assert_array_equal(single.theta, double.theta.astype(np.float32))


@pytest.mark.parametrize("make", [workspace, gradient])
def test_the_first_rows_of_a_buffer_are_views_of_it(make: Callable[..., Any]) -> None:
    whole = make(SHAPE, B)
    for name, part in vars(whole.first(2)).items():
        assert np.shares_memory(part, getattr(whole, name)), name


def test_a_short_batch_gives_the_gradient_of_its_own_rows_whatever_the_buffers_hold() -> None:
    c = case("tanh", dropped=True)
    w, activation, x, r, labels = c.oracle
    run(c)
    ws, grad = c.ws.first(2), c.grad.first(2)
    forward(c.network, c.x[:2], c.r[:2], ws)
    assert mean_loss(labels[:2], ws) == pytest.approx(
        reference.loss(w, activation, x[:2], r[:2], labels[:2])
    )
    backward(c.network, c.x[:2], labels[:2], c.r[:2], ws, grad)
    expected = reference.gradients(w, activation, x[:2], r[:2], labels[:2]).weights.flat
    np.testing.assert_allclose(c.grad.flat, expected, **EXACT)


def test_the_views_lie_in_theta_in_the_order_W1_W2_b1_b2() -> None:
    network = Network(SHAPE, "relu")
    network.theta[:] = np.arange(SHAPE.parameters)
    parts = reference.unflat(network.theta, D, H, K)
    for name in ("W1", "W2", "b1", "b2"):
        np.testing.assert_array_equal(getattr(network, name), getattr(parts, name))


@pytest.mark.parametrize(
    "copy_of", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))], ids=["copy", "pickle"]
)
def test_a_copy_has_a_theta_of_its_own_and_its_views_lie_in_it(
    copy_of: Callable[[Network], Network],
) -> None:
    network = case("tanh").network
    twin = copy_of(network)
    np.testing.assert_array_equal(twin.theta, network.theta)
    assert (twin.shape, twin.activation) == (network.shape, network.activation)
    twin.theta[:] = 0
    assert not any(view.any() for view in (twin.W1, twin.W2, twin.b1, twin.b2))
    assert network.theta.all()


@activations
@masked
@decayed
@pytest.mark.parametrize(
    "used", [slice(0, D), slice(2, 5), slice(0, 1), slice(6, D), slice(0, 0)], ids=str
)
def test_columns_of_x_that_are_0_may_be_left_out_on_both_sides(
    activation: str, dropped: bool, l2: float, used: slice
) -> None:
    c = case(activation, dropped)
    w, _, x, r, labels = c.oracle
    x[:, : used.start] = x[:, used.stop :] = 0
    c.x[:] = x
    c.grad.flat[:] = np.nan  # what an earlier step may have left there
    forward(c.network, c.x, c.r, c.ws, used)
    value = mean_loss(c.labels, c.ws)
    backward(c.network, c.x, c.labels, c.r, c.ws, c.grad, l2, used)
    rows = [reference.forward(w, activation, *row) for row in zip(x, r, labels, strict=True)]
    np.testing.assert_allclose(c.ws.a, [row.a for row in rows], **EXACT)
    np.testing.assert_allclose(c.ws.z, [row.z for row in rows], **EXACT)
    assert value == pytest.approx(reference.loss(*c.oracle), rel=1e-12)
    np.testing.assert_allclose(
        c.grad.flat, reference.gradients(*c.oracle, l2).weights.flat, **EXACT
    )
    outside = np.r_[: used.start, used.stop : D]
    np.testing.assert_array_equal(c.grad.dW1[outside], l2 * w.W1[outside])


def test_a_part_of_the_units_adds_the_others_logits_before_the_bias() -> None:
    whole, parts = case("tanh", dropped=True), (slice(0, 4), slice(4, H))
    w, _, x, r, labels = whole.oracle
    pieces = []
    for units in parts:
        network = Network(Shape(D, units.stop - units.start, K), "tanh", np.float64)
        network.theta[:] = reference.Weights(w.W1[:, units], w.W2[units], w.b1[units], w.b2).flat
        pieces.append(
            (
                network,
                workspace(network.shape, B, np.float64),
                gradient(network.shape, B, np.float64),
            )
        )
    (first, ws, grad), (second, other_ws, _) = pieces
    forward(second, x, r[:, parts[1]], other_ws)

    def allreduce(z: np.ndarray[Any, Any]) -> None:
        z += other_ws.z - w.b2

    forward(first, x, r[:, parts[0]], ws, allreduce=allreduce)
    rows = [reference.forward(w, "tanh", *row) for row in zip(x, r, labels, strict=True)]
    np.testing.assert_allclose(ws.z, [row.z for row in rows], **EXACT)
    mean_loss(labels, ws)
    backward(first, x, labels, r[:, parts[0]], ws, grad)
    expected = reference.gradients(*whole.oracle).weights
    np.testing.assert_allclose(grad.dW1, expected.W1[:, parts[0]], **EXACT)
    np.testing.assert_allclose(grad.dW2, expected.W2[parts[0]], **EXACT)
    np.testing.assert_allclose(grad.db1, expected.b1[parts[0]], **EXACT)
    np.testing.assert_allclose(grad.db2, expected.b2, **EXACT)
