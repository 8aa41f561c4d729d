"""Why a gradient is wrong: the catalogue's mistake that gives the same numbers, or how its error is spread."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import HOMEWORK, Case
from mlpcli.gradcheck.derivation import FORMULAS, Mistake, Pass, derive
from mlpcli.gradcheck.mistakes import BY_ID, CATALOGUE

UPSTREAM = {"z": (), "W2": ("z",), "b2": ("z",), "a": ("z",), "W1": ("a", "z"), "b1": ("a", "z")}

FRESH_MASK = BY_ID["fresh-mask"]
SINGLE = 2e-6  # of a gradient's size: what float32 rounds away


@dataclass(frozen=True)
class Diagnosis:
    """The catalogue's ids that fit (none where none does), and a sentence for a person."""

    ids: tuple[str, ...]
    sentence: str
    hint: str = ""


@dataclass(frozen=True)
class Evidence:
    """One case on which an equation's gradient came out wrong."""

    case: Case
    given: dict[str, Floats]  # everything that was returned beside it
    value: Floats
    expected: Floats  # what follows from the upstream gradients among those
    size: Floats  # of the terms that were summed
    tolerance: float

    def fits(self, candidate: Floats) -> bool:
        """Whether the candidate gives the same numbers, to rounding, and is not the right gradient."""
        room = self.tolerance * (self.size.max() + np.abs(candidate).max())
        return _near(candidate, self.value, room) and not _near(candidate, self.expected, room)


def _near(one: Floats, other: Floats, room: float) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() <= room)


def diagnose(name: str, evidence: list[Evidence]) -> Diagnosis:
    """Name the mistake that explains an equation's gradient in every case it was wrong in."""
    found = [_found(name, e) for e in evidence]
    ids = [id for id in found[0] if all(id in others for others in found)]
    wrong = f"∂{name} ({HOMEWORK[name]}) is wrong"
    if ids:
        mistakes = [found[0][id] for id in ids]
        why = "; or as if ".join(mistake.sentence for mistake, _ in mistakes)
        at = mistakes[0][1]
        hint = f"right: {FORMULAS[at]}    looks like: {mistakes[0][0].formula}"
        return Diagnosis(tuple(ids), f"{wrong}; it looks as if {why}.", hint)
    spread = [_spread(name, e) for e in evidence]
    varies = "times the right" in spread[0] and len(set(spread)) > 1
    where = f" in the case {evidence[0].case.name!r}, but not in all cases" if varies else ""
    return Diagnosis((), f"{wrong}: {spread[0]}{where}.", f"right: {FORMULAS[name]}")


def _found(name: str, e: Evidence) -> dict[str, tuple[Mistake, str]]:
    """The mistakes that fit, each at the first place found, the most particular first."""
    found: dict[str, tuple[Mistake, str]] = {}
    for id, place in _matches(name, e):
        found.setdefault(id, place)
    return dict(sorted(found.items(), key=lambda item: len(item[1][0].steps)))


def _matches(name: str, e: Evidence) -> Iterator[tuple[str, tuple[Mistake, str]]]:
    """The mistakes that give the evidence's numbers, from the upstream gradients returned or from the right ones."""
    f, beside = Pass(e.case), upstream_of(name, e.given, e.case)
    for given in (beside, {}) if beside else ({},):
        if name == "a" and e.value.shape == e.expected.shape and _is_other_mask(f, e, given):
            yield FRESH_MASK.id, (FRESH_MASK, "a")
        for mistake, at in _suspects(name, given):
            if e.fits(value(f, name, given, mistake, at)):
                yield mistake.id, (mistake, at)


def upstream_of(name: str, given: dict[str, Floats], case: Case) -> dict[str, Floats]:
    """The gradients that the equation is made from, those that were given and have the right shape."""
    return {
        n: given[n]
        for n in UPSTREAM[name]
        if n in given and given[n].shape == getattr(case, n).shape
    }


def _suspects(name: str, given: dict[str, Floats]) -> Iterator[tuple[Mistake, str]]:
    """Every mistake that can stand in the equation itself, or upstream of it where that was not returned."""
    places = [name]
    for upstream in UPSTREAM[name]:
        if upstream in given:
            break
        places.append(upstream)
    for at in places:
        for mistake in CATALOGUE:
            if (
                mistake.changes(at)
                and (at == name or mistake.id != "transposed")
                and mistake is not FRESH_MASK
            ):
                yield mistake, at


