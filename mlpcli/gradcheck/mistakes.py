"""The catalogue of known mistakes: each is the right backward pass with one step changed.

To add one, write the wrong step of each equation in which it can be made, as a function of the
forward pass f and the upstream gradients dz (B,K) and da (B,H). The self-test then tries it.
"""

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import PARAMETERS, Case, softmax
from mlpcli.gradcheck.derivation import (
    SLOPES,
    SLOPES_BY_OUTPUT,
    ForwardPass,
    Mistake,
    Step,
    everywhere,
    weight_decay,
    with_upstream,
)


def _one_row(which: str, row: slice) -> list[Mistake]:
    """The mistake of taking one row only: with its share 1/B of the mean, and without."""
    sentence = f"only the {which} row is in it, where the whole batch belongs"
    share = f"the {which} row's part of the mean"
    whole = f"the {which} row's gradient, without / B"
    return [
        Mistake("one-row-only", sentence, share, _of_row(row)),
        Mistake("one-row-only", sentence, whole, _of_row_times_B(row)),
    ]


def _of_row(row: slice) -> dict[str, Step]:
    """The sums over rows, of one row only."""
    return {
        "W2": lambda f, dz, da: f.h[row].T @ dz[row],
        "b2": lambda f, dz, da: dz[row].sum(axis=0),
        "W1": lambda f, dz, da: f.case.x[row].T @ da[row],
        "b1": lambda f, dz, da: da[row].sum(axis=0),
    }


def _of_row_times_B(row: slice) -> dict[str, Step]:
    """The same without the factor 1/B: the gradient of that row's own loss."""

    def times_B(step: Step) -> Step:
        return lambda f, dz, da: step(f, dz, da) * f.B

    return {name: times_B(step) for name, step in _of_row(row).items()}


def _jacobian(f: ForwardPass, dz: Floats, da: Floats) -> Floats:
    """∂z times J, where J = diag(p) − p pᵀ is the softmax's Jacobian of each row."""
    error = f.p - f.y
    projection = (f.p * error).sum(axis=1, keepdims=True)
    gradient: Floats = f.w * f.p * (error - projection) / f.B
    return gradient


def _smoothed_on_others(f: ForwardPass) -> Floats:
    """1 − ε at the label and ε/(K − 1) at the other classes, (B,K)."""
    others = 1 - f.one_hot
    targets: Floats = (1 - f.smoothing) * f.one_hot + f.smoothing * others / (f.case.K - 1)
    return targets


def _back(f: ForwardPass, dz: Floats) -> Floats:
    return dz @ f.case.W2.T


def _decay_everywhere(case: Case, name: str) -> Floats | float:
    """λθ, of the biases too."""
    if name not in PARAMETERS:
        return 0.0
    parameters: Floats = getattr(case, name)
    return case.l2 * parameters


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
        {"a": lambda f, dz, da: _back(f, dz) * f.case.r * SLOPES_BY_OUTPUT[f.case.activation](f.h)},
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
        everywhere(lambda f, right: right * f.B),
    ),
    Mistake(
        "mean-twice",
        "1/B is there twice",
        "that, and / B once more",
        everywhere(lambda f, right: right / f.B),
    ),
    Mistake(
        "wrong-sign",
        "the sign is wrong, as in y − softmax(z)",
        "∂z = (y − softmax(z)) / B",
        everywhere(lambda f, right: -right),
    ),
    Mistake(
        "missing-label",
        "the label is missing: softmax(z) alone",
        "∂z = softmax(z) / B",
        {"z": lambda f, dz, da: f.w * f.p / f.B},
    ),
    Mistake(
        "softmax-twice",
        "the softmax is applied twice",
        "∂z = (softmax(softmax(z)) − y) / B",
        {"z": lambda f, dz, da: f.w * (softmax(f.p) - f.y) / f.B},
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
        "missing-row-weights",
        "the row weights w are left out",
        "∂z = (softmax(z) − y) / B",
        {"z": lambda f, dz, da: (f.p - f.y) / f.B},
    ),
    Mistake(
        "row-weights-applied-twice",
        "the row weights w are applied twice",
        "∂z = w² (softmax(z) − y) / B, or that from w ∂z",
        everywhere(lambda f, right: f.w * right, ("z", "a"))
        | with_upstream(lambda f, d: f.w * d, PARAMETERS),
    ),
    Mistake(
        "row-weights-over-their-sum",
        "the sum over rows is divided by the minibatch's Σ w, and not by B",
        "∂z = w (softmax(z) − y) / Σ w",
        {"z": lambda f, dz, da: f.w * (f.p - f.y) / f.w.sum()},
    ),
    Mistake(
        "missing-label-smoothing",
        "the label smoothing is left out, so that y is one-hot",
        "∂z = w (softmax(z) − one-hot) / B",
        {"z": lambda f, dz, da: f.w * (f.p - f.one_hot) / f.B},
    ),
    Mistake(
        "label-smoothing-on-top",
        "ε/K is added to a one-hot y that lacks the factor 1 − ε, so that y does not sum to 1",
        "y = one-hot + ε/K",
        {"z": lambda f, dz, da: f.w * (f.p - f.one_hot - f.smoothing / f.case.K) / f.B},
    ),
    Mistake(
        "label-smoothing-on-other-classes",
        "ε is shared out among the K − 1 other classes, and not among all K",
        "y = (1 − ε) one-hot + ε/(K − 1) (1 − one-hot)",
        {"z": lambda f, dz, da: f.w * (f.p - _smoothed_on_others(f)) / f.B},
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
        decay=_decay_everywhere,
    ),
    Mistake(
        "zero-gradient",
        "it is zero everywhere",
        "0",
        everywhere(lambda f, right: np.zeros_like(right)),
    ),
    Mistake(
        "transposed",
        "it is the transpose of the right gradient",
        "the transpose of that",
        everywhere(lambda f, right: right.T, ("z", "W2", "a", "W1")),
        decay=lambda case, name: np.transpose(weight_decay(case, name)),
    ),
    *_one_row("last", slice(-1, None)),
    *_one_row("first", slice(0, 1)),
)
BY_ID = {mistake.id: mistake for mistake in reversed(CATALOGUE)}  # the first of each id
