"""The oracle: the same mathematics row by row, slow and obvious, in float64.

It imports nothing from the package. The loss also takes complex weights, so that it can be
differentiated without the derivation.
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
        """The vector that holds all of them."""
        return np.concatenate([part.ravel() for part in self])


class Row(NamedTuple):
    """The forward pass of one row: a (H), h (H), z (K) and its loss, without its weight."""

    a: Array
    h: Array
    z: Array
    loss: complex


class Gradients(NamedTuple):
    """The gradients of the mean loss: ∂z (B,K), ∂a (B,H), and those of the weights."""

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
    W1, rest = flat[: D * H], flat[D * H :]
    W2, biases = rest[: H * K], rest[H * K :]
    return Weights(W1.reshape(D, H), W2.reshape(H, K), biases[:H], biases[H:])


def forward(
    w: Weights, activation: str, x: Array, r: Array, label: int, smoothing: float = 0.0
) -> Row:
    """The forward pass of one row x (D) with its own mask r (H)."""
    a = x @ w.W1 + w.b1
    h = PHI[activation](a) * r
    z = h @ w.W2 + w.b2
    top = max(z.real)
    log_sum_exp = top + np.log(sum(np.exp(z - top)))
    return Row(a, h, z, cross_entropy(z - log_sum_exp, label, smoothing))


def cross_entropy(log_p: Array, label: int, smoothing: float) -> complex:
    """The cross-entropy against the label, of which ε goes to the mean over all classes."""
    against_label: complex = -log_p[label]
    against_all: complex = -sum(log_p) / len(log_p)
    if smoothing == 0:
        return against_label
    return (1 - smoothing) * against_label + smoothing * against_all


def target(label: int, K: int, smoothing: float) -> Array:
    """The row y (K): ε/K everywhere, and 1 − ε more at the label."""
    y = np.full(K, smoothing / K)
    y[label] += 1 - smoothing
    return y


def loss(
    w: Weights,
    activation: str,
    x: Array,
    r: Array,
    labels: Array,
    l2: float = 0.0,
    row_weights: Array | None = None,
    smoothing: float = 0.0,
) -> complex:
    """The mean over rows of weight times loss, plus λ/2 times the sum of the squared weights."""
    if row_weights is None:
        row_weights = np.ones(len(x))
    total: complex = 0
    for n, label in enumerate(labels):
        row = forward(w, activation, x[n], r[n], label, smoothing)
        total += row_weights[n] * row.loss
    penalty: complex = l2 / 2 * (np.sum(w.W1**2) + np.sum(w.W2**2))
    return total / len(x) + penalty


def gradients(
    w: Weights,
    activation: str,
    x: Array,
    r: Array,
    labels: Array,
    l2: float = 0.0,
    row_weights: Array | None = None,
    smoothing: float = 0.0,
) -> Gradients:
    """The gradients of `loss`, one row after the other."""
    B, H, K = len(x), len(w.b1), len(w.b2)
    if row_weights is None:
        row_weights = np.ones(B)
    dz = np.zeros((B, K))
    da = np.zeros((B, H))
    total = Weights(l2 * w.W1, l2 * w.W2, np.zeros(H), np.zeros(K))
    for n, label in enumerate(labels):
        row = forward(w, activation, x[n], r[n], label)
        dz[n] = row_weights[n] * (softmax(row.z) - target(label, K, smoothing)) / B
        da[n] = (w.W2 @ dz[n]) * r[n] * SLOPE[activation](row.a)
        total = Weights(
            W1=total.W1 + np.outer(x[n], da[n]),
            W2=total.W2 + np.outer(row.h, dz[n]),
            b1=total.b1 + da[n],
            b2=total.b2 + dz[n],
        )
    return Gradients(dz, da, total)


def softmax(z: Array) -> Array:
    """The probabilities of the classes (K)."""
    exponentials: Array = np.exp(z - max(z))
    return exponentials / sum(exponentials)


def complex_step(f: Callable[[Array], complex], at: Array) -> Array:
    """The gradient of f, exact to rounding and without any derivation: Im f(θ + iε) / ε."""
    step = 1e-200
    return np.array([f(at + 1j * step * unit).imag / step for unit in np.eye(len(at))])


class Rule:
    """A textbook update of one vector; `decayed` of its first numbers also shrink by lr · decay."""

    def __init__(self, decay: float = 0.0, decayed: int = 0) -> None:
        self.decay = decay
        self.decayed = decayed
        self.t = 0  # steps taken

    def step(self, theta: Array, g: Array, lr: float) -> Array:
        """The vector after a step."""
        self.t += 1
        shrink = np.zeros(len(theta))
        shrink[: self.decayed] = lr * self.decay
        return theta - shrink * theta + self.move(g, lr)

    def move(self, g: Array, lr: float) -> Array:
        """What the rule adds to the vector."""
        return -lr * g


class Momentum(Rule):
    """v ← μ v − lr g, then θ + v, or with Nesterov θ + μ v − lr g."""

    def __init__(self, mu: float, nesterov: bool, decay: float = 0.0, decayed: int = 0) -> None:
        super().__init__(decay, decayed)
        self.mu = mu
        self.nesterov = nesterov
        self.v = np.zeros(1)

    def move(self, g: Array, lr: float) -> Array:
        self.v = self.mu * self.v - lr * g
        if self.nesterov:
            return self.mu * self.v - lr * g
        return self.v


class Adam(Rule):
    """Algorithm 1 of Kingma and Ba 2015."""

    def __init__(
        self, beta1: float, beta2: float, epsilon: float, decay: float = 0.0, decayed: int = 0
    ) -> None:
        super().__init__(decay, decayed)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.m = np.zeros(1)
        self.v = np.zeros(1)

    def move(self, g: Array, lr: float) -> Array:
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        return -lr * m_hat / (np.sqrt(v_hat) + self.epsilon)


def limited(W1: Array, most: float) -> Array:
    """W1 with each unit's incoming weights scaled down to the norm `most` if theirs is larger."""
    limited = W1.copy()
    for weights in limited.T:
        norm = np.linalg.norm(weights)
        if norm > most:
            weights *= most / norm
    return limited


def cosine_after_warmup(step: int, steps: int, warmup: int) -> float:
    """The factor on the learning rate at each step, both counted from 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / (steps - warmup))
