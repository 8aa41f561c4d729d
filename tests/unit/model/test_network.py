"""The equations, each alone and together, against the row-by-row oracle, SciPy, complex steps."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import log_softmax

from mlpcli.arrays import ALL, Floats, Labels, Shape
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.model.buffers import Gradient, Workspace, gradient, workspace
from mlpcli.model.network import (
    Mask,
    Network,
    add_weight_decay,
    backward,
    first_layer_gradient,
    forward,
    hidden_gradient,
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
weighed = pytest.mark.parametrize("weighted", [False, True], ids=["no weights", "weights"])
smoothed = pytest.mark.parametrize("smoothing", [0.0, 0.2], ids=["one-hot", "smoothed"])
WEIGHTS = (0.5, 2.0, 0.0, 1.25, 3.0)  # of the B rows; their sum is not B


@dataclass
class Oracle:
    """What the oracle takes, in float64: weights, φ, x (B,D), r (B,H), labels and weights (B)."""

    w: reference.Weights
    activation: str
    x: Floats
    r: Floats
    labels: Labels
    row_weights: Floats | None = None
    smoothing: float = 0.0

    def rows(self) -> list[reference.Row]:
        """The forward pass of each row."""
        rows = zip(self.x, self.r, self.labels, strict=True)
        return [reference.forward(self.w, self.activation, *row) for row in rows]

    def loss(self, l2: float = 0.0) -> float:
        return self.loss_at(self.w.flat, l2).real

    def loss_at(self, theta: Any, l2: float) -> complex:
        """The loss of other weights, real or complex."""
        w = reference.unflat(theta, D, H, K)
        rows = (self.x, self.r, self.labels)
        return reference.loss(w, self.activation, *rows, l2, self.row_weights, self.smoothing)

    def gradients(self, l2: float = 0.0) -> reference.Gradients:
        rows = (self.x, self.r, self.labels, l2, self.row_weights, self.smoothing)
        return reference.gradients(self.w, self.activation, *rows)

    def first(self, n: int) -> "Oracle":
        """The same of the first n rows."""
        return Oracle(self.w, self.activation, self.x[:n], self.r[:n], self.labels[:n])


@dataclass
class Case:
    """A network, a minibatch, buffers for both passes, and the same for the oracle."""

    network: Network
    x: Floats
    labels: Labels
    r: Mask
    ws: Workspace
    grad: Gradient
    oracle: Oracle
    weights: Floats | None = None
    smoothing: float = 0.0

    def run(self, l2: float = 0.0, active_columns: slice = ALL) -> float:
        """Forward and backward; returns the loss between them."""
        forward(self.network, self.x, self.r, self.ws, active_columns)
        loss = mean_loss(self.labels, self.ws, self.weights)
        backward(
            self.network,
            self.x,
            self.labels,
            self.r,
            self.ws,
            self.grad,
            l2,
            active_columns,
            self.weights,
            self.smoothing,
        )
        return loss


def case(
    activation: str,
    dropped: bool = False,
    dtype: type = np.float64,
    weighted: bool = False,
    smoothing: float = 0.0,
) -> Case:
    """A case in which every parameter differs from 0."""
    rng = np.random.default_rng(0)
    network = Network(SHAPE, activation, dtype)
    network.theta[:] = rng.normal(0, 0.7, SHAPE.parameters)
    x: Floats = rng.normal(size=(B, D)).astype(dtype)
    labels = rng.integers(0, K, B)
    mask: Floats = rng.choice([0, 1 / 0.75], (B, H), p=[0.25, 0.75]).astype(dtype)
    weights: Floats | None = np.array(WEIGHTS, dtype) if weighted else None
    oracle = Oracle(
        w=reference.unflat(network.theta.astype(np.float64), D, H, K),
        activation=activation,
        x=x.astype(np.float64),
        r=mask.astype(np.float64) if dropped else np.ones((B, H)),
        labels=labels,
        row_weights=np.array(WEIGHTS) if weighted else None,
        smoothing=smoothing,
    )
    return Case(
        network=network,
        x=x,
        labels=labels,
        r=mask if dropped else 1.0,
        ws=workspace(SHAPE, B, dtype),
        grad=gradient(SHAPE, B, dtype),
        oracle=oracle,
        weights=weights,
        smoothing=smoothing,
    )


@activations
@masked
def test_forward_equals_the_reference(activation: str, dropped: bool) -> None:
    c = case(activation, dropped)
    forward(c.network, c.x, c.r, c.ws)
    rows = c.oracle.rows()
    np.testing.assert_allclose(c.ws.a, [row.a for row in rows], **EXACT)
    np.testing.assert_allclose(c.ws.h, [row.h for row in rows], **EXACT)
    np.testing.assert_allclose(c.ws.z, [row.z for row in rows], **EXACT)


@activations
@masked
@weighed
def test_the_loss_equals_the_reference(activation: str, dropped: bool, weighted: bool) -> None:
    c = case(activation, dropped, weighted=weighted)
    assert c.run() == pytest.approx(c.oracle.loss(), rel=1e-12)


def test_the_loss_is_the_one_without_smoothing() -> None:
    assert case("tanh", weighted=True, smoothing=0.2).run() == case("tanh", weighted=True).run()


@activations
@masked
@decayed
@weighed
@smoothed
def test_the_gradient_of_every_parameter_equals_the_reference(
    activation: str, dropped: bool, l2: float, weighted: bool, smoothing: float
) -> None:
    c = case(activation, dropped, weighted=weighted, smoothing=smoothing)
    c.run(l2)
    expected = c.oracle.gradients(l2).weights
    np.testing.assert_allclose(c.grad.dW1, expected.W1, **EXACT)
    np.testing.assert_allclose(c.grad.dW2, expected.W2, **EXACT)
    np.testing.assert_allclose(c.grad.db1, expected.b1, **EXACT)
    np.testing.assert_allclose(c.grad.db2, expected.b2, **EXACT)
    np.testing.assert_allclose(c.grad.flat, expected.flat, **EXACT)


@activations
@masked
@decayed
@weighed
@smoothed
def test_the_gradient_is_the_complex_step_derivative_of_the_loss(
    activation: str, dropped: bool, l2: float, weighted: bool, smoothing: float
) -> None:
    c = case(activation, dropped, weighted=weighted, smoothing=smoothing)
    c.run(l2)
    theta = c.oracle.w.flat
    expected = reference.complex_step(lambda point: c.oracle.loss_at(point, l2), theta)
    np.testing.assert_allclose(c.grad.flat, expected, **EXACT)


@activations
@masked
@decayed
@weighed
def test_the_gradient_is_the_finite_difference_of_the_packages_own_loss(
    activation: str, dropped: bool, l2: float, weighted: bool
) -> None:
    c = case(activation, dropped, weighted=weighted)
    c.run(l2)
    other = case(activation, dropped, weighted=weighted)

    def loss(theta: np.ndarray[Any, Any]) -> float:
        other.network.theta[:] = theta
        forward(other.network, other.x, other.r, other.ws)
        penalty = l2 / 2 * float(np.sum(theta[: SHAPE.weights] ** 2))
        return mean_loss(other.labels, other.ws, other.weights) + penalty

    np.testing.assert_allclose(c.grad.flat, approx_fprime(c.network.theta, loss), atol=1e-6)


@activations
@masked
@decayed
@weighed
def test_float32_follows_float64_to_its_rounding(
    activation: str, dropped: bool, l2: float, weighted: bool
) -> None:
    c = case(activation, dropped, np.float32, weighted)
    assert c.run(l2) == pytest.approx(c.oracle.loss(), rel=1e-6)
    assert c.grad.flat.dtype == np.float32
    expected = c.oracle.gradients(l2).weights.flat
    np.testing.assert_allclose(c.grad.flat, expected, rtol=1e-5, atol=1e-6)


@activations
@masked
@weighed
@smoothed
def test_each_equation_equals_the_reference_when_given_the_references_own_inputs(
    activation: str, dropped: bool, weighted: bool, smoothing: float
) -> None:
    c = case(activation, dropped, weighted=weighted, smoothing=smoothing)
    expected = c.oracle.gradients()
    forward(c.network, c.x, c.r, c.ws)
    mean_loss(c.labels, c.ws)

    logits_gradient(c.labels, c.ws, c.grad, c.weights, c.smoothing)
    np.testing.assert_allclose(c.grad.dz, expected.dz, **EXACT)

    c.ws.h[:] = [row.h for row in c.oracle.rows()]
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
    rng = np.random.default_rng(1)
    network = Network(shape, "relu", np.float64)
    grad = gradient(shape, 1, np.float64)
    network.theta[:] = rng.normal(size=shape.parameters)
    before = rng.normal(size=shape.parameters)
    grad.flat[:] = before
    add_weight_decay(network, 0.25, grad)
    of_loss = reference.unflat(before, *shape)
    np.testing.assert_allclose(grad.dW1, of_loss.W1 + 0.25 * network.W1, **EXACT)
    np.testing.assert_allclose(grad.dW2, of_loss.W2 + 0.25 * network.W2, **EXACT)
    np.testing.assert_array_equal(grad.flat[shape.weights :], before[shape.weights :])


def test_that_case_of_weight_decay_sweeps_more_than_one_piece() -> None:
    assert Shape(301, 211, 3).weights > PIECE > SHAPE.weights


def test_at_the_kink_of_relu_the_gradient_is_0() -> None:
    c = case("relu")
    c.network.W1[:] = 0
    c.network.b1[:] = 0
    c.run()
    assert np.all(c.ws.a == 0)
    assert np.all(c.grad.da == 0)


@activations
def test_a_dropped_unit_gets_no_gradient(activation: str) -> None:
    c = case(activation, dropped=True)
    assert isinstance(c.r, np.ndarray)
    c.r[:, 4] = 0
    c.run()
    assert np.all(c.grad.dW1[:, 4] == 0)
    assert np.all(c.grad.dW2[4] == 0)
    assert c.grad.db1[4] == 0


@pytest.mark.parametrize(
    ("dtype", "size"), [(np.float32, 1e4), (np.float64, 1e4), (np.float64, 1e300)]
)
def test_the_loss_of_extreme_logits_is_finite_and_equals_scipys(dtype: type, size: float) -> None:
    logits: Floats = np.random.default_rng(2).uniform(-1, 1, (40, K)).astype(dtype)
    logits *= dtype(size)
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


def test_a_short_batch_gives_the_gradient_of_its_own_rows_whatever_the_buffers_hold() -> None:
    c = case("tanh", dropped=True)
    c.run()
    assert isinstance(c.r, np.ndarray)
    oracle = c.oracle.first(2)
    short = Case(c.network, c.x[:2], c.labels[:2], c.r[:2], c.ws.first(2), c.grad.first(2), oracle)
    assert short.run() == pytest.approx(oracle.loss())
    np.testing.assert_allclose(c.grad.flat, oracle.gradients().weights.flat, **EXACT)


def test_the_parameters_of_a_network_are_views_of_theta() -> None:
    network = Network(SHAPE, "relu")
    network.theta[:] = np.arange(SHAPE.parameters)
    expected = reference.unflat(network.theta, D, H, K)
    for name in ("W1", "W2", "b1", "b2"):
        np.testing.assert_array_equal(getattr(network, name), getattr(expected, name))


def pickled(network: Network) -> Any:
    return pickle.loads(pickle.dumps(network))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copy_has_a_theta_of_its_own_and_its_views_lie_in_it(
    copied: Callable[[Network], Network],
) -> None:
    network = case("tanh").network
    twin = copied(network)
    np.testing.assert_array_equal(twin.theta, network.theta)
    assert (twin.shape, twin.activation) == (network.shape, network.activation)
    twin.theta[:] = 0
    assert not any(view.any() for view in (twin.W1, twin.W2, twin.b1, twin.b2))
    assert network.theta.all()


@activations
@masked
@decayed
@pytest.mark.parametrize(
    "active", [slice(0, D), slice(2, 5), slice(0, 1), slice(6, D), slice(0, 0)], ids=str
)
def test_columns_of_x_that_are_0_may_be_left_out_on_both_sides(
    activation: str, dropped: bool, l2: float, active: slice
) -> None:
    c = case(activation, dropped)
    outside = np.r_[: active.start, active.stop : D]
    c.x[:, outside] = 0
    c.oracle.x[:, outside] = 0
    c.grad.flat[:] = np.nan  # what an earlier step may have left there
    assert c.run(l2, active) == pytest.approx(c.oracle.loss(), rel=1e-12)
    rows = c.oracle.rows()
    np.testing.assert_allclose(c.ws.a, [row.a for row in rows], **EXACT)
    np.testing.assert_allclose(c.ws.z, [row.z for row in rows], **EXACT)
    np.testing.assert_allclose(c.grad.flat, c.oracle.gradients(l2).weights.flat, **EXACT)
    np.testing.assert_array_equal(c.grad.dW1[outside], l2 * c.oracle.w.W1[outside])


def network_of_units(w: reference.Weights, units: slice) -> Network:
    """A network with some of the hidden units."""
    network = Network(Shape(D, units.stop - units.start, K), "tanh", np.float64)
    part = reference.Weights(w.W1[:, units], w.W2[units], w.b1[units], w.b2)
    network.theta[:] = part.flat
    return network


def test_allreduce_adds_the_other_units_logits_before_the_bias() -> None:
    whole = case("tanh", dropped=True)
    o = whole.oracle
    own, others = slice(0, 4), slice(4, H)
    other = network_of_units(o.w, others)
    other_ws = workspace(other.shape, B, np.float64)
    forward(other, o.x, o.r[:, others], other_ws)

    def allreduce(z: np.ndarray[Any, Any]) -> None:
        z += other_ws.z - o.w.b2

    network = network_of_units(o.w, own)
    ws = workspace(network.shape, B, np.float64)
    grad = gradient(network.shape, B, np.float64)
    forward(network, o.x, o.r[:, own], ws, allreduce=allreduce)
    np.testing.assert_allclose(ws.z, [row.z for row in o.rows()], **EXACT)
    mean_loss(o.labels, ws)
    backward(network, o.x, o.labels, o.r[:, own], ws, grad)
    expected = o.gradients().weights
    np.testing.assert_allclose(grad.dW1, expected.W1[:, own], **EXACT)
    np.testing.assert_allclose(grad.dW2, expected.W2[own], **EXACT)
    np.testing.assert_allclose(grad.db1, expected.b1[own], **EXACT)
    np.testing.assert_allclose(grad.db2, expected.b2, **EXACT)
