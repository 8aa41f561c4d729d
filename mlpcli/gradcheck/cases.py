"""Cases to check gradients on, and what each of them covers: a check that proves nothing is refused."""

from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import Floats, Shape
from mlpcli.gradcheck.complex_step import Case
from mlpcli.gradcheck.derivation import Pass, backward
from mlpcli.model.dropout import Masks
from mlpcli.model.network import Network

B, SHAPE = 7, Shape(5, 9, 4)  # pairwise coprime, so that shapes betray a transpose
FLIPS = 3  # kept entries of a whose sign the biases must flip, or a lost bias might go unseen
LARGE = 1024.0  # exp(1024) is infinite, also in float64
NEAR = 1e-3  # an entry of a this close to ReLU's kink is not handed to a student's file


@dataclass(frozen=True)
class Coverage:
    """What a case makes the equations go through, in entries of a (B,H) where nothing else is said."""

    units: int
    dropped: int
    live: int
    dead: int
    at_kink: int
    flipped: int
    classes: int
    all_classes: int

    def gap(self, dropout: bool) -> str:
        """What the case fails to exercise, or '' where it is fit to prove something."""
        seen = {
            "a unit that is kept": self.dropped < self.units,
            "a unit that is dropped": self.dropped > 0 or not dropout,
            "a live unit": self.live > 0,
            "a dead unit": self.dead > 0,
            "every class": self.classes == self.all_classes,
            f"a bias that flips {FLIPS} kept units": self.flipped >= FLIPS,
        }
        return next((what for what, there in seen.items() if not there), "")


def coverage(case: Case) -> Coverage:
    """Count what a case exercises."""
    kept = case.r > 0
    without = case.a - case.b1
    return Coverage(
        units=kept.size,
        dropped=int(np.count_nonzero(~kept)),
        live=int(np.count_nonzero(kept & (case.a > 0))),
        dead=int(np.count_nonzero(kept & (case.a < 0))),
        at_kink=int(np.count_nonzero(case.a == 0)) if case.activation == "relu" else 0,
        flipped=int(np.count_nonzero(kept & (np.sign(case.a) != np.sign(without)))),
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
) -> Case:
    """A case of seven rows that covers everything, redrawn until it does; equal seeds give equal cases.

    With `at_kink`, one unit's a is exactly 0 in every row; otherwise every a keeps clear of 0. With `overflow`,
    the logits are of a size that the plain exp cannot bear.
    """
    for attempt in count():
        case = _drawn(
            name, activation, np.random.default_rng([seed, attempt]), dropout, input_dropout, l2
        )
        if at_kink:
            case.W1[:, 0], case.b1[0] = 0, 0
        if overflow:
            case.b2[...] += LARGE * np.arange(SHAPE.K)
        if trained:
            case = train(case)
        clear = at_kink or np.abs(case.a).min() > NEAR
        if clear and not coverage(case).gap(dropout > 0):
            return case
    raise AssertionError("count() never ends")


def _drawn(
    name: str,
    activation: str,
    rng: np.random.Generator,
    dropout: float,
    input_dropout: float,
    l2: float,
) -> Case:
    D, H, K = SHAPE
    x = _exact(rng.normal(size=(B, D)))
    if input_dropout:
        x = _exact(x * Masks((B, D), input_dropout, np.float64).draw(rng, B))
    r = _exact(Masks((B, H), dropout, np.float64).draw(rng, B)) if dropout else np.ones((B, H))
    weights = [
        rng.normal(scale=scale, size=size)
        for size, scale in (((D, H), 0.5), (H, 0.5), ((H, K), 0.5), (K, 0.5))
    ]
    W1, b1, W2, b2 = map(_exact, weights)
    labels = rng.permutation(np.arange(B) % K)
    return Case(name, activation, x, labels, r, W1, b1, W2, b2, l2)


def _exact(values: Floats) -> Floats:
    """The nearest numbers that float32 and float64 share, so that both are checked on the same case."""
    return values.astype(np.float32).astype(np.float64)


def train(case: Case, steps: int = 60, lr: float = 0.5) -> Case:
    """The case after some steps of gradient descent on its own rows, without the kernels that are to be checked."""
    for _ in range(steps):
        g = {name: lr * gradient for name, gradient in backward(Pass(case)).items()}
        W1, b1, W2, b2 = case.W1 - g["W1"], case.b1 - g["b1"], case.W2 - g["W2"], case.b2 - g["b2"]
        case = replace(case, W1=W1, b1=b1, W2=W2, b2=b2)
    W1, b1, W2, b2 = map(_exact, (case.W1, case.b1, case.W2, case.b2))
    return replace(case, W1=W1, b1=b1, W2=W2, b2=b2)


def network_of(case: Case, dtype: DTypeLike = np.float64) -> Network:
    """The case's weights as a network of that type."""
    D, H = case.W1.shape
    network = Network(Shape(D, H, len(case.b2)), case.activation, dtype)
    network.W1[...], network.b1[...], network.W2[...], network.b2[...] = (
        case.W1,
        case.b1,
        case.W2,
        case.b2,
    )
    return network
