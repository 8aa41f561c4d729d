"""Stochastic gradient descent, momentum and Adam on one flat parameter vector, in place.

Every rule works on a cache-sized piece at a time and may use up the gradient it is given.
Weight decay here is the decoupled kind (Loshchilov and Hutter 2019): θ shrinks by lr · decay
of itself at each step, beside the gradient and whatever the rule makes of it.
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
    """The constants of the rules, in their authors' letters."""

    momentum: float = 0.9
    nesterov: bool = True
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


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
    """V ← μ v − lr g; θ ← θ + v, or θ + μ v − lr g after Nesterov (Sutskever et al. 2013); the slot holds μ v."""
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
    """θ ← θ − lr m̂ / (√v̂ + ε), with m̂ and v̂ the corrected means of g and g² (Kingma and Ba 2015).

    The slots hold the sums M = Σ β1ⁱ g and V = Σ β2ⁱ g² over the steps i ago, so that each costs one pass less:
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


RULES: dict[str, tuple[Rule, int]] = {"sgd": (sgd, 0), "momentum": (momentum, 1), "adam": (adam, 2)}


class Optimizer:
    """One rule, its moment vectors (each as long as theta) and the number of steps taken."""

    def __init__(
        self, name: str, network: Network, hyper: Hyperparameters, weight_decay: float = 0.0
    ) -> None:
        self.name = name
        self.rule, count = RULES[name]
        self.hyper = hyper
        self.weight_decay = weight_decay
        self.slots = [shared_zeros(len(network.theta), network.theta.dtype) for _ in range(count)]
        self.pieces = chunks(len(network.theta), PIECE)
        self.steps = 0

    def resting_for(self, network: Network) -> "Optimizer":
        """The same rule for another network, its moments at zero, as many steps taken."""
        other = Optimizer(self.name, network, self.hyper, self.weight_decay)
        other.steps = self.steps
        return other

    def step(self, network: Network, gradient: Floats, lr: float) -> None:
        """Move theta once, in place; the gradient is used up."""
        self.steps += 1
        if self.weight_decay:
            network.theta[: network.shape.weights] *= 1 - lr * self.weight_decay
        for piece in self.pieces:
            slots = [slot[piece] for slot in self.slots]
            self.rule(network.theta[piece], gradient[piece], slots, lr, self.steps, self.hyper)


def limit_norms(W1: Floats, most: float) -> None:
    """Scale down each column of W1 (D,H), a unit's incoming weights, whose norm is over `most`."""
    norms = np.sqrt(np.einsum("dh,dh->h", W1, W1))
    if norms.max() > most:
        W1 *= np.minimum(1, most / np.maximum(norms, most))
