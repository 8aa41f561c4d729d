"""Why a gradient is wrong: the mistake in the catalogue that gives the same numbers, if any.

A mistake is looked for in the equation itself and, where the upstream gradients were not given,
in the equations above it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import HOMEWORK, Case
from mlpcli.gradcheck.derivation import FORMULAS, ForwardPass, Mistake, derive
from mlpcli.gradcheck.error_pattern import WrongGradient, constant_factor, describe_errors
from mlpcli.gradcheck.mistakes import BY_ID, CATALOGUE

# The gradients from which each equation's own is made, the nearest first.
UPSTREAM = {"z": (), "W2": ("z",), "b2": ("z",), "a": ("z",), "W1": ("a", "z"), "b1": ("a", "z")}
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
    found = [_explanations(name, one) for one in wrong]
    explanations = [found[0][id] for id in found[0] if all(id in others for others in found)]
    beginning = f"∂{name} ({HOMEWORK[name]}) is wrong"
    if explanations:
        ids = tuple(explanation.mistake.id for explanation in explanations)
        reasons = "; or as if ".join(explanation.mistake.sentence for explanation in explanations)
        return Diagnosis(ids, f"{beginning}; it looks as if {reasons}.", _hint(explanations[0]))
    return Diagnosis((), f"{beginning}: {_pattern(name, wrong)}.", f"right: {FORMULAS[name]}")


def _hint(explanation: Explanation) -> str:
    right = FORMULAS[explanation.equation]
    return f"right: {right}    looks like: {explanation.mistake.formula}"


def _pattern(name: str, wrong: list[WrongGradient]) -> str:
    """What the errors have in common in the first case, and whether other cases differ."""
    patterns = [describe_errors(name, one) for one in wrong]
    first = wrong[0]
    if constant_factor(first) is not None and len(set(patterns)) > 1:
        return f"{patterns[0]} in the case {first.case.name!r}, but not in all cases"
    return patterns[0]


def _explanations(name: str, wrong: WrongGradient) -> dict[str, Explanation]:
    """The mistakes that fit one case, by id: those that concern the fewest equations first."""
    found: dict[str, Explanation] = {}
    given = upstream_of(name, wrong.given, wrong.case)
    matches = list(_matches(name, wrong, given))
    if given:
        matches += _matches(name, wrong, {})
    for explanation in matches:
        found.setdefault(explanation.mistake.id, explanation)
    by_specificity = sorted(found.items(), key=lambda item: len(item[1].mistake.steps))
    return dict(by_specificity)


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
        if above in given and given[above].shape == getattr(case, above).shape:
            upstream[above] = given[above]
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
    dz = upstream.get("z", derive_from(f, "z", {}))
    unmasked = (dz @ f.case.W2.T) * f.slope
    largest = np.unravel_index(np.abs(wrong.value).argmax(), wrong.value.shape)
    factor = wrong.value[largest] / unmasked[largest]
    kept_by_r = f.case.r > 0
    kept = np.abs(wrong.value) > np.abs(factor * unmasked) / 2
    kept_anew = kept & ~kept_by_r
    dropped_anew = ~kept & kept_by_r & (unmasked != 0)
    is_other_mask = kept.any() and dropped_anew.any() and (kept_anew.any() or kept_by_r.all())
    return bool(is_other_mask) and wrong.is_explained_by(factor * unmasked * kept)
