"""A second backward pass in plain NumPy, whose steps can be replaced by wrong ones.

It shares no code with network.py. A student's gradients, right or wrong, are compared with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import EQUATIONS, PARAMETERS, Case, phi, softmax

SLOPES: dict[str, Callable[[Floats], Floats]] = {  # φ′ as a function of a
    "relu": lambda a: (a > 0) * 1.0,
    "tanh": lambda a: 1 - np.tanh(a) ** 2,
    "logistic": lambda a: np.exp(-np.abs(a)) / (1 + np.exp(-np.abs(a))) ** 2,
    "identity": np.ones_like,
}
SLOPES_BY_OUTPUT: dict[str, Callable[[Floats], Floats]] = {  # φ′ as a function of s = φ(a)
    "relu": lambda s: (s > 0) * 1.0,
    "tanh": lambda s: 1 - s**2,
    "logistic": lambda s: s * (1 - s),
    "identity": np.ones_like,
}


@dataclass(frozen=True)
class ForwardPass:
    """A case and the results of its forward pass, in float64: all that a backward pass needs."""

    case: Case

    @cached_property
    def B(self) -> int:
        """The number of rows in the minibatch."""
        return len(self.case.x)

    @cached_property
    def s(self) -> Floats:
        """φ(a), before the mask, (B,H)."""
        return phi(self.case, self.case.a)

    @cached_property
    def h(self) -> Floats:
        """φ(a) ⊙ r, (B,H)."""
        return self.s * self.case.r

    @cached_property
    def p(self) -> Floats:
        """softmax(z), (B,K)."""
        return softmax(self.case.z)

    @cached_property
    def w(self) -> Floats:
        """The weights of the rows, as a column (B,1)."""
        return self.case.w[:, None]

    @property
    def smoothing(self) -> float:
        """ε."""
        return self.case.smoothing

    @property
    def one_hot(self) -> Floats:
        """The labels as one-hot rows, (B,K)."""
        return self.case.one_hot

    @property
    def y(self) -> Floats:
        """The targets, (B,K)."""
        return self.case.y

    @cached_property
    def slope(self) -> Floats:
        """φ′(a), (B,H)."""
        if self.case.active is not None:
            return self.case.active * 1.0
        return SLOPES[self.case.activation](self.case.a)

    @cached_property
    def other_mask(self) -> Floats:
        """A mask that drops other units than r does: r with its rows and columns reversed."""
        return self.case.r[::-1, ::-1]


# (forward pass, ∂z, ∂a) -> the gradient of one equation, without weight decay
Step: TypeAlias = Callable[[ForwardPass, Floats, Floats], Floats]
# (case, name of the equation) -> what weight decay adds to its gradient
Decay: TypeAlias = Callable[[Case, str], Floats | float]

RIGHT: dict[str, Step] = {
    "z": lambda f, dz, da: f.w * (f.p - f.y) / f.B,
    "W2": lambda f, dz, da: f.h.T @ dz,
    "b2": lambda f, dz, da: dz.sum(axis=0),
    "a": lambda f, dz, da: (dz @ f.case.W2.T) * f.case.r * f.slope,
    "W1": lambda f, dz, da: f.case.x.T @ da,
    "b1": lambda f, dz, da: da.sum(axis=0),
}
FORMULAS = {
    "z": "∂z = (softmax(z) − y) / B",
    "W2": "∂W2 = hᵀ ∂z",
    "b2": "∂b2 = Σ_rows ∂z",
    "a": "∂a = (∂z W2ᵀ) ⊙ r ⊙ φ′(a)",
    "W1": "∂W1 = xᵀ ∂a",
    "b1": "∂b1 = Σ_rows ∂a",
}
FORMULAS_WITH_WEIGHTS = FORMULAS | {"z": "∂z = w (softmax(z) − y) / B"}
DECAYED = ("W1", "W2")


def formula(name: str, case: Case) -> str:
    """The right formula of an equation, without w for a case whose rows have no weights."""
    if case.weights is None:
        return FORMULAS[name]
    return FORMULAS_WITH_WEIGHTS[name]


def everywhere(
    change: Callable[[ForwardPass, Floats], Floats], names: tuple[str, ...] = EQUATIONS
) -> dict[str, Step]:
    """Steps that change the result of the right step in the same way in every equation."""

    def changed(right: Step) -> Step:
        return lambda f, dz, da: change(f, right(f, dz, da))

    return {name: changed(RIGHT[name]) for name in names}


def with_upstream(
    change: Callable[[ForwardPass, Floats], Floats], names: tuple[str, ...]
) -> dict[str, Step]:
    """The right steps, made from upstream gradients that are changed in the same way."""

    def made_from_changed(right: Step) -> Step:
        return lambda f, dz, da: right(f, change(f, dz), change(f, da))

    return {name: made_from_changed(RIGHT[name]) for name in names}


def weight_decay(case: Case, name: str) -> Floats | float:
    """What weight decay adds to a gradient: λW for W1 and W2, and 0 for all others."""
    if name not in DECAYED:
        return 0.0
    weights: Floats = getattr(case, name)
    return case.l2 * weights


@dataclass(frozen=True)
class Mistake:
    """One wrong derivation: its id, a sentence, and the steps that it replaces.

    `steps` has a wrong step for each equation in which the mistake can be made; `formula` shows
    that step. `decay` replaces the weight decay.
    """

    id: str
    sentence: str
    formula: str
    steps: dict[str, Step] = field(default_factory=dict)
    decay: Decay = weight_decay

    def changes(self, name: str) -> bool:
        """Whether the mistake can be made in this equation."""
        changes_decay = self.decay is not weight_decay
        return name in self.steps or (changes_decay and name in PARAMETERS)


def derive(
    f: ForwardPass, name: str, dz: Floats, da: Floats, mistake: Mistake | None = None
) -> Floats:
    """One equation's gradient from the upstream ∂z and ∂a, with a mistake in it if one is given."""
    step = RIGHT[name]
    decay: Decay = weight_decay
    if mistake:
        step = mistake.steps.get(name, step)
        decay = mistake.decay
    gradient = step(f, dz, da)
    return gradient + decay(f.case, name)


def backward(f: ForwardPass, mistake: Mistake | None = None, at: str = "") -> dict[str, Floats]:
    """All six gradients, each from those before it, with the mistake in the equation named `at`."""
    gradients: dict[str, Floats] = {}
    dz: Floats = np.zeros(0)
    da: Floats = np.zeros(0)
    for name in EQUATIONS:
        made_here = mistake if name == at else None
        gradient = derive(f, name, dz, da, made_here)
        if name == "z":
            dz = _untransposed(gradient, f.p.shape)
        if name == "a":
            da = _untransposed(gradient, f.s.shape)
        gradients[name] = gradient
    return gradients


def _untransposed(gradient: Floats, shape: tuple[int, ...]) -> Floats:
    """The gradient in its right shape, or the equations after a transposed one could not use it."""
    if gradient.shape == shape:
        return gradient
    return gradient.T
