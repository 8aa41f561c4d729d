"""network.py against the truth: each equation on its own, and the backward pass as a whole."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats
from mlpcli.errors import CheckError
from mlpcli.gradcheck.cases import Coverage, coverage, network_of
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK, Case, loss, sizes, slope_along
from mlpcli.gradcheck.derivation import Pass
from mlpcli.gradcheck.derivation import backward as derived
from mlpcli.gradcheck.diagnosis import UPSTREAM, Diagnosis
from mlpcli.gradcheck.verdict import QUIET, TOLERANCE, Equation, Sample, judge, truth_of
from mlpcli.model.buffers import Gradient, Workspace, gradient, workspace
from mlpcli.model.network import (
    Network,
    add_weight_decay,
    backward,
    first_layer_gradient,
    forward,
    hidden_gradient,
    logits_gradient,
    mean_loss,
    second_layer_gradient,
)

TINY = 1e-30  # above 0 in either precision
MISLED = "∂{} ({}) is wrong, though its own line is right: the forward pass, or what backward hands to it, is not."
OTHER_LOSS = (
    "∂z (3.2) is wrong: the loss that training reports is not the one that is differentiated."
)


@dataclass(frozen=True)
class Check:
    """One case in one precision: its six equations, and what it covered."""

    case: str
    activation: str
    dtype: str
    equations: tuple[Equation, ...]
    coverage: Coverage

    @property
    def passed(self) -> bool:
        """Whether every equation that was given is right."""
        return all(equation.passed for equation in self.equations if equation.given)


@dataclass(frozen=True)
class Run:
    """What network.py made of a case: its loss, its six gradients, and the buffers that it worked in."""

    case: Case
    dtype: str
    loss: float
    gradients: dict[str, Floats]
    network: Network
    ws: Workspace
    grad: Gradient


def check_network(case: Case, dtype: str) -> Check:
    """Check network.py on a small case, entry by entry."""
    run = _run(case, dtype)
    return _check(run, truth_of(run.case))


def check_along(case: Case, dtype: str, rng: np.random.Generator, directions: int = 2) -> Check:
    """Check network.py at any size: each gradient's slope along random directions, one forward pass each.

    Where one is wrong, it is looked at entry by entry, beside the derivation's own gradients.
    """
    run = _run(case, dtype)
    errors = {name: _error_along(name, run, rng, directions) for name in EQUATIONS}
    if max(errors.values()) > TOLERANCE[dtype] or not _reports_the_loss(run):
        check = _check(run, derived(Pass(run.case)))
        if check.passed:
            raise CheckError(
                f"the checker contradicts itself on the case {case.name!r}: no gradient is judged by it."
            )
        return check
    shapes = {name: gradient.shape for name, gradient in run.gradients.items()}
    rows = [
        Equation(name, True, True, False, errors[name], None, math.prod(s), s)
        for name, s in shapes.items()
    ]
    return Check(case.name, case.activation, dtype, tuple(rows), coverage(case))


@QUIET
def _run(case: Case, dtype: str) -> Run:
    """Run network.py's forward and backward pass; the case comes back with ReLU's active set as that pass had it."""
    network = network_of(case, dtype)
    ws, grad = (
        workspace(network.shape, len(case.x), dtype),
        gradient(network.shape, len(case.x), dtype),
    )
    for buffer in (*vars(ws).values(), *vars(grad).values()):  # so that nothing stale looks right
        if buffer.dtype == dtype:
            buffer.fill(np.nan)
    ws.x[...], r = case.x, case.r.astype(dtype)
    forward(network, ws.x, r, ws)
    reported = mean_loss(case.labels, ws)
    backward(network, ws.x, case.labels, r, ws, grad, case.l2)
    case = _frozen(case, ws.s > 0, TOLERANCE[dtype])
    return Run(case, dtype, reported, _read(grad), network, ws, grad)


def _frozen(case: Case, active: NDArray[np.bool_], tolerance: float) -> Case:
    """The case with ReLU's active set as given, where only rounding can have made it differ from the true one."""
    if case.activation != "relu":
        return case
    near = np.abs(case.a) <= tolerance * (np.abs(case.x) @ np.abs(case.W1) + np.abs(case.b1))
    return replace(case, active=np.where(near, active, case.a > 0))


