"""Row weights and label smoothing: what changes no byte, what is no row, and scikit-learn's."""

import copy
import tracemalloc
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.neural_network import MLPClassifier

from mlpcli.arrays import Floats, Labels, Shape
from mlpcli.model.buffers import Gradient, gradient, workspace
from mlpcli.model.network import Network, backward, forward, logits_gradient, mean_loss
from mlpcli.model.optimizers import Hyperparameters, Optimizer

B, D, H, K = 35, 7, 11, 4
SHAPE = Shape(D, H, K)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def rows(dtype: type = np.float64) -> tuple[Network, Floats, Labels]:
    """A network, and a minibatch of B rows x and labels, with every class in it."""
    rng = np.random.default_rng(0)
    network = Network(SHAPE, "relu", dtype)
    network.theta[:] = rng.normal(0, 0.7, SHAPE.parameters)
    x: Floats = rng.normal(size=(B, D)).astype(dtype)
    return network, x, rng.permutation(np.arange(B) % K)


def step(
    network: Network,
    x: Floats,
    labels: Labels,
    weights: Floats | None = None,
    smoothing: float = 0.0,
) -> tuple[float, Gradient]:
    """The loss of a minibatch without dropout, and its gradients."""
    ws = workspace(network.shape, len(x), network.theta.dtype)
    grad = gradient(network.shape, len(x), network.theta.dtype)
    forward(network, x, 1.0, ws)
    loss = mean_loss(labels, ws, weights)
    backward(network, x, labels, 1.0, ws, grad, weights=weights, smoothing=smoothing)
    return loss, grad


def some_weights(n: int) -> Floats:
    """Weights of which some are 0 and some are 2."""
    return np.resize(np.array([1.0, 2.0, 0.0, 0.5]), n)


def without_weights_as_ever(network: Network, x: Floats, labels: Labels) -> tuple[float, Floats]:
    """The loss, and ∂z by the operations of a network that knows no weights, in their order."""
    ws = workspace(network.shape, len(x), network.theta.dtype)
    forward(network, x, 1.0, ws)
    loss = mean_loss(labels, ws)
    dz = np.divide(ws.p, len(labels))
    dz[ws.rows, labels] -= 1 / len(labels)
    return loss, dz


# What changes no byte


@dtypes
def test_without_weights_and_smoothing_every_byte_is_as_it_ever_was(dtype: type) -> None:
    network, x, labels = rows(dtype)
    loss, grad = step(network, x, labels)
    expected_loss, expected_dz = without_weights_as_ever(network, x, labels)
    assert loss == expected_loss
    assert grad.dz.tobytes() == expected_dz.tobytes()


@dtypes
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_that_are_all_1_change_no_byte(dtype: type, smoothing: float) -> None:
    network, x, labels = rows(dtype)
    loss, grad = step(network, x, labels, None, smoothing)
    weighted_loss, weighted_grad = step(network, x, labels, np.ones(B, dtype), smoothing)
    assert weighted_loss == loss
    assert weighted_grad.dz.tobytes() == grad.dz.tobytes()
    assert weighted_grad.flat.tobytes() == grad.flat.tobytes()


# What a weight means


def test_a_row_of_weight_2_counts_as_that_row_twice() -> None:
    network, x, labels = rows()
    weights = np.ones(B)
    weights[:10] = 2
    twice = np.r_[0:B, 0:10]
    loss, grad = step(network, x, labels, weights, 0.1)
    loss_of_twice, grad_of_twice = step(network, x[twice], labels[twice], None, 0.1)
    rescaled = len(twice) / B  # both are divided by their number of rows
    assert loss == pytest.approx(loss_of_twice * rescaled, rel=1e-13)
    np.testing.assert_allclose(grad.flat, grad_of_twice.flat * rescaled, rtol=1e-11, atol=1e-14)


