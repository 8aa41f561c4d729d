"""Right and wrong backward passes, and the verdicts on them, for tests of the gradient checker."""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case, true_gradients
from mlpcli.gradcheck.derivation import ForwardPass, Mistake, backward
from mlpcli.gradcheck.verdict import TOLERANCE, EquationVerdict, Sample, judge

ACTIVATIONS = ("relu", "tanh", "logistic", "identity")
WEIGHTS = ("W2", "b2", "W1", "b1")
Gradients: TypeAlias = dict[str, Floats]
BackwardPass: TypeAlias = Callable[[Case], Gradients]
Change: TypeAlias = Callable[[Floats, ForwardPass], Floats]


@cache
def cases(activation: str, l2: float = 0.0) -> tuple[tuple[Case, Gradients], ...]:
    """Two cases with dropout and one without, each with its true gradients; for reading only.

    The last has row weights and label smoothing.
    """
    drawn = (
        small_case("half dropped", activation, 1, dropout=0.5, l2=l2),
        small_case("nothing dropped", activation, 2, l2=l2),
        small_case("some dropped", activation, 3, dropout=0.2, l2=l2, weighted=True, smoothing=0.2),
    )
    return tuple((case, true_gradients(case)) for case in drawn)


def sample(case: Case, given: Gradients, expected: Gradients) -> Sample:
    """The gradients given for a case, each with the tolerance of its type."""
    tolerance = {name: TOLERANCE[value.dtype.name] for name, value in given.items()}
    double: Gradients = {name: value.astype(np.float64) for name, value in given.items()}
    return Sample(case, double, expected, tolerance)


def verdicts_on(
    activation: str,
    backward_pass: BackwardPass,
    names: tuple[str, ...] = EQUATIONS,
    l2: float = 0.0,
) -> dict[str, EquationVerdict]:
    """The verdicts on a backward pass, of whose gradients only these names are given."""
    samples = []
    for case, expected in cases(activation, l2):
        gradients = backward_pass(case)
        given = {name: gradients[name] for name in names if name in gradients}
        samples.append(sample(case, given, expected))
    return {verdict.name: verdict for verdict in judge(samples)}


def with_mistake(mistake: Mistake, equation: str) -> BackwardPass:
    """The right backward pass, but with a mistake of the catalogue in one equation."""
    return lambda case: backward(ForwardPass(case), mistake, equation)


def with_changed(name: str, change: Change) -> BackwardPass:
    """The right backward pass, with one gradient changed at the end: no other is made from it."""

    def backward_pass(case: Case) -> Gradients:
        f = ForwardPass(case)
        gradients = backward(f)
        return gradients | {name: change(gradients[name].copy(), f)}

    return backward_pass


def wrong_equations(verdicts: dict[str, EquationVerdict]) -> list[str]:
    """The equations that are given and wrong."""
    return [name for name, verdict in verdicts.items() if verdict.given and not verdict.passed]


def inheriting_equations(verdicts: dict[str, EquationVerdict]) -> list[str]:
    """The equations that are right by themselves, but made from a wrong gradient."""
    return [name for name, verdict in verdicts.items() if verdict.inherits]


def diagnosis_of(verdict: EquationVerdict) -> tuple[tuple[str, ...], str]:
    """The ids and the sentence of a diagnosis."""
    assert verdict.diagnosis
    return verdict.diagnosis.ids, verdict.diagnosis.sentence


def largest_error(verdict: EquationVerdict) -> float:
    """The largest relative error of an equation whose gradient was given."""
    assert verdict.max_relative_error is not None
    return verdict.max_relative_error
