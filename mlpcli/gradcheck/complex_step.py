"""True gradients without the kernels: complex-step derivatives of the loss that training reports.

The imaginary part of L(θ + i s e) is s ∂L/∂θ_e + O(s³) (Squire and Trapp 1998). With s = 1e-20 nothing
cancels, no step size wants tuning, and no kink is crossed. Beside each gradient stands its size: what
the magnitudes of its terms add up to, which is what its rounding errors are measured against.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Labels

Array: TypeAlias = NDArray[Any]  # float64, or complex128 under a complex step
STEP = 1e-20
EQUATIONS = ("z", "W2", "b2", "a", "W1", "b1")  # in the order of the homework
HOMEWORK = {"z": "3.2", "W2": "3.3", "b2": "3.3", "a": "3.4", "W1": "3.4", "b1": "3.4"}


def _relu(a: Array) -> Array:
    s: Array = np.where(a.real > 0, a, 0)
    return s


def _logistic(a: Array) -> Array:
    small = np.exp(np.where(a.real > 0, -a, a))
    s: Array = np.where(a.real > 0, 1, small) / (1 + small)
    return s


PHI: dict[str, Callable[[Array], Array]] = {
    "relu": _relu,
    "tanh": np.tanh,
    "logistic": _logistic,
    "identity": lambda a: a,
}


@dataclass(frozen=True)
class Case:
    """One minibatch and one set of weights, all float64: x (B,D), labels (B), mask r (B,H), λ, and φ's name."""

    name: str
    activation: str
    x: Floats
    labels: Labels
    r: Floats
    W1: Floats
    b1: Floats
    W2: Floats
    b2: Floats
    l2: float = 0.0
    active: NDArray[np.bool_] | None = (
        None  # ReLU's active set, where rounding must not choose it anew
    )

    @cached_property
    def a(self) -> Floats:
        """The pre-activation x W1 + b1."""
        a: Floats = self.x @ self.W1 + self.b1
        return a

    @cached_property
    def z(self) -> Floats:
        """The logits."""
        z: Floats = (phi(self, self.a) * self.r) @ self.W2 + self.b2
        return z


def phi(case: Case, a: Array) -> Array:
    """φ(a), also of complex numbers; branches look at the real part alone."""
    return PHI[case.activation](a) if case.active is None else np.where(case.active, a, 0)


def loss(case: Case, **changed: Array) -> Array:
    """L (plus weight decay) with some of z, W2, b2, a, W1, b1 changed; leading axes are kept, many losses at once."""
    W1, b1, W2, b2 = (changed.get(name, getattr(case, name)) for name in ("W1", "b1", "W2", "b2"))
    a = changed.get("a", case.x @ W1 + b1[..., None, :])
    z = changed.get("z", (phi(case, a) * case.r) @ W2 + b2[..., None, :])
    top = z.real.max(axis=-1, keepdims=True)
    losses = (
        np.log(np.exp(z - top).sum(axis=-1))
        + top[..., 0]
        - z[..., np.arange(len(case.x)), case.labels]
    )
    decay = case.l2 / 2 * ((W1**2).sum(axis=(-2, -1)) + (W2**2).sum(axis=(-2, -1)))
    result: Array = losses.mean(axis=-1) + decay
    return result


def gradient_of(case: Case, name: str) -> Floats:
    """The true ∂L of one of z, W2, b2, a, W1, b1: every entry by a complex step of its own, all in one pass."""
    value: Floats = getattr(case, name)
    steps = value + 1j * STEP * np.eye(value.size).reshape(value.size, *value.shape)
    slopes: Floats = loss(case, **{name: steps}).imag.reshape(value.shape) / STEP
    return slopes


def slope_along(case: Case, name: str, direction: Floats) -> float:
    """The true derivative of L as one of z, W2, b2, a, W1, b1 moves along a direction: one pass."""
    return float(loss(case, **{name: getattr(case, name) + 1j * STEP * direction}).imag / STEP)


def sizes(case: Case, upstream: dict[str, Floats] | None = None) -> dict[str, Floats]:
    """What the magnitudes of each gradient's terms add up to, entry by entry, with rounding carried along.

    |x||W1| + |b1| bounds what a is summed from, and so on up to z, whose rounding moves the softmax;
    from there |h|ᵀ (p + y) / B and so on down. φ and φ′ move at most as a does. A wrong ∂z or ∂a
    that the rest is made from may have larger terms: `upstream` has those.
    """
    given = upstream or {}
    of_a = np.abs(case.x) @ np.abs(case.W1) + np.abs(case.b1)
    of_h = of_a * case.r if case.activation != "logistic" else (1 + of_a) * case.r
    of_z = of_h @ np.abs(case.W2) + np.abs(case.b2)
    p = softmax(case.z)
    y = one_hot(case)
    z = np.maximum(
        (y + p * (1 + of_z.max(axis=1, keepdims=True))) / len(p), np.abs(given.get("z", 0.0))
    )
    a = np.maximum((z @ np.abs(case.W2).T) * case.r * (1 + of_a), np.abs(given.get("a", 0.0)))
    decay = {"W1": case.l2 * np.abs(case.W1), "W2": case.l2 * np.abs(case.W2)}
    return {
        "z": z,
        "W2": of_h.T @ z + decay["W2"],
        "b2": z.sum(axis=0),
        "a": a,
        "W1": np.abs(case.x).T @ a + decay["W1"],
        "b1": a.sum(axis=0),
    }


def softmax(z: Floats) -> Floats:
    """The softmax of each row."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p: Floats = e / e.sum(axis=1, keepdims=True)
    return p


def one_hot(case: Case) -> Floats:
    """The labels as rows of y (B,K)."""
    return np.eye(len(case.b2))[case.labels]