def test_a_row_of_weight_0_changes_no_gradient() -> None:
    network, x, labels = rows()
    weights = some_weights(B)
    loss, grad = step(network, x, labels, weights, 0.1)
    x[weights == 0] += 5
    labels[weights == 0] = 0
    other_loss, other_grad = step(network, x, labels, weights, 0.1)
    assert np.all(grad.dz[weights == 0] == 0)
    assert other_loss == loss
    np.testing.assert_allclose(other_grad.flat, grad.flat, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_the_logits_gradient_of_every_row_sums_to_0(smoothing: float) -> None:
    network, x, labels = rows()
    _, grad = step(network, x, labels, some_weights(B), smoothing)
    np.testing.assert_allclose(grad.dz.sum(axis=1), 0, atol=1e-16)


def test_with_full_smoothing_the_label_makes_no_difference() -> None:
    network, x, labels = rows()
    _, grad = step(network, x, labels, smoothing=1.0)
    _, other_grad = step(network, x, (labels + 1) % K, smoothing=1.0)
    np.testing.assert_array_equal(other_grad.flat, grad.flat)


def test_a_network_that_gives_the_smoothed_targets_has_no_gradient_left() -> None:
    _, _, labels = rows()
    ws = workspace(SHAPE, B, np.float64)
    grad = gradient(SHAPE, B, np.float64)
    ws.p[:] = 0.2 / K
    ws.p[np.arange(B), labels] += 0.8
    logits_gradient(labels, ws, grad, some_weights(B), 0.2)
    np.testing.assert_allclose(grad.dz, 0, atol=1e-16)


def test_weights_and_smoothing_allocate_nothing_that_grows_with_the_network() -> None:
    n, shape = 128, Shape(200, 512, 10)
    network = Network(shape, "relu")
    rng = np.random.default_rng(1)
    network.theta[:] = rng.normal(size=shape.parameters)
    x: Floats = rng.normal(size=(n, shape.D)).astype(np.float32)
    labels = rng.integers(0, shape.K, n)
    weights = some_weights(n).astype(np.float32)
    ws, grad = workspace(shape, n), gradient(shape, n)
    forward(network, x, 1.0, ws)
    tracemalloc.start()
    try:
        mean_loss(labels, ws, weights)
        backward(network, x, labels, 1.0, ws, grad, weights=weights, smoothing=0.1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024  # (B,H) is 256 KiB, (D,H) 400 KiB


# scikit-learn


has_weights = pytest.mark.skipif(
    tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 7),
    reason="partial_fit takes a sample_weight from scikit-learn 1.7 on",
)
RULES: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.0, "nesterovs_momentum": False},
    "momentum": {"momentum": 0.9, "nesterovs_momentum": True},
}


def scikit_learns(network: Network, rule: str, x: Floats, labels: Labels) -> Any:
    """An MLPClassifier with the parameters of the network, before its first step."""
    model = MLPClassifier(
        H, solver="sgd", alpha=0, learning_rate_init=0.1, shuffle=False, **RULES[rule]
    )
    model.partial_fit(x, labels, classes=range(K))  # makes its arrays
    start = copy.deepcopy(network)
    model.coefs_, model.intercepts_ = [start.W1, start.W2], [start.b1, start.b2]
    del model._optimizer  # the next call makes a new one
    return model


@has_weights
@pytest.mark.parametrize("rule", RULES)
def test_steps_with_weight_2_on_some_rows_follow_scikit_learn(rule: str) -> None:
    """scikit-learn divides by a minibatch's Σ w, mlpcli by B: so each has w scaled to Σ w = B."""
    network, x, labels = rows()
    constants = Hyperparameters(0.9, nesterov=True, beta1=0.9, beta2=0.999, epsilon=1e-8)
    optimizer = Optimizer(rule, network, constants)
    model = scikit_learns(network, rule, x, labels)
    rng = np.random.default_rng(2)
    for _ in range(40):
        batch = rng.choice(B, 20, replace=False)
        sample_weight = rng.choice([1.0, 2.0], len(batch))
        scaled = sample_weight / sample_weight.mean()
        loss, grad = step(network, x[batch], labels[batch], scaled)
        optimizer.step(network, grad.flat, 0.1)
        model.partial_fit(x[batch], labels[batch], sample_weight=sample_weight)
        assert loss == pytest.approx(model.loss_, rel=1e-10)
        ours = (network.W1, network.W2, network.b1, network.b2)
        for got, expected in zip(ours, [*model.coefs_, *model.intercepts_], strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@has_weights
def test_steps_on_all_rows_follow_scikit_learn_with_weights_that_are_scaled_once() -> None:
    network, x, labels = rows()
    constants = Hyperparameters(0.9, nesterov=True, beta1=0.9, beta2=0.999, epsilon=1e-8)
    optimizer = Optimizer("sgd", network, constants)
    model = scikit_learns(network, "sgd", x, labels)
    sample_weight = some_weights(B)
    scaled = sample_weight / sample_weight.mean()
    for _ in range(100):
        loss, grad = step(network, x, labels, scaled)
        optimizer.step(network, grad.flat, 0.1)
        model.partial_fit(x, labels, sample_weight=sample_weight)
        assert loss == pytest.approx(model.loss_, rel=1e-10)
        np.testing.assert_allclose(network.W1, model.coefs_[0], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(network.W2, model.coefs_[1], rtol=1e-10, atol=1e-12)
