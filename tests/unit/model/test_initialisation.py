"""The first weights: how large they are, and that they do not depend on the precision."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from mlpcli.arrays import Shape
from mlpcli.model.initialisation import initialise_normal, initialise_uniform
from mlpcli.model.network import Network

SHAPE = Shape(7, 11, 3)
Initialise: TypeAlias = Callable[[Network, np.random.Generator], None]


def initialise_by_half(network: Network, rng: np.random.Generator) -> None:
    initialise_normal(network, rng, 0.5)


HE = (6 / 40) ** 0.5
GLOROT = (6 / 130) ** 0.5


@pytest.mark.parametrize(
    ("activation", "limit"),
    [("relu", HE), ("tanh", GLOROT), ("logistic", GLOROT), ("identity", GLOROT)],
)
def test_first_weights_fill_the_limits_of_he_for_relu_and_of_glorot_otherwise(
    activation: str, limit: float
) -> None:
    network = Network(Shape(40, 90, 10), activation, np.float64)
    network.theta[:] = 9
    initialise_uniform(network, np.random.default_rng(3))
    for W, most in [(network.W1, limit), (network.W2, (6 / 100) ** 0.5)]:
        assert 0.98 * most < W.max() < most
        assert 0.98 * most < -W.min() < most
        assert abs(W.mean()) < 4 * most / np.sqrt(3 * W.size)  # four standard errors
        assert W.var() == pytest.approx(most**2 / 3, rel=0.2)
    assert not network.theta[network.shape.weights :].any()


@pytest.mark.parametrize("mean_square", [1.0, 0.05])
def test_normal_first_weights_keep_the_size_of_the_pre_activations(mean_square: float) -> None:
    network = Network(Shape(400, 300, 50), "relu", np.float64)
    network.theta[:] = 9
    initialise_normal(network, np.random.default_rng(3), mean_square)
    assert network.W1.var() == pytest.approx(2 / (400 * mean_square), rel=0.05)
    assert network.W2.var() == pytest.approx(1 / 300, rel=0.05)
    assert abs(network.W1.mean()) < 4 * network.W1.std() / np.sqrt(network.W1.size)
    assert not network.theta[network.shape.weights :].any()


@pytest.mark.parametrize("initialise", [initialise_uniform, initialise_by_half])
def test_first_weights_do_not_depend_on_the_dtype(initialise: Initialise) -> None:
    single = Network(SHAPE, "relu", np.float32)
    double = Network(SHAPE, "relu", np.float64)
    initialise(single, np.random.default_rng(4))
    initialise(double, np.random.default_rng(4))
    np.testing.assert_array_equal(single.theta, double.theta.astype(np.float32))
