"""Why a gradient is wrong: the mistake in the catalogue that gives the same numbers, if any.

A mistake is looked for in the equation itself and, where the upstream gradients were not given,
in the equations above it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import HOMEWORK, Case
from mlpcli.gradcheck.derivation import ForwardPass, Mistake, derive, formula
from mlpcli.gradcheck.error_pattern import (
    WrongGradient,
    constant_factor,
    describe_errors,
    index_of_largest,
)
from mlpcli.gradcheck.mistakes import BY_ID, CATALOGUE

UPSTREAM: dict[str, tuple[str, ...]] = {  # what each gradient is made from, the nearest first
    "z": (),
    "W2": ("z",),
    "b2": ("z",),
    "a": ("z",),
    "W1": ("a", "z"),
    "b1": ("a", "z"),
}
FRESH_MASK = BY_ID["fresh-mask"]
TRANSPOSED = BY_ID["transposed"]
NOT_NEEDED = np.zeros(0)  # in place of an upstream gradient that an equation does not use


@dataclass(frozen=True)
class Diagnosis:
    """The ids of the mistakes that fit, if any, a sentence, and formulas to compare."""

    ids: tuple[str, ...]
    sentence: str
    hint: str = ""


@dataclass(frozen=True)
class Explanation:
    """A mistake, and the equation in which it gives the wrong numbers."""

    mistake: Mistake
    equation: str


def diagnose(name: str, wrong: list[WrongGradient]) -> Diagnosis:
    """Explain an equation's wrong gradients by a mistake that fits all of these cases."""
    beginning = f"∂{name} ({HOMEWORK[name]}) is wrong"
    explanations = _common_explanations(name, wrong)
    if not explanations:
        pattern = _common_pattern(name, wrong)
        return Diagnosis((), f"{beginning}: {pattern}.", f"right: {formula(name, wrong[0].case)}")
    mistakes = [explanation.mistake for explanation in explanations]
    ids = tuple(mistake.id for mistake in mistakes)
    reasons = "; or as if ".join(mistake.sentence for mistake in mistakes)
    right = formula(explanations[0].equation, wrong[0].case)
    hint = f"right: {right}    looks like: {mistakes[0].formula}"
    return Diagnosis(ids, f"{beginning}; it looks as if {reasons}.", hint)


def _common_pattern(name: str, wrong: list[WrongGradient]) -> str:
    """What the errors have in common in the first case, and whether other cases differ."""
    first = wrong[0]
    pattern = describe_errors(name, first)
    if constant_factor(first) is None:
        return pattern
    if all(describe_errors(name, other) == pattern for other in wrong):
        return pattern
    return f"{pattern} in the case {first.case.name!r}, but not in all cases"


def _common_explanations(name: str, wrong: list[WrongGradient]) -> list[Explanation]:
    """The mistakes that fit all cases, in the order and the equation found in the first."""
    common = _explanations(name, wrong[0])
    for other in wrong[1:]:
        fitting = _explanations(name, other)
        common = {id: common[id] for id in common if id in fitting}
    return list(common.values())


def _explanations(name: str, wrong: WrongGradient) -> dict[str, Explanation]:
    """The mistakes that fit one case, by id: those that concern the fewest equations first."""
    found: dict[str, Explanation] = {}
    given = upstream_of(name, wrong.given, wrong.case)
    matches = list(_matches(name, wrong, given))
    if given:
        matches += _matches(name, wrong, {})
    for explanation in matches:
        found.setdefault(explanation.mistake.id, explanation)
    by_specificity = sorted(found.values(), key=lambda explanation: len(explanation.mistake.steps))
    return {explanation.mistake.id: explanation for explanation in by_specificity}


def _matches(name: str, wrong: WrongGradient, upstream: dict[str, Floats]) -> Iterator[Explanation]:
    """The mistakes that give the wrong numbers from these upstream gradients."""
    f = ForwardPass(wrong.case)
    if name == "a" and _has_fresh_mask(f, wrong, upstream):
        yield Explanation(FRESH_MASK, "a")
    for candidate in _candidates(name, upstream):
        gradient = derive_from(f, name, upstream, candidate.mistake, candidate.equation)
        if wrong.is_explained_by(gradient):
            yield candidate


def upstream_of(name: str, given: dict[str, Floats], case: Case) -> dict[str, Floats]:
    """The given gradients from which the equation's own is made, without those of a wrong shape."""
    upstream = {}
    for above in UPSTREAM[name]:
        gradient = given.get(above)
        right_shape = getattr(case, above).shape
        if gradient is not None and gradient.shape == right_shape:
            upstream[above] = gradient
    return upstream


def _candidates(name: str, upstream: dict[str, Floats]) -> Iterator[Explanation]:
    """The mistakes that can be made in the equation, or above it as far as that was not given."""
    equations = [name]
    for above in UPSTREAM[name]:
        if above in upstream:
            break
        equations.append(above)
    for equation in equations:
        for mistake in CATALOGUE:
            # A fresh mask is not known in advance, and a transpose shows in its own equation only.
            is_possible = mistake.changes(equation) and mistake is not FRESH_MASK
            if is_possible and (equation == name or mistake is not TRANSPOSED):
                yield Explanation(mistake, equation)


def derive_from(
    f: ForwardPass,
    name: str,
    upstream: dict[str, Floats],
    mistake: Mistake | None = None,
    at: str = "",
) -> Floats:
    """The gradient of an equation from the upstream gradients given.

    Those that are not given are derived. The mistake, if any, is made in the equation named `at`.
    """

    def gradient(which: str, dz: Floats, da: Floats) -> Floats:
        if which in upstream:
            return upstream[which]
        return derive(f, which, dz, da, mistake if which == at else None)

    dz: Floats = NOT_NEEDED
    da: Floats = NOT_NEEDED
    if name != "z" and "a" not in upstream:
        dz = gradient("z", NOT_NEEDED, NOT_NEEDED)
    if "a" in UPSTREAM[name]:
        da = gradient("a", dz, NOT_NEEDED)
    return derive(f, name, dz, da, mistake if name == at else None)


def _has_fresh_mask(f: ForwardPass, wrong: WrongGradient, upstream: dict[str, Floats]) -> bool:
    """Whether ∂a is right but for a mask that drops other units than r does, at any scale."""
    if wrong.value.shape != wrong.expected.shape:
        return False
    value = wrong.value
    dz = upstream.get("z", derive_from(f, "z", {}))
    unmasked = (dz @ f.case.W2.T) * f.slope
    largest = index_of_largest(value)
    factor = value[largest] / unmasked[largest]
    rescaled = factor * unmasked
    kept_by_r = f.case.r > 0
    kept = np.abs(value) > np.abs(rescaled) / 2
    kept_anew = kept & ~kept_by_r
    dropped_anew = ~kept & kept_by_r & (unmasked != 0)
    if not kept.any() or not dropped_anew.any():
        return False
    if not kept_anew.any() and not kept_by_r.all():
        return False
    return wrong.is_explained_by(rescaled * kept)
