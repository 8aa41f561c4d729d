"""The rules, the norm limit and the schedules, against textbook versions and known values."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli.arrays import Shape
from mlpcli.model.network import Network
from mlpcli.model.optimizers import RULES, Hyperparameters, Optimizer, limit_norms
from mlpcli.model.parameters import PIECE
from mlpcli.model.schedules import SCHEDULES, rate
from tests.support import reference

SMALL, LARGE = Shape(7, 11, 3), Shape(301, 211, 3)  # LARGE has more parameters than one piece holds
USUAL = Hyperparameters(momentum=0.9, nesterov=True, beta1=0.9, beta2=0.999, epsilon=1e-8)
HYPERS = [
    pytest.param("sgd", USUAL, id="sgd"),
    pytest.param("momentum", replace(USUAL, momentum=0.8, nesterov=False), id="momentum"),
    pytest.param("momentum", replace(USUAL, momentum=0.8, nesterov=True), id="nesterov"),
    pytest.param("adam", replace(USUAL, beta1=0.7, beta2=0.95, epsilon=1e-3), id="adam"),
    pytest.param("adam", replace(USUAL, beta1=0.0, beta2=0.0), id="adam without memory"),
]
usual_too = pytest.param("adam", USUAL, id="adam as usual")


def start(shape: Shape, dtype: type = np.float64) -> Network:
    network = Network(shape, "relu", dtype)
    network.theta[:] = np.random.default_rng(0).normal(size=shape.parameters)
    return network


def textbook(name: str, c: Hyperparameters, decay: float, decayed: int) -> reference.Rule:
    if name == "momentum":
        return reference.Momentum(c.momentum, c.nesterov, decay, decayed)
    if name == "adam":
        return reference.Adam(c.beta1, c.beta2, c.epsilon, decay, decayed)
    return reference.Rule(decay, decayed)


@pytest.mark.parametrize(("name", "hyper"), HYPERS)
@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=str)
@pytest.mark.parametrize("decay", [0.0, 0.5], ids=["no decay", "decay"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_every_rule_follows_its_textbook_step_by_step(
    name: str, hyper: Hyperparameters, shape: Shape, decay: float, dtype: type, tolerance: float
) -> None:
    network = start(shape, dtype)
    optimizer, oracle = (
        Optimizer(name, network, hyper, decay),
        textbook(name, hyper, decay, shape.weights),
    )
    theta, stream = network.theta.astype(np.float64), np.random.default_rng(1)
    for lr in (0.1, 0.05, 0.2, 0.1, 0.01, 0.3):
        g = stream.normal(size=shape.parameters).astype(dtype)
        theta = oracle.step(theta, g.astype(np.float64), lr)
        optimizer.step(network, g, lr)
        np.testing.assert_allclose(network.theta, theta, rtol=tolerance, atol=tolerance)
    assert optimizer.steps == 6


@pytest.mark.parametrize(("name", "hyper"), [*HYPERS, usual_too])
@pytest.mark.parametrize("schedule", ["cosine", "jumps"])
def test_every_rule_still_follows_its_textbook_after_many_steps_at_changing_rates(
    name: str, hyper: Hyperparameters, schedule: str
) -> None:
    network, steps = start(SMALL), 1500
    optimizer, oracle = (
        Optimizer(name, network, hyper, 0.01),
        textbook(name, hyper, 0.01, SMALL.weights),
    )
    theta, stream = network.theta.copy(), np.random.default_rng(5)
    sizes = 10.0 ** stream.uniform(-3, 3, SMALL.parameters)  # gradients of very different sizes
    for step in range(steps):
        factor = (
            reference.cosine_after_warmup(step, steps, 20)
            if schedule == "cosine"
            else stream.choice([0, 1e-3, 1])
        )
        lr = 0.01 * factor
        g = sizes * stream.normal(size=SMALL.parameters)
        theta = oracle.step(theta, g, lr)
        optimizer.step(network, g.copy(), lr)
    scale = np.maximum(1, np.abs(theta)).max() if name != "adam" else 1
    np.testing.assert_allclose(network.theta, theta, rtol=1e-12, atol=1e-12 * scale)


def test_one_of_those_networks_needs_more_than_one_piece() -> None:
    assert SMALL.parameters < PIECE < LARGE.parameters < 3 * PIECE
    assert LARGE.parameters % PIECE


def test_nesterov_is_sutskevers_look_ahead_seen_from_the_place_looked_at() -> None:
    network, mu, lr = start(SMALL), 0.9, 0.1
    curvature = np.linspace(0.1, 3, SMALL.parameters)  # the gradient at θ is curvature · θ
    optimizer = Optimizer("momentum", network, replace(USUAL, momentum=mu))
    theta, v = network.theta.copy(), np.zeros(SMALL.parameters)
    for _ in range(20):
        optimizer.step(network, curvature * network.theta, lr)
        v = mu * v - lr * curvature * (theta + mu * v)
        theta = theta + v
        np.testing.assert_allclose(network.theta, theta + mu * v, rtol=1e-12, atol=1e-12)


def test_momentum_of_0_is_plain_sgd() -> None:
    networks = [start(SMALL) for _ in range(3)]
    hypers = [
        USUAL,
        replace(USUAL, momentum=0, nesterov=True),
        replace(USUAL, momentum=0, nesterov=False),
    ]
    for name, network, hyper in zip(("sgd", "momentum", "momentum"), networks, hypers, strict=True):
        optimizer, stream = Optimizer(name, network, hyper), np.random.default_rng(2)
        for _ in range(3):
            optimizer.step(network, stream.normal(size=SMALL.parameters), 0.1)
    for other in networks[1:]:
        np.testing.assert_array_equal(other.theta, networks[0].theta)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_adams_first_step_is_lr_in_the_direction_of_the_sign(size: float) -> None:
    network = start(SMALL)
    before, g = (
        network.theta.copy(),
        size * np.random.default_rng(3).choice([-1.0, 1.0], SMALL.parameters),
    )
    sign = np.sign(g)
    Optimizer("adam", network, replace(USUAL, epsilon=1e-12)).step(network, g, 0.01)
    np.testing.assert_allclose(network.theta, before - 0.01 * sign, rtol=1e-8)


@pytest.mark.parametrize("name", list(RULES))
def test_decoupled_decay_shrinks_weights_by_lr_times_decay_and_no_bias(name: str) -> None:
    network = start(SMALL)
    before = network.theta.copy()
    Optimizer(name, network, USUAL, weight_decay=0.5).step(network, np.zeros(SMALL.parameters), 0.1)
    np.testing.assert_allclose(
        network.theta[: SMALL.weights], before[: SMALL.weights] * 0.95, rtol=1e-14
    )
    np.testing.assert_array_equal(network.theta[SMALL.weights :], before[SMALL.weights :])


@pytest.mark.parametrize("name", list(RULES))
def test_a_step_moves_theta_and_moments_in_place(name: str) -> None:
    network = start(LARGE, np.float32)
    optimizer = Optimizer(name, network, USUAL)
    held = [network.theta, *optimizer.slots]
    addresses, contents = [array.ctypes.data for array in held], [array.copy() for array in held]
    optimizer.step(network, np.ones(LARGE.parameters, np.float32), 0.1)
    held = [network.theta, *optimizer.slots]
    assert [array.ctypes.data for array in held] == addresses
    assert all((after != before).all() for after, before in zip(held, contents, strict=True))
    assert all(array.dtype == np.float32 for array in held)


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


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("cosine", [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]),
    ],
)
def test_a_schedule_takes_its_known_values(schedule: str, factors: list[float]) -> None:
    assert [rate(schedule, step, 4, warmup=0) for step in range(4)] == pytest.approx(factors)


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_warm_up_rises_in_equal_steps_and_then_the_schedule_begins(schedule: str) -> None:
    factors = [rate(schedule, step, 9, warmup=4) for step in range(9)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[4:] == pytest.approx([rate(schedule, step, 5, warmup=0) for step in range(5)])


def test_the_cosine_schedule_equals_the_reference() -> None:
    got = [rate("cosine", step, 50, warmup=7) for step in range(50)]
    assert got == pytest.approx(
        [reference.cosine_after_warmup(step, 50, 7) for step in range(50)], rel=1e-12
    )


@settings(deadline=None, derandomize=True)
@given(data=st.data(), schedule=st.sampled_from(list(SCHEDULES)), steps=st.integers(1, 1000))
def test_no_step_goes_backwards_or_faster_than_lr(data: Any, schedule: str, steps: int) -> None:
    warmup, step = data.draw(st.integers(0, 2000)), data.draw(st.integers(0, steps - 1))
    assert 0 < rate(schedule, step, steps, warmup) <= 1
