"""The oracle: the same mathematics row by row, slow and obvious, in float64, without a line of the package.

Everything also takes complex numbers, so that the loss can be differentiated without its derivation.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Weights(NamedTuple):
    """W1 (D,H), W2 (H,K), b1 (H), b2 (K), in the order of the flat vector."""

    W1: Array
    W2: Array
    b1: Array
    b2: Array

    @property
    def flat(self) -> Array:
        return np.concatenate([part.ravel() for part in self])


class Row(NamedTuple):
    """What one row makes on its way forward: a (H), h (H), z (K) and its loss."""

    a: Array
    h: Array
    z: Array
    loss: complex


class Gradients(NamedTuple):
    """Every gradient of the mean loss: by row dz (B,K) and da (B,H), and of the weights."""

    dz: Array
    da: Array
    weights: Weights


PHI: dict[str, Callable[[Array], Array]] = {
    "relu": lambda a: np.where(a.real > 0, a, 0),
    "tanh": np.tanh,
    "logistic": lambda a: 1 / (1 + np.exp(-a)),
    "identity": lambda a: a,
}
SLOPE: dict[str, Callable[[Array], Array]] = {
    "relu": lambda a: np.where(a > 0, 1.0, 0.0),
    "tanh": lambda a: 1 / np.cosh(a) ** 2,
    "logistic": lambda a: np.exp(-a) / (1 + np.exp(-a)) ** 2,
    "identity": lambda a: np.ones_like(a),
}


def unflat(flat: Array, D: int, H: int, K: int) -> Weights:
    """The weights that a flat vector holds."""
    W1, rest = flat[: D * H].reshape(D, H), flat[D * H :]
    return Weights(W1, rest[: H * K].reshape(H, K), rest[H * K : H * K + H], rest[H * K + H :])


def forward(w: Weights, activation: str, x: Array, r: Array, label: int) -> Row:
    """One row x (D) with its own mask r (H)."""
    a = x @ w.W1 + w.b1
    h = PHI[activation](a) * r
    z = h @ w.W2 + w.b2
    top = max(z.real)
    return Row(a, h, z, top + np.log(sum(np.exp(z - top))) - z[label])


def loss(
    w: Weights, activation: str, x: Array, r: Array, labels: Array, l2: float = 0.0
) -> complex:
    """The mean over rows, plus λ/2 of the sum of the squared weights."""
    rows = [forward(w, activation, *row).loss for row in zip(x, r, labels, strict=True)]
    return sum(rows) / len(rows) + l2 / 2 * (np.sum(w.W1**2) + np.sum(w.W2**2))


def gradients(
    w: Weights, activation: str, x: Array, r: Array, labels: Array, l2: float = 0.0
) -> Gradients:
    """The gradient of `loss`, one row after the other."""
    dz, da = np.zeros((len(x), len(w.b2))), np.zeros((len(x), len(w.b1)))
    total = Weights(l2 * w.W1, l2 * w.W2, np.zeros_like(w.b1), np.zeros_like(w.b2))
    for n, label in enumerate(labels):
        row = forward(w, activation, x[n], r[n], label)
        softmax = np.exp(row.z - max(row.z)) / sum(np.exp(row.z - max(row.z)))
        dz[n] = (softmax - np.eye(len(w.b2))[label]) / len(x)
        da[n] = (w.W2 @ dz[n]) * r[n] * SLOPE[activation](row.a)
        parts = np.outer(x[n], da[n]), np.outer(row.h, dz[n]), da[n], dz[n]
        total = Weights(*(sum_ + part for sum_, part in zip(total, parts, strict=True)))
    return Gradients(dz, da, total)


def complex_step(f: Callable[[Array], complex], at: Array) -> Array:
    """The gradient of f, exact to rounding and without any derivation: Im f(θ + iε) / ε."""
    return np.array([f(at + 1e-200j * unit).imag / 1e-200 for unit in np.eye(len(at))])


class Rule:
    """A textbook update of one vector; `decayed` of its first numbers also shrink by lr · decay."""

    def __init__(self, decay: float = 0.0, decayed: int = 0) -> None:
        self.decay, self.decayed, self.t = decay, decayed, 0

    def step(self, theta: Array, g: Array, lr: float) -> Array:
        self.t += 1
        shrink = np.where(np.arange(len(theta)) < self.decayed, lr * self.decay, 0.0)
        return theta - shrink * theta + self.move(g, lr)

    def move(self, g: Array, lr: float) -> Array:
        return -lr * g


class Momentum(Rule):
    """v ← μ v − lr g, then θ + v, or with Nesterov θ + μ v − lr g."""

    def __init__(self, mu: float, nesterov: bool, decay: float = 0.0, decayed: int = 0) -> None:
        super().__init__(decay, decayed)
        self.mu, self.nesterov, self.v = mu, nesterov, np.zeros(1)

    def move(self, g: Array, lr: float) -> Array:
        self.v = self.mu * self.v - lr * g
        return self.mu * self.v - lr * g if self.nesterov else self.v


class Adam(Rule):
    """Algorithm 1 of Kingma and Ba 2015."""

    def __init__(
        self, beta1: float, beta2: float, epsilon: float, decay: float = 0.0, decayed: int = 0
    ) -> None:
        super().__init__(decay, decayed)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.m, self.v = np.zeros(1), np.zeros(1)

    def move(self, g: Array, lr: float) -> Array:
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        m_hat, v_hat = self.m / (1 - self.beta1**self.t), self.v / (1 - self.beta2**self.t)
        return -lr * m_hat / (np.sqrt(v_hat) + self.epsilon)


def limited(W1: Array, most: float) -> Array:
    """W1 with each unit's incoming weights shortened to the norm `most` where they are longer."""
    columns = [w if np.linalg.norm(w) <= most else w * most / np.linalg.norm(w) for w in W1.T]
    return np.array(columns).T


def cosine_after_warmup(step: int, steps: int, warmup: int) -> float:
    """The factor on the learning rate at each step, both counted from 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / (steps - warmup))
