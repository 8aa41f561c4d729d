"""The verdict on a student's file: its gradients on six cases, equation by equation."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mlpcli.arrays import Floats, Raw
from mlpcli.gradcheck.cases import CaseSize, Coverage, coverage, small_case
from mlpcli.gradcheck.complex_step import HOMEWORK, PHI, Case, true_gradients
from mlpcli.gradcheck.diagnosis import FRESH_MASK, Diagnosis
from mlpcli.gradcheck.student import Calls, run_backward
from mlpcli.gradcheck.student_process import LARGE_LOGITS
from mlpcli.gradcheck.verdict import TOLERANCE, EquationVerdict, Sample, judge
from mlpcli.messages import SCHEMA

Verdicts: TypeAlias = tuple[EquationVerdict, ...]


@dataclass(frozen=True)
class FileReport:
    """The verdict on a student's file, and what each case covers."""

    path: Path
    activation: str
    equations: Verdicts
    coverage: dict[str, Coverage]  # by the name of the case
    seed: int

    @property
    def passed(self) -> bool:
        """Whether every gradient given equals the true one; an inherited error is one too."""
        return _are_right(self.equations)

    def document(self) -> dict[str, Any]:
        """The report for `--json`."""
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "activation": self.activation,
            "equations": [verdict.document() for verdict in self.equations],
            "coverage": {name: asdict(coverage) for name, coverage in self.coverage.items()},
        }


def check_file(path: Path, activation: str, seed: int, timeout: float) -> FileReport:
    """Run a student's file, and judge its gradients; equal seeds give equal cases.

    Raises CheckError if the file cannot be run, takes longer than `timeout` seconds, or returns
    what is not gradients.
    """
    cases = file_cases(activation, seed)
    results = run_backward(path, cases, timeout)
    overflows = _names_that_overflow(results[-1])
    n_judged = len(cases) - bool(overflows)
    judged, of_judged = cases[:n_judged], results[:n_judged]
    verdicts = _with_other_activation(_judge(judged, of_judged), judged, of_judged)
    verdicts = _with_overflow(verdicts, overflows)
    verdicts = _with_random_equations(verdicts, results)
    covered = {case.name: coverage(case) for case in cases}
    return FileReport(path, activation, verdicts, covered, seed)


def file_cases(activation: str, seed: int) -> list[Case]:
    """The cases for a file: of several sizes, so that none of them can stand in it as a number.

    Among them are one row alone, a class without rows, more inputs than hidden units, and logits
    at which exp overflows.
    """
    wide = CaseSize(8, 11, 7, 3)
    one_row = CaseSize(1, 4, 9, 5)
    no_last_class = CaseSize(9, 5, 8, 7, absent=1)
    large = CaseSize(11, 3, 10, 7)
    trained = "trained weights, dropout 0.5"
    return [
        small_case("dropout 0.5", activation, seed, dropout=0.5),
        small_case("no dropout", activation, seed + 1, size=wide),
        small_case("dropout 0.2", activation, seed + 2, dropout=0.2, size=no_last_class),
        small_case(trained, activation, seed + 3, dropout=0.5, trained=True),
        small_case("one row", activation, seed + 4, dropout=0.5, size=one_row),
        small_case(LARGE_LOGITS, activation, seed + 5, dropout=0.5, overflow=True, size=large),
    ]


def _names_that_overflow(calls: Calls) -> list[str]:
    """The gradients that are not finite in the last case, of large logits."""
    return [name for name, gradient in calls[0].items() if not np.isfinite(gradient).all()]


def _with_overflow(verdicts: Verdicts, names: list[str]) -> Verdicts:
    """The verdicts; if all are right, the first gradient that overflows, if any, is wrong."""
    if not names or not _are_right(verdicts):
        return verdicts
    diagnosed = []
    for verdict in verdicts:
        if verdict.name == names[0]:
            verdict = replace(verdict, passed=False, diagnosis=_overflow(verdict.name))
        diagnosed.append(verdict)
    return tuple(diagnosed)


def _overflow(name: str) -> Diagnosis:
    sentence = (
        f"∂{name} ({HOMEWORK[name]}) is wrong: it is not finite where logits are in the thousands, "
        "since exp overflows there; it is right for small logits."
    )
    return Diagnosis((), sentence, "subtract each row's largest logit before exp")


def _are_right(verdicts: Verdicts) -> bool:
    for verdict in verdicts:
        if verdict.given and (not verdict.passed or verdict.inherits):
            return False
    return True


def _judge(cases: list[Case], results: list[Calls]) -> Verdicts:
    """The verdicts on the gradients that the first call of each case returned."""
    samples = []
    for case, calls in zip(cases, results, strict=True):
        samples.append(_sample(case, calls[0]))
    return judge(samples)


def _sample(case: Case, returned: dict[str, Raw]) -> Sample:
    """A case's gradients, each with the tolerance of the type in which it was returned."""
    given: dict[str, Floats] = {}
    tolerance = {}
    for name, gradient in returned.items():
        given[name] = gradient.astype(np.float64)
        tolerance[name] = TOLERANCE[gradient.dtype.name]
    return Sample(case, given, true_gradients(case), tolerance)


def _with_other_activation(verdicts: Verdicts, cases: list[Case], results: list[Calls]) -> Verdicts:
    """The verdicts, with a diagnosis of the first wrong one if all are right for another φ."""
    wrong = [verdict for verdict in verdicts if verdict.given and not verdict.passed]
    if not wrong:
        return verdicts
    for other in PHI:
        others = [replace(case, activation=other) for case in cases]
        if _are_right(_judge(others, results)):
            diagnosis = _other_activation(wrong[0].name, cases[0].activation, other)
            diagnosed = replace(wrong[0], diagnosis=diagnosis)
            return tuple(diagnosed if verdict is wrong[0] else verdict for verdict in verdicts)
    return verdicts


def _other_activation(name: str, activation: str, other: str) -> Diagnosis:
    sentence = (
        f"∂{name} ({HOMEWORK[name]}) is wrong for φ = {activation}, "
        f"but every gradient given is right for φ = {other}."
    )
    hint = f"if the file is written for that φ, say --activation {other}"
    return Diagnosis((), sentence, hint)


def _with_random_equations(verdicts: Verdicts, results: list[Calls]) -> Verdicts:
    """The verdicts; an equation is wrong if two equal calls give different gradients.

    Equations that inherit an error are left alone: their gradients differ because of it.
    """
    changed = []
    for verdict in verdicts:
        is_random = any(_differ(verdict.name, *calls) for calls in results)
        if is_random and not verdict.inherits:
            verdict = replace(verdict, passed=False, diagnosis=_random(verdict.name))
        changed.append(verdict)
    return tuple(changed)


def _random(name: str) -> Diagnosis:
    sentence = (
        f"∂{name} ({HOMEWORK[name]}) is wrong: two calls with the same arguments give different "
        "gradients (random numbers, or something kept from call to call); "
        f"it looks as if {FRESH_MASK.sentence}."
    )
    return Diagnosis((FRESH_MASK.id,), sentence, "use the mask r that is handed in, and draw none")


def _differ(name: str, first: dict[str, Raw], second: dict[str, Raw]) -> bool:
    """Whether two calls returned different gradients of this name, or only one of them any."""
    if name not in first and name not in second:
        return False
    if name not in first or name not in second:
        return True
    if first[name].shape != second[name].shape:
        return True
    return not np.allclose(first[name], second[name], rtol=1e-6, atol=1e-12, equal_nan=True)
