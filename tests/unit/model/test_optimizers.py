"""The rules and the norm limit, against textbook versions and known values."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from mlpcli import config
from mlpcli.arrays import Floats, Shape
from mlpcli.model.network import Network
from mlpcli.model.optimizers import RULES, Hyperparameters, Optimizer, limit_norms
from mlpcli.model.parameters import PIECE
from tests.support import reference

SMALL, LARGE = Shape(7, 11, 3), Shape(301, 211, 3)  # LARGE has more parameters than one piece holds
USUAL = Hyperparameters(momentum=0.9, nesterov=True, beta1=0.9, beta2=0.999, epsilon=1e-8)
RULES_TRIED = [
    pytest.param("sgd", USUAL, id="sgd"),
    pytest.param("momentum", replace(USUAL, momentum=0.8, nesterov=False), id="momentum"),
    pytest.param("momentum", replace(USUAL, momentum=0.8, nesterov=True), id="nesterov"),
    pytest.param("adam", replace(USUAL, beta1=0.7, beta2=0.95, epsilon=1e-3), id="adam"),
    pytest.param("adam", replace(USUAL, beta1=0.0, beta2=0.0), id="adam without memory"),
]
ADAM_AS_USUAL = pytest.param("adam", USUAL, id="adam as usual")
every_rule = pytest.mark.parametrize("name", list(RULES))


def start(shape: Shape, dtype: type = np.float64) -> Network:
    """A network with normally distributed parameters, always the same."""
    network = Network(shape, "relu", dtype)
    network.theta[:] = np.random.default_rng(0).normal(size=shape.parameters)
    return network


def textbook(name: str, c: Hyperparameters, decay: float, decayed: int) -> reference.Rule:
    if name == "momentum":
        return reference.Momentum(c.momentum, c.nesterov, decay, decayed)
    if name == "adam":
        return reference.Adam(c.beta1, c.beta2, c.epsilon, decay, decayed)
    return reference.Rule(decay, decayed)


@pytest.mark.parametrize(("name", "hyper"), RULES_TRIED)
@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=str)
@pytest.mark.parametrize("decay", [0.0, 0.5], ids=["no decay", "decay"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_every_rule_follows_its_textbook_step_by_step(
    name: str, hyper: Hyperparameters, shape: Shape, decay: float, dtype: type, tolerance: float
) -> None:
    network = start(shape, dtype)
    optimizer = Optimizer(name, network, hyper, decay)
    oracle = textbook(name, hyper, decay, shape.weights)
    theta = network.theta.astype(np.float64)
    rng = np.random.default_rng(1)
    for lr in (0.1, 0.05, 0.2, 0.1, 0.01, 0.3):
        g: Floats = rng.normal(size=shape.parameters).astype(dtype)
        theta = oracle.step(theta, g.astype(np.float64), lr)
        optimizer.step(network, g, lr)
        np.testing.assert_allclose(network.theta, theta, rtol=tolerance, atol=tolerance)
    assert optimizer.steps == 6


def factors(schedule: str, steps: int, rng: np.random.Generator) -> list[float]:
    """A factor on the learning rate for every step."""
    if schedule == "cosine":
        return [reference.cosine_after_warmup(step, steps, 20) for step in range(steps)]
    return list(rng.choice([0, 1e-3, 1], steps))


@pytest.mark.parametrize(("name", "hyper"), [*RULES_TRIED, ADAM_AS_USUAL])
@pytest.mark.parametrize("schedule", ["cosine", "jumps"])
def test_every_rule_still_follows_its_textbook_after_many_steps_at_changing_rates(
    name: str, hyper: Hyperparameters, schedule: str
) -> None:
    network = start(SMALL)
    optimizer = Optimizer(name, network, hyper, 0.01)
    oracle = textbook(name, hyper, 0.01, SMALL.weights)
    theta = network.theta.copy()
    rng = np.random.default_rng(5)
    sizes = 10.0 ** rng.uniform(-3, 3, SMALL.parameters)  # gradients of very different sizes
    for factor in factors(schedule, 1500, rng):
        lr = 0.01 * factor
        g = sizes * rng.normal(size=SMALL.parameters)
        theta = oracle.step(theta, g, lr)
        optimizer.step(network, g.copy(), lr)
    largest = max(1, np.abs(theta).max())
    scale = 1 if name == "adam" else largest
    np.testing.assert_allclose(network.theta, theta, rtol=1e-12, atol=1e-12 * scale)


def test_one_of_those_networks_needs_more_than_one_piece() -> None:
    assert SMALL.parameters < PIECE < LARGE.parameters < 3 * PIECE
    assert LARGE.parameters % PIECE


def test_nesterov_is_sutskevers_look_ahead_seen_from_the_point_looked_at() -> None:
    network = start(SMALL)
    mu, lr = 0.9, 0.1
    curvature = np.linspace(0.1, 3, SMALL.parameters)  # the gradient at θ is curvature · θ
    optimizer = Optimizer("momentum", network, replace(USUAL, momentum=mu, nesterov=True))
    theta = network.theta.copy()
    v = np.zeros(SMALL.parameters)
    for _ in range(20):
        optimizer.step(network, curvature * network.theta, lr)
        v = mu * v - lr * curvature * (theta + mu * v)
        theta = theta + v
        np.testing.assert_allclose(network.theta, theta + mu * v, rtol=1e-12, atol=1e-12)


def after_three_steps(name: str, hyper: Hyperparameters) -> Floats:
    network = start(SMALL)
    optimizer = Optimizer(name, network, hyper)
    rng = np.random.default_rng(2)
    for _ in range(3):
        optimizer.step(network, rng.normal(size=SMALL.parameters), 0.1)
    return network.theta


@pytest.mark.parametrize("nesterov", [True, False])
def test_momentum_of_0_is_plain_sgd(nesterov: bool) -> None:
    hyper = replace(USUAL, momentum=0, nesterov=nesterov)
    expected = after_three_steps("sgd", USUAL)
    np.testing.assert_array_equal(after_three_steps("momentum", hyper), expected)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_adams_first_step_is_lr_in_the_direction_of_the_sign(size: float) -> None:
    network = start(SMALL)
    before = network.theta.copy()
    g = size * np.random.default_rng(3).choice([-1.0, 1.0], SMALL.parameters)
    sign = np.sign(g)
    Optimizer("adam", network, replace(USUAL, epsilon=1e-12)).step(network, g, 0.01)
    np.testing.assert_allclose(network.theta, before - 0.01 * sign, rtol=1e-8)


@every_rule
def test_decoupled_decay_shrinks_weights_by_lr_times_decay_and_no_bias(name: str) -> None:
    network = start(SMALL)
    n = SMALL.weights
    before = network.theta.copy()
    optimizer = Optimizer(name, network, USUAL, weight_decay=0.5)
    optimizer.step(network, np.zeros(SMALL.parameters), 0.1)
    np.testing.assert_allclose(network.theta[:n], before[:n] * 0.95, rtol=1e-14)
    np.testing.assert_array_equal(network.theta[n:], before[n:])


def addresses(vectors: list[Floats]) -> list[Any]:
    return [vector.ctypes.data for vector in vectors]


@every_rule
def test_a_step_moves_theta_and_slots_in_place(name: str) -> None:
    network = start(LARGE, np.float32)
    optimizer = Optimizer(name, network, USUAL)
    at_first = addresses([network.theta, *optimizer.slots])
    before = [vector.copy() for vector in (network.theta, *optimizer.slots)]
    optimizer.step(network, np.ones(LARGE.parameters, np.float32), 0.1)
    after = [network.theta, *optimizer.slots]
    assert addresses(after) == at_first
    assert all((new != old).all() for new, old in zip(after, before, strict=True))
    assert all(vector.dtype == np.float32 for vector in after)


@every_rule
def test_the_same_rule_for_another_network_has_slots_of_zeros_and_as_many_steps(name: str) -> None:
    network = start(SMALL)
    optimizer = Optimizer(name, network, USUAL, weight_decay=0.5)
    optimizer.step(network, np.ones(SMALL.parameters), 0.1)
    other = optimizer.for_network(start(LARGE))
    assert (other.name, other.hyper, other.weight_decay, other.steps) == (name, USUAL, 0.5, 1)
    assert [len(slot) for slot in other.slots] == [LARGE.parameters] * RULES[name][1]
    assert not any(slot.any() for slot in other.slots)


@pytest.mark.parametrize("most", [1e-3, 1.0, 2.7, 1e3])
def test_only_columns_over_the_norm_limit_are_scaled_down_to_it(most: float) -> None:
    W1 = np.random.default_rng(4).normal(size=(7, 11))
    W1[:, 3] = 0
    expected = reference.limited(W1, most)
    limit_norms(W1, most)
    np.testing.assert_allclose(W1, expected, rtol=1e-14)
    assert np.linalg.norm(W1, axis=0).max() <= most * (1 + 1e-14)


def test_the_norm_limit_of_2_point_7_scales_some_columns_and_leaves_others() -> None:
    W1 = np.random.default_rng(4).normal(size=(7, 11))
    before = W1.copy()
    limit_norms(W1, 2.7)
    assert 0 < (before != W1).any(axis=0).sum() < 11


def test_the_configuration_takes_every_rule_and_no_other() -> None:
    assert get_args(config.Optimizer.model_fields["name"].annotation) == tuple(RULES)
