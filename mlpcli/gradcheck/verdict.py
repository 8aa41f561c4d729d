"""The verdict on six gradients: each is right, inherits an error from upstream, or is wrong."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK, Case, magnitudes
from mlpcli.gradcheck.derivation import ForwardPass
from mlpcli.gradcheck.diagnosis import Diagnosis, derive_from, diagnose, upstream_of
from mlpcli.gradcheck.error_pattern import FLOAT32_TOLERANCE, WrongGradient, index_of_largest

TOLERANCE = {"float64": 1e-14, "float32": FLOAT32_TOLERANCE}  # relative to an entry's magnitude
MIN_MAGNITUDE = 1e-6  # of the largest in the gradient: for entries whose terms are all 0
NO_WARNINGS = np.errstate(over="ignore", invalid="ignore", divide="ignore")  # of wrong gradients


@dataclass(frozen=True)
class EquationVerdict:
    """The verdict on one equation. If its gradient was not given, all after `given` is None."""

    name: str
    given: bool
    passed: bool | None = None  # by itself: from the upstream gradients given beside it
    inherits: bool | None = None  # passed, but differs from the true gradient all the same
    max_relative_error: float | None = None
    worst_index: tuple[int, ...] | None = None
    entries: int | None = None  # in all cases together
    shape: tuple[int, ...] | None = None
    diagnosis: Diagnosis | None = None

    def document(self) -> dict[str, Any]:
        """The verdict for `--json`."""
        diagnosis = None
        if self.diagnosis:
            diagnosis = {"ids": list(self.diagnosis.ids), "sentence": self.diagnosis.sentence}
        worst_index = None
        if self.worst_index is not None:
            worst_index = list(self.worst_index)
        return {
            "name": self.name,
            "homework": HOMEWORK[self.name],
            "given": self.given,
            "passed": self.passed,
            "inherits": self.inherits,
            "max_relative_error": self.max_relative_error,
            "worst_index": worst_index,
            "diagnosis": diagnosis,
        }


@dataclass(frozen=True)
class Sample:
    """The gradients that a backward pass gave for one case, in float64, beside the true ones."""

    case: Case
    given: dict[str, Floats]
    true_gradients: dict[str, Floats]
    tolerance: dict[str, float]  # of each gradient given, relative to its entries' magnitudes

    def errors(self, name: str) -> Floats:
        """The relative errors of a gradient, entry by entry."""
        magnitude = magnitudes(self.case)[name]
        return relative_errors(self.given[name], self.true_gradients[name], magnitude)

    def is_wrong(self, name: str) -> bool:
        """Whether a gradient differs from the true one by more than rounding."""
        return bool(self.errors(name).max() > self.tolerance[name])


@NO_WARNINGS
def judge(samples: list[Sample]) -> tuple[EquationVerdict, ...]:
    """The verdict on each of the six equations, from the samples that have its gradient."""
    verdicts = []
    for name in EQUATIONS:
        given = [sample for sample in samples if name in sample.given]
        verdicts.append(_judge_equation(name, given))
    return tuple(verdicts)


def _judge_equation(name: str, samples: list[Sample]) -> EquationVerdict:
    """An equation passes if its gradient is true, or right from the upstream gradients given."""
    if not samples:
        return EquationVerdict(name, given=False)
    wrong = []
    inherits = False
    for sample in samples:
        if sample.is_wrong(name):
            compared = _compare(sample, name)
            if not _follows(compared):
                wrong.append(compared)
            elif _has_wrong_upstream(sample, name):
                inherits = True
    error, index = _worst(name, samples)
    return EquationVerdict(
        name,
        given=True,
        passed=not wrong,
        inherits=inherits and not wrong,
        max_relative_error=error,
        worst_index=index,
        entries=sum(sample.true_gradients[name].size for sample in samples),
        shape=samples[0].true_gradients[name].shape,
        diagnosis=diagnose(name, wrong) if wrong else None,
    )


def _worst(name: str, samples: list[Sample]) -> tuple[float, tuple[int, ...]]:
    """The largest relative error in any sample, and the index of the entry that has it."""
    worst = 0.0
    index: tuple[int, ...] = ()
    for sample in samples:
        errors = sample.errors(name)
        if errors.max() >= worst:
            worst = float(errors.max())
            index = index_of_largest(errors)
    return worst, index


def _compare(sample: Sample, name: str) -> WrongGradient:
    """A gradient beside the one that follows from the upstream gradients given with it."""
    upstream = upstream_of(name, sample.given, sample.case)
    return WrongGradient(
        case=sample.case,
        given=sample.given,
        value=sample.given[name],
        expected=derive_from(ForwardPass(sample.case), name, upstream),
        magnitude=magnitudes(sample.case, upstream)[name],
        tolerance=sample.tolerance[name],
    )


def _follows(compared: WrongGradient) -> bool:
    """Whether the gradient is right from the upstream gradients given, though not the true one."""
    errors = relative_errors(compared.value, compared.expected, compared.magnitude)
    return bool(errors.max() <= compared.tolerance)


def _has_wrong_upstream(sample: Sample, name: str) -> bool:
    """Whether an upstream gradient that was given is wrong itself."""
    upstream = upstream_of(name, sample.given, sample.case)
    return any(sample.is_wrong(above) for above in upstream)


def relative_errors(value: Floats, expected: Floats, magnitude: Floats) -> Floats:
    """|value − expected| relative to the magnitude of each entry, in the shape of `expected`.

    The error of an entry that is not finite is 1, and so are all errors of a wrong shape.
    """
    if value.shape != expected.shape:
        return np.ones_like(expected)
    smallest = MIN_MAGNITUDE * magnitude.max()
    errors: Floats = np.abs(value - expected) / np.maximum(magnitude, smallest)
    return np.where(np.isfinite(errors), errors, 1.0)
