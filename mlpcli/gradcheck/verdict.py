"""A verdict on six gradients: each equation is right, or inherits an error, or is the wrong one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK, Case, gradient_of, sizes
from mlpcli.gradcheck.derivation import Pass
from mlpcli.gradcheck.diagnosis import SINGLE, Diagnosis, Evidence, diagnose, upstream_of, value

TOLERANCE = {"float64": 1e-14, "float32": SINGLE}  # of a gradient's size: see truth.sizes
FLOOR = (
    1e-6  # of an equation's largest size: what an entry whose terms are all 0 is measured against
)
QUIET = np.errstate(
    over="ignore", invalid="ignore", divide="ignore"
)  # a wrong gradient may be as large as it likes


@dataclass(frozen=True)
class Equation:
    """One row of a report; where an equation was not given, everything after `given` is None."""

    name: str
    given: bool
    passed: bool | None = None
    inherits: bool | None = None
    max_relative_error: float | None = None
    worst_index: tuple[int, ...] | None = None
    entries: int | None = None
    shape: tuple[int, ...] | None = None
    diagnosis: Diagnosis | None = None

    def document(self) -> dict[str, Any]:
        """The row for `--json`."""
        diagnosis = (
            {"ids": list(self.diagnosis.ids), "sentence": self.diagnosis.sentence}
            if self.diagnosis
            else None
        )
        return {
            "name": self.name,
            "homework": HOMEWORK[self.name],
            "given": self.given,
            "passed": self.passed,
            "inherits": self.inherits,
            "max_relative_error": self.max_relative_error,
            "worst_index": None if self.worst_index is None else list(self.worst_index),
            "diagnosis": diagnosis,
        }


@dataclass(frozen=True)
class Sample:
    """The gradients that some backward pass gave for a case, and how exact they can be."""

    case: Case
    given: dict[str, Floats]
    truth: dict[str, Floats]
    tolerance: dict[str, float]


def truth_of(case: Case) -> dict[str, Floats]:
    """The true gradient of all six."""
    return {name: gradient_of(case, name) for name in EQUATIONS}


@QUIET
def judge(samples: list[Sample]) -> tuple[Equation, ...]:
    """A verdict on each equation over all samples; a wrong one is not blamed on those that follow from it."""
    return tuple(_judge_one(name, [s for s in samples if name in s.given]) for name in EQUATIONS)


def _judge_one(name: str, samples: list[Sample]) -> Equation:
    """An equation passes if it equals the truth, or follows rightly from the upstream gradients given beside it."""
    if not samples:
        return Equation(name, given=False)
    worst, worst_index, inherits, evidence = 0.0, None, False, []
    for s in samples:
        errors = _errors(s, name)
        if errors.max() >= worst:
            worst, worst_index = (
                float(errors.max()),
                tuple(map(int, np.unravel_index(errors.argmax(), errors.shape))),
            )
        if errors.max() > s.tolerance[name]:
            e = _evidence(s, name)
            follows = bool(relative_errors(e.value, e.expected, e.size).max() <= e.tolerance)
            inherits = inherits or (follows and _is_misled(s, name))
            evidence += [] if follows else [e]
    diagnosis = diagnose(name, evidence) if evidence else None
    entries, shape = sum(s.truth[name].size for s in samples), samples[0].truth[name].shape
    inherits = inherits and not evidence
    return Equation(
        name, True, not evidence, inherits, worst, worst_index, entries, shape, diagnosis
    )


def _errors(s: Sample, name: str) -> Floats:
    return relative_errors(s.given[name], s.truth[name], sizes(s.case)[name])


def _evidence(s: Sample, name: str) -> Evidence:
    """The gradient beside what follows from the upstream gradients given with it."""
    upstream = upstream_of(name, s.given, s.case)
    size = sizes(s.case, upstream)[name]
    return Evidence(
        s.case, s.given, s.given[name], value(Pass(s.case), name, upstream), size, s.tolerance[name]
    )


def _is_misled(s: Sample, name: str) -> bool:
    """Whether an upstream gradient that the equation is made from is wrong itself."""
    return any(_errors(s, up).max() > s.tolerance[up] for up in upstream_of(name, s.given, s.case))


def relative_errors(value: Floats, truth: Floats, size: Floats) -> Floats:
    """|value − truth| in units of the size of the terms that were summed.

    A wrong shape is wrong by all of it, and so is what is not finite.
    """
    if value.shape != truth.shape:
        return np.ones_like(truth)
    errors: Floats = np.abs(value - truth) / np.maximum(size, FLOOR * size.max())
    return np.where(np.isfinite(errors), errors, 1.0)
