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

from mlpcli.arrays import Floats, chunks
from mlpcli.network import PIECE, Network


@dataclass(frozen=True)
class Hyper:
    """The constants of the rules, in their authors' letters."""

    momentum: float = 0.9
    nesterov: bool = True
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


Rule: TypeAlias = Callable[[Floats, Floats, list[Floats], Floats, float, int, Hyper], None]


def sgd(theta: Floats, g: Floats, slots: list[Floats], scratch: Floats, lr: float, t: int, c: Hyper) -> None:
    """θ ← θ − lr g."""
    g *= lr
    theta -= g


def momentum(theta: Floats, g: Floats, slots: list[Floats], scratch: Floats, lr: float, t: int, c: Hyper) -> None:
    """With v ← μ v − lr g: θ ← θ + v, or θ + μ v − lr g after Nesterov (Sutskever et al. 2013)."""
    (v,) = slots
    g *= lr
    v *= c.momentum
    v -= g
    if c.nesterov:
        np.multiply(v, c.momentum, out=scratch)
        theta += scratch
        theta -= g
    else:
        theta += v


def adam(theta: Floats, g: Floats, slots: list[Floats], scratch: Floats, lr: float, t: int, c: Hyper) -> None:
    """With m ← β1 m + (1−β1) g; v ← β2 v + (1−β2) g²: θ ← θ − lr m̂ / (√v̂ + ε) (Kingma and Ba 2015)."""
    m, v = slots
    m *= c.beta1
    np.multiply(g, 1 - c.beta1, out=scratch)
    m += scratch
    v *= c.beta2
    g *= g
    g *= 1 - c.beta2
    v += g
    np.multiply(v, 1 / (1 - c.beta2**t), out=g)
    np.sqrt(g, out=g)
    g += c.epsilon  # √v̂ + ε
    np.divide(m, g, out=scratch)
    scratch *= lr / (1 - c.beta1**t)
    theta -= scratch


RULES: dict[str, tuple[Rule, int]] = {"sgd": (sgd, 0), "momentum": (momentum, 1), "adam": (adam, 2)}


class Optimizer:
    """One rule, its moment vectors (each as long as theta) and the number of steps taken."""

    def __init__(self, name: str, network: Network, hyper: Hyper, weight_decay: float = 0.0) -> None:
        self.rule, count = RULES[name]
        self.hyper = hyper
        self.weight_decay = weight_decay
        self.slots = [np.zeros_like(network.theta) for _ in range(count)]
        self.scratch = np.empty_like(network.theta[:PIECE])
        self.steps = 0

    def step(self, network: Network, gradient: Floats, lr: float) -> None:
        """Move theta once, in place; the gradient is used up."""
        self.steps += 1
        if self.weight_decay:
            network.theta[: network.shape.weights] *= 1 - lr * self.weight_decay
        for piece in chunks(len(gradient), PIECE):
            scratch = self.scratch[: piece.stop - piece.start]
            slots = [slot[piece] for slot in self.slots]
            self.rule(network.theta[piece], gradient[piece], slots, scratch, lr, self.steps, self.hyper)


def limit_norms(W1: Floats, most: float) -> None:
    """Scale down each column of W1 (D,H), a unit's incoming weights, whose norm is over `most`."""
    norms = np.sqrt(np.einsum("dh,dh->h", W1, W1))
    if norms.max() > most:
        W1 *= np.minimum(1, most / np.maximum(norms, most))


def constant(progress: float) -> float:
    """The learning rate stays as it is."""
    return 1.0


def linear(progress: float) -> float:
    """The learning rate falls on a straight line, to reach 0 when the last step is done."""
    return 1 - progress


def cosine(progress: float) -> float:
    """The learning rate falls along half a cosine, to reach 0 at the end (Loshchilov and Hutter 2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


SCHEDULES = {"constant": constant, "linear": linear, "cosine": cosine}


def rate(schedule: str, step: int, steps: int, warmup: int) -> float:
    """The factor on lr at `step` of `steps`, both counted from 0: a linear rise over `warmup`, then the schedule."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return SCHEDULES[schedule]((step - warmup) / max(1, steps - warmup))
