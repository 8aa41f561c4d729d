"""A catalogue of wrong derivations: each is the right backward pass with one thing changed."""

from collections.abc import Callable

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import EQUATIONS, softmax
from mlpcli.gradcheck.derivation import (
    DECAYED,
    RIGHT,
    SLOPES,
    THROUGH_OUTPUT,
    Mistake,
    Pass,
    Step,
    weight_decay,
)


def _everywhere(
    change: Callable[[Pass, Floats], Floats], names: tuple[str, ...] = EQUATIONS
) -> dict[str, Step]:
    """The same change made to the right step, whichever equation it is."""

    def changed(right: Step) -> Step:
        return lambda f, dz, da: change(f, right(f, dz, da))

    return {name: changed(RIGHT[name]) for name in names}


def _of_row(row: slice) -> dict[str, Step]:
    """The sums over rows cut to one row: its part of the mean."""
    return {
        "W2": lambda f, dz, da: f.h[row].T @ dz[row],
        "b2": lambda f, dz, da: dz[row].sum(axis=0),
        "W1": lambda f, dz, da: f.case.x[row].T @ da[row],
        "b1": lambda f, dz, da: da[row].sum(axis=0),
    }


def _of_row_unshared(row: slice) -> dict[str, Step]:
    """The same without the row's share 1/B of the mean: the gradient of that row's own loss."""

    def unshared(step: Step) -> Step:
        return lambda f, dz, da: step(f, dz, da) * f.B

    return {name: unshared(step) for name, step in _of_row(row).items()}


def _jacobian(f: Pass, dz: Floats, da: Floats) -> Floats:
    d = f.p - f.y
    g: Floats = f.p * (d - (f.p * d).sum(axis=1, keepdims=True)) / f.B
    return g


def _back(f: Pass, dz: Floats) -> Floats:
    return dz @ f.case.W2.T


CATALOGUE = (
    Mistake(
        "missing-activation-derivative",
        "φ′(a) is missing, as in the homework's printed 3.4",
        "∂a = (∂z W2ᵀ) ⊙ r",
        {"a": lambda f, dz, da: _back(f, dz) * f.case.r},
    ),
    Mistake(
        "derivative-of-output",
        "φ′ is taken at the output φ(a), where it belongs at a",
        "∂a = (∂z W2ᵀ) ⊙ r ⊙ φ′(φ(a))",
        {"a": lambda f, dz, da: _back(f, dz) * f.case.r * SLOPES[f.case.activation](f.s)},
    ),
    Mistake(
        "derivative-of-masked-output",
        "φ′ is written through the output, but with φ(a) ⊙ r in place of φ(a)",
        "∂a = (∂z W2ᵀ) ⊙ r ⊙ φ′ of s = φ(a) ⊙ r",
        {"a": lambda f, dz, da: _back(f, dz) * f.case.r * THROUGH_OUTPUT[f.case.activation](f.h)},
    ),
    Mistake(
        "missing-dropout-mask",
        "the dropout mask r is missing",
        "∂a = (∂z W2ᵀ) ⊙ φ′(a)",
        {"a": lambda f, dz, da: _back(f, dz) * f.slope},
    ),
    Mistake(
        "missing-mask-in-W2",
        "∂W2 is made from φ(a), without the mask that h has",
        "∂W2 = φ(a)ᵀ ∂z",
        {"W2": lambda f, dz, da: f.s.T @ dz},
    ),
    Mistake(
        "unscaled-mask",
        "the mask stands there as 0 and 1, where r is 0 and 1/q",
        "∂a = (∂z W2ᵀ) ⊙ [r > 0] ⊙ φ′(a)",
        {"a": lambda f, dz, da: _back(f, dz) * (f.case.r > 0) * f.slope},
    ),
    Mistake(
        "mask-applied-twice",
        "the mask r is applied twice",
        "∂a = (∂z W2ᵀ) ⊙ r ⊙ r ⊙ φ′(a)",
        {"a": lambda f, dz, da: _back(f, dz) * f.case.r**2 * f.slope},
    ),
    Mistake(
        "fresh-mask",
        "the backward pass uses another mask than the forward pass did",
        "∂a = (∂z W2ᵀ) ⊙ r′ ⊙ φ′(a), with r′ drawn anew",
        {"a": lambda f, dz, da: _back(f, dz) * f.other_mask * f.slope},
    ),
    Mistake(
        "sum-instead-of-mean",
        "1/B is missing: this is the gradient of the sum over rows, not of their mean",
        "that, without / B",
        _everywhere(lambda f, right: right * f.B),
    ),
    Mistake(
        "mean-twice",
        "1/B is there twice",
        "that, and / B once more",
        _everywhere(lambda f, right: right / f.B),
    ),
    Mistake(
        "wrong-sign",
        "the sign is wrong, as in y − softmax(z)",
        "∂z = (y − softmax(z)) / B",
        _everywhere(lambda f, right: -right),
    ),
    Mistake(
        "missing-label",
        "the label is missing: softmax(z) alone",
        "∂z = softmax(z) / B",
        {"z": lambda f, dz, da: f.p / f.B},
    ),
    Mistake(
        "softmax-twice",
        "the softmax is applied twice",
        "∂z = (softmax(softmax(z)) − y) / B",
        {"z": lambda f, dz, da: (softmax(f.p) - f.y) / f.B},
    ),
    Mistake(
        "extra-softmax-jacobian",
        "softmax(z) − y is multiplied by the softmax's Jacobian, which it already contains",
        "∂z = J (softmax(z) − y) / B",
        {"z": _jacobian},
    ),
    Mistake(
        "squared-error-gradient",
        "this is the gradient of ½‖softmax(z) − y‖², not of the cross-entropy",
        "∂z = J (softmax(z) − y) / B",
        {"z": _jacobian},
    ),
    Mistake(
        "bias-mean",
        "∂b is a mean over rows, where ∂z already holds 1/B",
        "∂b = mean over rows",
        {"b2": lambda f, dz, da: dz.mean(axis=0), "b1": lambda f, dz, da: da.mean(axis=0)},
    ),
    Mistake(
        "missing-weight-decay",
        "λW, the weight decay, is left out",
        "∂W without λW",
        decay=lambda case, name: 0.0,
    ),
    Mistake(
        "double-weight-decay",
        "the weight decay is 2λW, where λ/2 ‖W‖² gives λW",
        "∂W with 2λW",
        decay=lambda case, name: 2 * weight_decay(case, name),
    ),
    Mistake(
        "bias-weight-decay",
        "a bias is decayed; biases never are",
        "∂b with λb",
        decay=lambda case, name: case.l2 * getattr(case, name) if name in DECAYED else 0.0,
    ),
    Mistake(
        "zero-gradient",
        "it is zero everywhere",
        "0",
        _everywhere(lambda f, right: np.zeros_like(right)),
    ),
    Mistake(
        "transposed",
        "it is the transpose of the right gradient",
        "the transpose of that",
        _everywhere(lambda f, right: right.T, ("z", "W2", "a", "W1")),
        decay=lambda case, name: np.transpose(weight_decay(case, name)),
    ),
    *(
        Mistake(
            "one-row-only",
            f"only the {which} row is in it, where the whole batch belongs",
            formula,
            steps,
        )
        for which, row in (("last", slice(-1, None)), ("first", slice(0, 1)))
        for formula, steps in (
            (f"the {which} row's part of the mean", _of_row(row)),
            (f"the {which} row's gradient, without / B", _of_row_unshared(row)),
        )
    ),
)
BY_ID = {mistake.id: mistake for mistake in reversed(CATALOGUE)}