def _read(grad: Gradient) -> dict[str, Floats]:
    """The six gradients in the buffers, as float64 copies."""
    buffers = (grad.dz, grad.dW2, grad.db2, grad.da, grad.dW1, grad.db1)
    return {
        name: buffer.astype(np.float64) for name, buffer in zip(EQUATIONS, buffers, strict=True)
    }


@QUIET
def _check(run: Run, truth: dict[str, Floats]) -> Check:
    """Each equation alone, fed the truth, and then `backward` as a whole: the first that is wrong is to blame."""
    tolerance = dict.fromkeys(EQUATIONS, TOLERANCE[run.dtype])
    together = judge([Sample(run.case, run.gradients, truth, tolerance)])
    alone = judge([Sample(run.case, _fed(run, truth), truth, tolerance)])
    rows: dict[str, Equation] = {}
    for name, one, whole in zip(EQUATIONS, alone, together, strict=True):
        rows[name] = _blamed(one, whole, all(rows[up].passed for up in UPSTREAM[name]))
    if not _reports_the_loss(run):
        rows["z"] = replace(
            rows["z"], passed=False, diagnosis=rows["z"].diagnosis or Diagnosis((), OTHER_LOSS)
        )
    return Check(
        run.case.name, run.case.activation, run.dtype, tuple(rows.values()), coverage(run.case)
    )


def _blamed(alone: Equation, whole: Equation, sound: bool) -> Equation:
    """An equation's row, from how it does alone and in `backward`; `sound` where all upstream of it is right."""
    if not alone.passed or whole.passed:
        return whole if alone.passed else alone
    if not sound:
        return replace(whole, passed=True, inherits=True, diagnosis=None)
    named = whole.diagnosis is not None and whole.diagnosis.ids
    return (
        whole
        if named
        else replace(
            whole, diagnosis=Diagnosis((), MISLED.format(whole.name, HOMEWORK[whole.name]))
        )
    )


def _fed(run: Run, truth: dict[str, Floats]) -> dict[str, Floats]:
    """Each equation of network.py by itself, given the true forward pass and the true gradients before it."""
    case, ws, grad, f = run.case, run.ws, run.grad, Pass(run.case)
    r = case.r.astype(run.dtype)
    ws.s[...], ws.h[...], ws.p[...] = _outputs(f), f.h, f.p
    logits_gradient(case.labels, ws, grad)
    z = _read(grad)["z"]
    grad.dz[...] = truth["z"]
    second_layer_gradient(ws, grad)
    hidden_gradient(run.network, r, ws, grad)
    a = _read(grad)["a"]
    grad.da[...] = truth["a"]
    first_layer_gradient(ws.x, grad)
    if case.l2:
        add_weight_decay(run.network, case.l2, grad)
    return _read(grad) | {"z": z, "a": a}


def _outputs(f: Pass) -> Floats:
    """φ(a), above 0 wherever ReLU's active set says so: its slope is read off that."""
    return f.s if f.case.active is None else np.maximum(f.s, f.case.active * TINY)


def _reports_the_loss(run: Run) -> bool:
    """Whether the loss that training reports is the one that is differentiated."""
    true = float(loss(replace(run.case, l2=0.0)))
    return bool(abs(run.loss - true) <= TOLERANCE[run.dtype] * sizes(run.case)["b2"].sum())


@QUIET
def _error_along(name: str, run: Run, rng: np.random.Generator, directions: int) -> float:
    """The largest error of a gradient's slope along random directions, relative to the size of its terms."""
    g, size = run.gradients[name], np.linalg.norm(sizes(run.case)[name])
    signs = [rng.choice([-1.0, 1.0], g.shape) for _ in range(directions)]
    errors = [abs(float(np.vdot(g, v)) - slope_along(run.case, name, v)) / size for v in signs]
    return max(float(error) if np.isfinite(error) else 1.0 for error in errors)