def value(
    f: Pass, name: str, given: dict[str, Floats], mistake: Mistake | None = None, at: str = ""
) -> Floats:
    """The equation's gradient from the upstream ones given; what is not given is derived, with the mistake `at`."""

    def step(which: str, dz: Floats, da: Floats) -> Floats:
        return (
            given[which]
            if which in given
            else derive(f, which, dz, da, mistake if which == at else None)
        )

    nothing = np.zeros(0)
    dz = nothing if name == "z" or "a" in given else step("z", nothing, nothing)
    da = step("a", dz, nothing) if "a" in UPSTREAM[name] else nothing
    return derive(f, name, dz, da, mistake if name == at else None)


def _is_other_mask(f: Pass, e: Evidence, given: dict[str, Floats]) -> bool:
    """Whether ∂a is right up to a pattern of zeros and one constant: one that drops, and keeps, other units than r."""
    unmasked = (given.get("z", value(f, "z", {})) @ f.case.W2.T) * f.slope
    largest = np.unravel_index(np.abs(e.value).argmax(), e.value.shape)
    factor, r_keeps = e.value[largest] / unmasked[largest], f.case.r > 0
    kept = np.abs(e.value) > np.abs(factor * unmasked) / 2
    revived, lost = kept & ~r_keeps, ~kept & r_keeps & (unmasked != 0)
    drawn_anew = kept.any() and lost.any() and (revived.any() or r_keeps.all())
    return bool(drawn_anew) and e.fits(factor * unmasked * kept)


def _spread(name: str, e: Evidence) -> str:
    """How the error of an equation is distributed, where no known mistake gives it."""
    if e.value.shape != e.expected.shape:
        return f"its shape is {e.value.shape}, and it is not the transpose of the right one"
    if strange := np.count_nonzero(~np.isfinite(e.value)):
        return f"{strange:,} of {e.value.size:,} entries are not finite"
    off = np.abs(e.value - e.expected)
    error = ~(off <= e.tolerance * e.size)
    largest = np.unravel_index(np.abs(e.expected).argmax(), e.expected.shape)
    factor = e.value[largest] / e.expected[largest]
    if e.fits(e.expected * factor):
        much = f"{factor:.6g}" if abs(factor - 1) > 1e-4 else f"1 + {factor - 1:.2g}"
        return f"it is {much} times the right gradient everywhere"
    if moved := _moved_rows(e):
        return moved
    if error.sum() > np.count_nonzero(e.expected) / 2 and np.all(off <= SINGLE * e.size):
        return "it is right to the rounding of float32, and not to that of its own type, float64"
    many = f"{np.count_nonzero(error):,} of {error.size:,} entries are off"
    return f"{many}, {_where(name, e.case, error)}"


def _moved_rows(e: Evidence) -> str:
    """A sentence where each row is right, but some in another row's place."""
    if e.value.ndim == 1:
        return ""
    right = np.array(
        [np.all(np.abs(row - e.expected) <= e.tolerance * e.size.max(), axis=1) for row in e.value]
    )
    moved = np.flatnonzero(~right.diagonal())
    if not moved.size or not right.any(axis=1).all():
        return ""
    return f"rows hold other rows' gradients: row {moved[0]} holds that of row {right[moved[0]].argmax()}"


def _where(name: str, case: Case, error: NDArray[np.bool_]) -> str:
    """Which entries are off, in the simplest words that fit."""
    kept, flat = case.r > 0, Pass(case).slope == 0
    first = {"only where units are dropped": ~kept, "only where φ′(a) is 0": flat}
    last = {"only where units are kept": kept, "only where φ′(a) is not 0": ~flat}
    return (
        (_within(first, error) if name == "a" else "")
        or _in_few_lines(error)
        or (_within(last, error) if name == "a" else "")
        or "in every part of it"
    )


def _within(places: dict[str, NDArray[np.bool_]], error: NDArray[np.bool_]) -> str:
    return next(
        (
            words
            for words, place in places.items()
            if not place.all() and not (error & ~place).any()
        ),
        "",
    )


def _in_few_lines(error: NDArray[np.bool_]) -> str:
    """Which rows or columns hold all errors, where they are no more than half of them."""
    if error.ndim == 1:
        return "" if error.all() else f"the first at index {int(np.argmax(error))}"
    for axis, word in ((1, "row"), (0, "column")):
        lines = np.flatnonzero(error.any(axis=axis))
        if len(lines) <= error.shape[1 - axis] // 2:
            few = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
            return f"all in {word}{'s' if len(lines) > 1 else ''} {few}"
    return ""
