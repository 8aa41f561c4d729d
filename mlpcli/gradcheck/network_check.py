"""The gradients of model/network.py against true ones: each equation alone, and the whole pass."""

import math
from dataclasses import dataclass, replace

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.errors import CheckError
from mlpcli.gradcheck import derivation
from mlpcli.gradcheck.cases import Coverage, coverage
from mlpcli.gradcheck.complex_step import (
    EQUATIONS,
    HOMEWORK,
    Case,
    directional_derivative,
    loss,
    magnitudes,
    true_gradients,
)
from mlpcli.gradcheck.derivation import ForwardPass
from mlpcli.gradcheck.diagnosis import UPSTREAM, Diagnosis
from mlpcli.gradcheck.kernels import KernelRun, isolated_gradients, run_kernels
from mlpcli.gradcheck.verdict import NO_WARNINGS, TOLERANCE, EquationVerdict, Sample, judge

N_DIRECTIONS = 2  # along which each gradient of a large case is checked
WRONG_INPUT = (
    "∂{} ({}) is wrong, though its own equation is right: "
    "the forward pass, or an argument that backward passes on, is wrong."
)
WRONG_LOSS = (
    "∂z (3.2) is wrong: the loss that training reports is not the one that is differentiated."
)


@dataclass(frozen=True)
class Check:
    """The verdict on network.py for one case in one precision, and what the case covers."""

    case: str
    activation: str
    dtype: str
    equations: tuple[EquationVerdict, ...]
    coverage: Coverage

    @property
    def passed(self) -> bool:
        """Whether every equation is right."""
        return all(verdict.passed for verdict in self.equations if verdict.given)


def check_entries(case: Case, dtype: str) -> Check:
    """Check every entry of the six gradients of network.py on a small case."""
    run = run_kernels(case, dtype)
    return _check(run, true_gradients(run.case))


def check_directions(case: Case, dtype: str, rng: np.random.Generator) -> Check:
    """Check the six gradients of network.py along random directions, on a case of any size.

    If one is wrong, all entries are compared with the gradients of derivation.py. Raises CheckError
    if those agree with network.py: then the checker itself is wrong.
    """
    run = run_kernels(case, dtype)
    errors = {name: _directional_error(name, run, rng) for name in EQUATIONS}
    if max(errors.values()) <= TOLERANCE[dtype] and _reports_the_loss(run):
        verdicts = [_right(name, run, errors[name]) for name in EQUATIONS]
        return Check(case.name, case.activation, dtype, tuple(verdicts), coverage(case))
    check = _check(run, derivation.backward(ForwardPass(run.case)))
    if check.passed:
        raise CheckError(
            f"the checker contradicts itself on the case {case.name!r}: "
            "no gradient is judged by it."
        )
    return check


def _right(name: str, run: KernelRun, error: float) -> EquationVerdict:
    shape = run.gradients[name].shape
    return EquationVerdict(
        name,
        given=True,
        passed=True,
        inherits=False,
        max_relative_error=error,
        entries=math.prod(shape),
        shape=shape,
    )


@NO_WARNINGS
def _check(run: KernelRun, expected: dict[str, Floats]) -> Check:
    """Combine the verdicts on each equation alone and on the whole backward pass."""
    case = run.case
    tolerance = dict.fromkeys(EQUATIONS, TOLERANCE[run.dtype])
    whole = judge([Sample(case, run.gradients, expected, tolerance)])
    alone = judge([Sample(case, isolated_gradients(run, expected), expected, tolerance)])
    verdicts: dict[str, EquationVerdict] = {}
    for name, by_itself, in_pass in zip(EQUATIONS, alone, whole, strict=True):
        upstream_is_right = all(verdicts[above].passed for above in UPSTREAM[name])
        verdicts[name] = _combine(by_itself, in_pass, upstream_is_right)
    if not _reports_the_loss(run):
        diagnosis = verdicts["z"].diagnosis or Diagnosis((), WRONG_LOSS)
        verdicts["z"] = replace(verdicts["z"], passed=False, diagnosis=diagnosis)
    return Check(case.name, case.activation, run.dtype, tuple(verdicts.values()), coverage(case))


def _combine(
    alone: EquationVerdict, in_pass: EquationVerdict, upstream_is_right: bool
) -> EquationVerdict:
    """The verdict on an equation from its verdicts alone and in the whole backward pass."""
    if not alone.passed:
        return alone
    if in_pass.passed:
        return in_pass
    if not upstream_is_right:
        return replace(in_pass, passed=True, inherits=True, diagnosis=None)
    if in_pass.diagnosis is not None and in_pass.diagnosis.ids:
        return in_pass
    sentence = WRONG_INPUT.format(in_pass.name, HOMEWORK[in_pass.name])
    return replace(in_pass, diagnosis=Diagnosis((), sentence))


def _reports_the_loss(run: KernelRun) -> bool:
    """Whether the loss that network.py reports is the true one, without decay and smoothing."""
    true_loss = float(loss(replace(run.case, l2=0.0, smoothing=0.0)))
    magnitude = magnitudes(run.case)["b2"].sum()
    return bool(abs(run.loss - true_loss) <= TOLERANCE[run.dtype] * magnitude)


@NO_WARNINGS
def _directional_error(name: str, run: KernelRun, rng: np.random.Generator) -> float:
    """The largest error of a gradient along random directions of ±1, relative to its magnitude."""
    value = run.gradients[name]
    magnitude = np.linalg.norm(magnitudes(run.case)[name])
    directions = [rng.choice([-1.0, 1.0], value.shape) for _ in range(N_DIRECTIONS)]
    worst = 0.0
    for direction in directions:
        derivative = float(np.vdot(value, direction))
        true_derivative = directional_derivative(run.case, name, direction)
        error = float(abs(derivative - true_derivative) / magnitude)
        if not np.isfinite(error):
            error = 1.0
        worst = max(worst, error)
    return worst
