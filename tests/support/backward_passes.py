"""Backward passes, right and wrong ones, as the tests of the gradient checker hand them in."""

from collections.abc import Callable
from functools import cache

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case
from mlpcli.gradcheck.derivation import Mistake, Pass, backward
from mlpcli.gradcheck.verdict import TOLERANCE, Equation, Sample, judge, truth_of

ACTIVATIONS = ("relu", "tanh", "logistic", "identity")
WEIGHTS = ("W2", "b2", "W1", "b1")
Gradients = dict[str, Floats]
BackwardPass = Callable[[Case], Gradients]


@cache
def cases(activation: str, l2: float = 0.0) -> tuple[tuple[Case, Gradients], ...]:
    """Two cases with dropout and one without, each with its true gradients; for reading only."""
    drawn = (
        small_case("half dropped", activation, 1, dropout=0.5, l2=l2),
        small_case("nothing dropped", activation, 2, l2=l2),
        small_case("some dropped", activation, 3, dropout=0.2, l2=l2),
    )
    return tuple((case, truth_of(case)) for case in drawn)


def sample(case: Case, given: Gradients, truth: Gradients) -> Sample:
    """What was given for a case, each gradient to be as exact as its type."""
    tolerance = {name: TOLERANCE[value.dtype.name] for name, value in given.items()}
    return Sample(
        case, {name: value.astype(np.float64) for name, value in given.items()}, truth, tolerance
    )


def verdict(
    activation: str, given_by: BackwardPass, names: tuple[str, ...] = EQUATIONS, l2: float = 0.0
) -> dict[str, Equation]:
    """The rows on a backward pass that gives these names, over all three cases."""
    samples = []
    for case, truth in cases(activation, l2):
        given = given_by(case)
        samples.append(sample(case, {name: given[name] for name in names if name in given}, truth))
    return {row.name: row for row in judge(samples)}


def with_mistake(mistake: Mistake, at: str) -> BackwardPass:
    """The right backward pass, but for a mistake of the catalogue in one equation."""
    return lambda case: backward(Pass(case), mistake, at)


def spoilt(name: str, spoil: Callable[[Floats, Pass], Floats]) -> BackwardPass:
    """The right backward pass, but for one of the finished gradients, which nothing else is made from."""

    def given_by(case: Case) -> Gradients:
        f = Pass(case)
        right = backward(f)
        return right | {name: spoil(right[name].copy(), f)}

    return given_by


def blamed(rows: dict[str, Equation]) -> list[str]:
    """The equations that are called wrong."""
    return [name for name, row in rows.items() if row.given and not row.passed]


def heirs(rows: dict[str, Equation]) -> list[str]:
    """The equations that are right by themselves, and made from what is wrong."""
    return [name for name, row in rows.items() if row.inherits]


def said_of(rows: dict[str, Equation], name: str) -> tuple[tuple[str, ...], str]:
    """The ids and the sentence of a diagnosis."""
    diagnosis = rows[name].diagnosis
    assert diagnosis
    return diagnosis.ids, diagnosis.sentence
