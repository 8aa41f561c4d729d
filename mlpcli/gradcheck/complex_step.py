"""True gradients, computed without network.py: complex-step derivatives of the loss.

Im L(θ + i s e) = s ∂L/∂θ_e + O(s³) (Squire and Trapp 1998). With s = 1e-20 nothing cancels, there
is no step size to tune, and no step crosses a kink.

The error of an entry is measured relative to its magnitude, which is the sum of the absolute values
of its terms: an entry whose terms cancel cannot be exact to its own last digit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Labels

Array: TypeAlias = NDArray[Any]  # float64, or complex128 for a complex step
STEP = 1e-20
HOMEWORK = {  # the equation of each gradient in the homework, in its order
    "z": "3.2",
    "W2": "3.3",
    "b2": "3.3",
    "a": "3.4",
    "W1": "3.4",
    "b1": "3.4",
}
EQUATIONS = tuple(HOMEWORK)
PARAMETERS = ("W1", "b1", "W2", "b2")


def _relu(a: Array) -> Array:
    s: Array = np.where(a.real > 0, a, 0)
    return s


def _logistic(a: Array) -> Array:
    is_positive = a.real > 0
    minus_magnitude = np.where(is_positive, -a, a)
    small = np.exp(minus_magnitude)  # never overflows
    numerator = np.where(is_positive, 1, small)
    s: Array = numerator / (1 + small)
    return s


PHI: dict[str, Callable[[Array], Array]] = {
    "relu": _relu,
    "tanh": np.tanh,
    "logistic": _logistic,
    "identity": lambda a: a,
}


@dataclass(frozen=True)
class Case:
    """One minibatch and one set of parameters to check gradients on; all floats are float64."""

    name: str
    activation: str
    x: Floats  # (B,D)
    labels: Labels  # (B)
    r: Floats  # (B,H) the dropout mask: 0 or 1/q
    W1: Floats  # (D,H)
    b1: Floats  # (H)
    W2: Floats  # (H,K)
    b2: Floats  # (K)
    l2: float = 0.0  # λ
    active: NDArray[np.bool_] | None = None  # (B,H) where ReLU is active, if not where a > 0
    weights: Floats | None = None  # (B) of the rows; all 1 if None
    smoothing: float = 0.0  # ε

    @cached_property
    def a(self) -> Floats:
        """The pre-activation x W1 + b1, (B,H)."""
        a: Floats = self.x @ self.W1 + self.b1
        return a

    @cached_property
    def z(self) -> Floats:
        """The logits h W2 + b2, (B,K)."""
        h = phi(self, self.a) * self.r
        z: Floats = h @ self.W2 + self.b2
        return z

    @property
    def K(self) -> int:
        """The number of classes."""
        return len(self.b2)

    @cached_property
    def w(self) -> Floats:
        """The weights of the rows, (B)."""
        if self.weights is None:
            return np.ones(len(self.x))
        return self.weights

    @cached_property
    def one_hot(self) -> Floats:
        """The labels as one-hot rows, (B,K)."""
        return np.eye(self.K)[self.labels]

    @cached_property
    def y(self) -> Floats:
        """The targets (1 − ε) one-hot + ε/K, (B,K); each row sums to 1."""
        return (1 - self.smoothing) * self.one_hot + self.smoothing / self.K


def phi(case: Case, a: Array) -> Array:
    """φ(a) of real or complex a; which branch is taken depends on the real part alone."""
    if case.active is not None:
        return np.where(case.active, a, 0)
    return PHI[case.activation](a)


def loss(case: Case, **changed: Array) -> Array:
    """L plus weight decay, with some of z, W2, b2, a, W1 and b1 replaced by other values.

    A replacement may have leading axes, which the result then has too: one loss for each value.
    """
    W1 = changed.get("W1", case.W1)
    b1 = changed.get("b1", case.b1)
    W2 = changed.get("W2", case.W2)
    b2 = changed.get("b2", case.b2)
    a = changed.get("a", case.x @ W1 + b1[..., None, :])
    h = phi(case, a) * case.r
    z = changed.get("z", h @ W2 + b2[..., None, :])
    losses = case.w * _loss_by_row(z, case.y)
    mean_loss = losses.mean(axis=-1)
    squares = _sum_of_squares(W1) + _sum_of_squares(W2)
    result: Array = mean_loss + case.l2 / 2 * squares
    return result


def _sum_of_squares(W: Array) -> Array:
    """‖W‖² over the last two axes."""
    squares: Array = (W**2).sum(axis=(-2, -1))
    return squares


def _loss_by_row(z: Array, y: Floats) -> Array:
    """−Σ_k y_k log softmax(z)_k of each row, by log-sum-exp."""
    below_top = z - z.real.max(axis=-1, keepdims=True)
    sums = np.exp(below_top).sum(axis=-1, keepdims=True)
    log_softmax = below_top - np.log(sums)
    losses: Array = -(y * log_softmax).sum(axis=-1)
    return losses


def true_gradient(case: Case, name: str) -> Floats:
    """The true gradient ∂L of one of z, W2, b2, a, W1, b1, in the shape of that array.

    Each entry has a complex step of its own; all of them go through one pass.
    """
    value: Floats = getattr(case, name)
    n = value.size
    directions = np.eye(n).reshape(n, *value.shape)
    moved = value + 1j * STEP * directions
    losses = loss(case, **{name: moved})
    derivatives: Floats = losses.imag / STEP
    return derivatives.reshape(value.shape)


def true_gradients(case: Case) -> dict[str, Floats]:
    """The true gradients of z, W2, b2, a, W1 and b1."""
    return {name: true_gradient(case, name) for name in EQUATIONS}


def directional_derivative(case: Case, name: str, direction: Floats) -> float:
    """The true derivative of L as one of z, W2, b2, a, W1, b1 moves in a direction, by one pass."""
    value: Floats = getattr(case, name)
    moved = value + 1j * STEP * direction
    moved_loss = loss(case, **{name: moved})
    return float(moved_loss.imag / STEP)


def magnitudes(case: Case, upstream: dict[str, Floats] | None = None) -> dict[str, Floats]:
    """The magnitude of every entry of the six gradients: the sum of its terms' absolute values.

    Rounding in the forward pass counts too. |x||W1| + |b1| bounds the terms of a, and so on up to
    z, whose rounding errors move the softmax; from there back to ∂W1. φ and φ′ move by at most as
    much as a does. A wrong ∂z or ∂a may have larger entries than the right one: where `upstream`
    has it, its absolute value is a lower bound.
    """
    # Each name stands for the magnitude of what it names elsewhere; r, w and y are not negative.
    x = np.abs(case.x)
    W1 = np.abs(case.W1)
    b1 = np.abs(case.b1)
    W2 = np.abs(case.W2)
    b2 = np.abs(case.b2)
    a = x @ W1 + b1
    s = a
    if case.activation == "logistic":
        s = 1 + a
    h = s * case.r
    z = h @ W2 + b2
    p = softmax(case.z)
    rounding = p * (1 + z.max(axis=1, keepdims=True))
    dz = case.w[:, None] * (case.y + rounding) / len(p)
    if upstream and "z" in upstream:
        dz = np.maximum(dz, np.abs(upstream["z"]))
    da = (dz @ W2.T) * case.r * (1 + a)
    if upstream and "a" in upstream:
        da = np.maximum(da, np.abs(upstream["a"]))
    return {
        "z": dz,
        "W2": h.T @ dz + case.l2 * W2,
        "b2": dz.sum(axis=0),
        "a": da,
        "W1": x.T @ da + case.l2 * W1,
        "b1": da.sum(axis=0),
    }


def softmax(z: Floats) -> Floats:
    """The softmax of each row of z (B,K)."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p: Floats = e / e.sum(axis=1, keepdims=True)
    return p
