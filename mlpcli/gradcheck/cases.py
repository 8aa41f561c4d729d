"""Small cases to check gradients on, and what each of them covers.

A case proves something only if it covers every branch: units that are kept and dropped, live and
dead, every class, and biases that matter.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import Floats, Labels, Shape
from mlpcli.gradcheck.complex_step import Case
from mlpcli.gradcheck.derivation import ForwardPass, backward
from mlpcli.model.dropout import Masks
from mlpcli.model.network import Network

MIN_FLIPS = 3  # kept entries of a whose sign b1 must change, or a missing b1 might go unnoticed
LARGE = 1024.0  # exp(1024) overflows in float64 too
KINK_MARGIN = 1e-3  # the smallest |a|, so that rounding never moves a unit across ReLU's kink
SCALE = 0.5  # standard deviation of all parameters
WEIGHTS = (0.2, 1.0)  # the range of a row's weight: with one of 0 too, their mean is below 1


class CaseSize(NamedTuple):
    """The sizes of a case: B rows, D inputs, H hidden units, K classes.

    The last `absent` classes have no row. Sizes that are pairwise coprime let no transpose fit.
    """

    B: int
    D: int
    H: int
    K: int
    absent: int = 0

    @property
    def present(self) -> int:
        """The number of classes that have rows."""
        return min(self.B, self.K - self.absent)


USUAL = CaseSize(7, 5, 9, 4)


@dataclass(frozen=True)
class Coverage:
    """How many entries of a (B,H) a case has of each kind, and how many classes."""

    units: int  # all entries
    dropped: int
    live: int  # kept, with a > 0
    dead: int  # kept, with a < 0
    at_kink: int  # with a = 0; ReLU only
    flipped: int  # kept, with a sign that b1 changes
    classes: int  # that the labels have
    all_classes: int  # K

    def missing(self, dropout: bool, absent: int = 0) -> str:
        """The first thing that the case does not cover; "" if it covers everything.

        `absent` classes need have no row.
        """
        covered = {
            "a unit that is kept": self.dropped < self.units,
            "a unit that is dropped": self.dropped > 0 or not dropout,
            "a live unit": self.live > 0,
            "a dead unit": self.dead > 0,
            "every class": self.classes >= self.all_classes - absent,
            f"a bias that flips {MIN_FLIPS} kept units": self.flipped >= MIN_FLIPS,
        }
        for what, is_covered in covered.items():
            if not is_covered:
                return what
        return ""


def coverage(case: Case) -> Coverage:
    """Count what a case covers."""
    kept = case.r > 0
    without_bias = case.a - case.b1
    flipped = kept & (np.sign(case.a) != np.sign(without_bias))
    at_kink = case.a == 0
    if case.activation != "relu":
        at_kink = np.zeros_like(kept)
    return Coverage(
        units=kept.size,
        dropped=int(np.count_nonzero(~kept)),
        live=int(np.count_nonzero(kept & (case.a > 0))),
        dead=int(np.count_nonzero(kept & (case.a < 0))),
        at_kink=int(np.count_nonzero(at_kink)),
        flipped=int(np.count_nonzero(flipped)),
        classes=len(np.unique(case.labels)),
        all_classes=len(case.b2),
    )


def small_case(
    name: str,
    activation: str,
    seed: int,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    l2: float = 0.0,
    trained: bool = False,
    at_kink: bool = False,
    overflow: bool = False,
    size: CaseSize = USUAL,
    weighted: bool = False,
    smoothing: float = 0.0,
) -> Case:
    """A case that covers everything: drawn again until it does. A seed determines it.

    `trained` takes some steps of gradient descent. `at_kink` makes a exactly 0 for one unit in
    every row; without it every |a| exceeds KINK_MARGIN. `overflow` makes the logits so large that
    exp(z) overflows. `weighted` gives the rows weights, of which one is 0.
    """
    attempt = 0
    while True:
        rng = np.random.default_rng([seed, attempt])
        case = _draw(name, activation, rng, dropout, input_dropout, l2, size)
        case = replace(case, smoothing=smoothing)
        if weighted:
            case = replace(case, weights=_draw_weights(rng, case.labels))
        if at_kink:
            case.W1[:, 0] = 0
            case.b1[0] = 0
        if overflow:
            case.b2[...] += LARGE * np.arange(size.K)
        if trained:
            case = train(case)
        is_clear = at_kink or np.abs(case.a).min() > KINK_MARGIN
        absent = size.K - size.present
        if is_clear and not coverage(case).missing(dropout > 0, absent):
            return case
        attempt += 1


def _draw(
    name: str,
    activation: str,
    rng: np.random.Generator,
    dropout: float,
    input_dropout: float,
    l2: float,
    size: CaseSize,
) -> Case:
    B, D, H, K, absent = size
    x = _exact(rng.normal(size=(B, D)))
    if input_dropout:
        mask = Masks((B, D), input_dropout, np.float64).draw(rng, B)
        x = _exact(x * mask)
    r: Floats = np.ones((B, H))
    if dropout:
        r = _exact(Masks((B, H), dropout, np.float64).draw(rng, B))
    W1 = _exact(rng.normal(scale=SCALE, size=(D, H)))
    b1 = _exact(rng.normal(scale=SCALE, size=H))
    W2 = _exact(rng.normal(scale=SCALE, size=(H, K)))
    b2 = _exact(rng.normal(scale=SCALE, size=K))
    labels = rng.permutation(np.arange(B) % (K - absent))
    return Case(name, activation, x, labels, r, W1, b1, W2, b2, l2)


def _draw_weights(rng: np.random.Generator, labels: Labels) -> Floats:
    """A weight for each row (B): 0 for the first of class 0, which has others too."""
    weights = _exact(rng.uniform(*WEIGHTS, len(labels)))
    weights[labels.argmin()] = 0
    return weights


def _exact(values: Floats) -> Floats:
    """The values rounded to float32, in float64: a case is then the same in both precisions."""
    return values.astype(np.float32).astype(np.float64)


def train(case: Case, n_steps: int = 60, lr: float = 0.5) -> Case:
    """The case after some steps of gradient descent on its own rows.

    The steps use the gradients of derivation.py, since network.py is what is to be checked.
    """
    for _ in range(n_steps):
        gradients = backward(ForwardPass(case))
        case = replace(
            case,
            W1=case.W1 - lr * gradients["W1"],
            b1=case.b1 - lr * gradients["b1"],
            W2=case.W2 - lr * gradients["W2"],
            b2=case.b2 - lr * gradients["b2"],
        )
    return replace(
        case,
        W1=_exact(case.W1),
        b1=_exact(case.b1),
        W2=_exact(case.W2),
        b2=_exact(case.b2),
    )


def network_of(case: Case, dtype: DTypeLike = np.float64) -> Network:
    """A network with the case's parameters and activation, in the given type."""
    D, H = case.W1.shape
    K = len(case.b2)
    network = Network(Shape(D, H, K), case.activation, dtype)
    network.W1[...] = case.W1
    network.b1[...] = case.b1
    network.W2[...] = case.W2
    network.b2[...] = case.b2
    return network
