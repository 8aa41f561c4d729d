"""Stochastic gradient descent, momentum and Adam on one flat parameter vector, in place.

Each rule works on a piece of the vector that fits the cache, and overwrites the gradient.
Weight decay here is decoupled (Loshchilov and Hutter 2019): at each step the weights shrink
by lr · decay of themselves, whatever the rule does with the gradient.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mlpcli.arrays import Floats, chunks, shared_zeros
from mlpcli.model.network import Network
from mlpcli.model.parameters import PIECE


@dataclass(frozen=True)
class Hyperparameters:
    """The constants of the rules, in their authors' letters; config.py has the default values."""

    momentum: float  # μ
    nesterov: bool
    beta1: float
    beta2: float
    epsilon: float


# Its arguments: theta, gradient, slots, lr, the number of this step from 1, the constants.
Rule: TypeAlias = Callable[[Floats, Floats, list[Floats], float, int, Hyperparameters], None]


def sgd(
    theta: Floats, g: Floats, slots: list[Floats], lr: float, t: int, c: Hyperparameters
) -> None:
    """θ ← θ − lr g."""
    g *= lr
    theta -= g


def momentum(
    theta: Floats, g: Floats, slots: list[Floats], lr: float, t: int, c: Hyperparameters
) -> None:
    """θ ← θ + v with v ← μ v − lr g, or θ ← θ + μ v − lr g with that v after Nesterov.

    After Sutskever et al. 2013. The slot holds μ v between steps.
    """
    (m,) = slots
    g *= lr
    m -= g  # v
    if not c.nesterov:
        theta += m
    m *= c.momentum  # μ v
    if c.nesterov:
        theta += m
        theta -= g


def adam(
    theta: Floats, g: Floats, slots: list[Floats], lr: float, t: int, c: Hyperparameters
) -> None:
    """θ ← θ − lr m̂ / (√v̂ + ε), where m̂ and v̂ are the bias-corrected means of g and g².

    After Kingma and Ba 2015. The slots hold the sums M = Σ β1ⁱ g and V = Σ β2ⁱ g², over the steps
    i steps ago, which costs one pass less for each than the means would:
    m̂ = M / (1 + β1 + … + β1ᵗ⁻¹), and v̂ likewise.
    """
    M, V = slots
    M *= c.beta1
    M += g
    V *= c.beta2
    g *= g
    V += g
    root = math.sqrt((1 - c.beta2) / (1 - c.beta2**t))  # √v̂ = root √V
    np.sqrt(V, out=g)
    g += c.epsilon / root
    np.divide(M, g, out=g)
    g *= lr / root * (1 - c.beta1) / (1 - c.beta1**t)
    theta -= g


# Each rule, and the number of its slots: vectors as long as theta that it keeps between steps.
RULES: dict[str, tuple[Rule, int]] = {
    "sgd": (sgd, 0),
    "momentum": (momentum, 1),
    "adam": (adam, 2),
}


class Optimizer:
    """A rule, its slots (zero at first) and the number of steps taken."""

    def __init__(
        self, name: str, network: Network, hyper: Hyperparameters, weight_decay: float = 0.0
    ) -> None:
        theta = network.theta
        self.name = name
        self.rule, n_slots = RULES[name]
        self.hyper = hyper
        self.weight_decay = weight_decay
        self.slots = [shared_zeros(len(theta), theta.dtype) for _ in range(n_slots)]
        self.pieces = chunks(len(theta), PIECE)
        self.steps = 0

    def for_network(self, network: Network) -> "Optimizer":
        """The same rule for another network: as many steps taken, with slots of zeros."""
        other = Optimizer(self.name, network, self.hyper, self.weight_decay)
        other.steps = self.steps
        return other

    def step(self, network: Network, gradient: Floats, lr: float) -> None:
        """Move theta once, in place; `gradient`, as long as theta, is overwritten."""
        self.steps += 1
        theta = network.theta
        if self.weight_decay:
            theta[: network.shape.weights] *= 1 - lr * self.weight_decay
        for piece in self.pieces:
            slots = [slot[piece] for slot in self.slots]
            self.rule(theta[piece], gradient[piece], slots, lr, self.steps, self.hyper)


def limit_norms(W1: Floats, most: float) -> None:
    """Scale down each column of W1 (D,H), a unit's incoming weights, whose norm is over `most`."""
    norms = np.sqrt(np.einsum("dh,dh->h", W1, W1))
    if norms.max() > most:
        W1 *= np.minimum(1, most / np.maximum(norms, most))
