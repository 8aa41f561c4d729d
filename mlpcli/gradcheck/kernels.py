"""Runs model/network.py on a case, as a whole and each equation alone."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import network_of
from mlpcli.gradcheck.complex_step import Case
from mlpcli.gradcheck.derivation import ForwardPass
from mlpcli.gradcheck.verdict import NO_WARNINGS, TOLERANCE
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

TINY = 1e-30  # above 0 in float32 too


@dataclass(frozen=True)
class KernelRun:
    """The results of network.py for one case: its loss, its six gradients, and its buffers."""

    case: Case
    dtype: str
    loss: float
    gradients: dict[str, Floats]
    network: Network
    ws: Workspace
    grad: Gradient


@NO_WARNINGS
def run_kernels(case: Case, dtype: str) -> KernelRun:
    """Run the forward and backward pass of network.py.

    The result's case has the active set of ReLU that this forward pass had.
    """
    B = len(case.x)
    network = network_of(case, dtype)
    ws = workspace(network.shape, B, dtype)
    grad = gradient(network.shape, B, dtype)
    for buffer in (*vars(ws).values(), *vars(grad).values()):
        if buffer.dtype == dtype:
            buffer.fill(np.nan)  # an entry that is never written is then wrong
    ws.x[...] = case.x
    r = case.r.astype(dtype)
    forward(network, ws.x, r, ws)
    weights = _weights(case, dtype)
    reported = mean_loss(case.labels, ws, weights)
    backward(
        network,
        ws.x,
        case.labels,
        r,
        ws,
        grad,
        case.l2,
        weights=weights,
        smoothing=case.smoothing,
    )
    rounded = _with_active_set(case, ws.s > 0, TOLERANCE[dtype])
    return KernelRun(rounded, dtype, reported, _copy_gradients(grad), network, ws, grad)


def _weights(case: Case, dtype: str) -> Floats | None:
    """The weights of the case's rows in the given type, if it has any."""
    if case.weights is None:
        return None
    weights: Floats = case.weights.astype(dtype)
    return weights


def _with_active_set(case: Case, active: NDArray[np.bool_], tolerance: float) -> Case:
    """The case with the given active set (B,H) of ReLU wherever rounding may decide it."""
    if case.activation != "relu":
        return case
    magnitude = np.abs(case.x) @ np.abs(case.W1) + np.abs(case.b1)
    is_near_kink = np.abs(case.a) <= tolerance * magnitude
    return replace(case, active=np.where(is_near_kink, active, case.a > 0))


def _copy_gradients(grad: Gradient) -> dict[str, Floats]:
    """The six gradients in the buffers, as copies in float64."""
    buffers: dict[str, Floats] = {
        "z": grad.dz,
        "W2": grad.dW2,
        "b2": grad.db2,
        "a": grad.da,
        "W1": grad.dW1,
        "b1": grad.db1,
    }
    return {name: buffer.astype(np.float64) for name, buffer in buffers.items()}


def isolated_gradients(run: KernelRun, expected: dict[str, Floats]) -> dict[str, Floats]:
    """Each equation's gradient by network.py, from a right forward pass and right ∂z and ∂a."""
    case = run.case
    ws = run.ws
    grad = run.grad
    f = ForwardPass(case)
    r = case.r.astype(run.dtype)
    ws.s[...] = _outputs(f)
    ws.h[...] = f.h
    ws.p[...] = f.p
    logits_gradient(case.labels, ws, grad, _weights(case, run.dtype), case.smoothing)
    dz = _copy_gradients(grad)["z"]
    grad.dz[...] = expected["z"]
    second_layer_gradient(ws, grad)
    hidden_gradient(run.network, r, ws, grad)
    da = _copy_gradients(grad)["a"]
    grad.da[...] = expected["a"]
    first_layer_gradient(ws.x, grad)
    if case.l2:
        add_weight_decay(run.network, case.l2, grad)
    return _copy_gradients(grad) | {"z": dz, "a": da}


def _outputs(f: ForwardPass) -> Floats:
    """φ(a), above 0 wherever ReLU is active: network.py reads the slope from its sign."""
    if f.case.active is None:
        return f.s
    outputs: Floats = np.maximum(f.s, f.case.active * TINY)
    return outputs
