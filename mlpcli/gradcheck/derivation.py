"""The backward pass once more, in plain NumPy and one step at a time, so that a step can be taken wrongly.

It shares no code with the kernels: it is what a student's gradients, right or wrong, are compared with.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import EQUATIONS, Case, one_hot, phi, softmax

SLOPES: dict[str, Callable[[Floats], Floats]] = {  # φ′ as a function of a
    "relu": lambda a: (a > 0) * 1.0,
    "tanh": lambda a: 1 - np.tanh(a) ** 2,
    "logistic": lambda a: np.exp(-np.abs(a)) / (1 + np.exp(-np.abs(a))) ** 2,
    "identity": np.ones_like,
}
THROUGH_OUTPUT: dict[str, Callable[[Floats], Floats]] = {  # φ′ as a function of s = φ(a)
    "relu": lambda s: (s > 0) * 1.0,
    "tanh": lambda s: 1 - s**2,
    "logistic": lambda s: s * (1 - s),
    "identity": np.ones_like,
}


@dataclass(frozen=True)
class Pass:
    """What a backward pass has in hand: the case, and all of its forward pass, in float64."""

    case: Case

    @cached_property
    def B(self) -> int:
        """Rows in the minibatch."""
        return len(self.case.x)

    @cached_property
    def s(self) -> Floats:
        """φ(a), before the mask."""
        return phi(self.case, self.case.a)

    @cached_property
    def h(self) -> Floats:
        """φ(a) ⊙ r."""
        return self.s * self.case.r

    @cached_property
    def p(self) -> Floats:
        """softmax(z)."""
        return softmax(self.case.z)

    @cached_property
    def y(self) -> Floats:
        """The labels, one-hot."""
        return one_hot(self.case)

    @cached_property
    def slope(self) -> Floats:
        """φ′(a)."""
        if self.case.active is not None:
            return self.case.active * 1.0
        return SLOPES[self.case.activation](self.case.a)

    @cached_property
    def other_mask(self) -> Floats:
        """A mask as another draw might give it: r's rows and units the other way round."""
        return self.case.r[::-1, ::-1]


Step: TypeAlias = Callable[
    [Pass, Floats, Floats], Floats
]  # (pass, ∂z, ∂a) -> the equation's gradient

RIGHT: dict[str, Step] = {
    "z": lambda f, dz, da: (f.p - f.y) / f.B,
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
DECAYED = ("W1", "W2", "b1", "b2")  # where λθ can be forgotten, doubled or added wrongly
Decay: TypeAlias = Callable[[Case, str], Floats | float]


def weight_decay(case: Case, name: str) -> Floats | float:
    """λW for the two weight matrices, nothing for the rest."""
    return case.l2 * getattr(case, name) if name in ("W1", "W2") else 0.0


@dataclass(frozen=True)
class Mistake:
    """One wrong derivation: the steps that it changes, in words and in code.

    `steps` gives the wrong step of each equation that it can stand in; `formula` is that step for a person.
    """

    id: str
    sentence: str
    formula: str
    steps: dict[str, Step] = field(default_factory=dict)
    decay: Decay = weight_decay

    def changes(self, name: str) -> bool:
        """Whether the mistake can be made in this equation."""
        return name in self.steps or (self.decay is not weight_decay and name in DECAYED)


def derive(f: Pass, name: str, dz: Floats, da: Floats, mistake: Mistake | None = None) -> Floats:
    """One equation's gradient from the upstream ∂z and ∂a, right or with a mistake made in it."""
    step = mistake.steps.get(name, RIGHT[name]) if mistake else RIGHT[name]
    decay = mistake.decay if mistake else weight_decay
    return step(f, dz, da) + decay(f.case, name)


def backward(f: Pass, mistake: Mistake | None = None, at: str = "") -> dict[str, Floats]:
    """All six gradients, each from the ones before it, with the mistake made in the equation `at`."""
    g: dict[str, Floats] = {}
    dz: Floats = np.zeros(0)
    da: Floats = np.zeros(0)
    for name in EQUATIONS:
        g[name] = derive(f, name, dz, da, mistake if name == at else None)
        if name == "z":
            dz = _upright(g[name], f.p.shape)
        if name == "a":
            da = _upright(g[name], f.s.shape)
    return g


def _upright(g: Floats, shape: tuple[int, ...]) -> Floats:
    """What goes on down: a transpose by mistake is one in what is handed in alone, or nothing would fit."""
    return g if g.shape == shape else g.T
