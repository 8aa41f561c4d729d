"""An outside oracle: where PyTorch is installed (`pip install torch`), its autograd agrees."""

from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import network_of, small_case
from mlpcli.gradcheck.complex_step import Case
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.model.buffers import gradient, workspace
from mlpcli.model.network import backward, forward, mean_loss

torch: Any = pytest.importorskip("torch")
PHI: dict[str, Any] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "identity": lambda a: a,
}


def parameter(values: Floats) -> Any:
    return torch.tensor(values, requires_grad=True)


def by_autograd(case: Case) -> dict[str, Floats]:
    """The gradients of the weighted mean loss, with weight decay, by PyTorch in float64."""
    W1, b1 = parameter(case.W1), parameter(case.b1)
    W2, b2 = parameter(case.W2), parameter(case.b2)
    a = torch.tensor(case.x) @ W1 + b1
    h = PHI[case.activation](a) * torch.tensor(case.r)
    z = h @ W2 + b2
    a.retain_grad()
    z.retain_grad()
    penalty = case.l2 / 2 * ((W1**2).sum() + (W2**2).sum())
    losses = torch.nn.functional.cross_entropy(
        z, torch.tensor(case.labels), reduction="none", label_smoothing=case.smoothing
    )
    loss = (torch.tensor(case.w) * losses).mean() + penalty
    loss.backward()
    tensors = {"z": z, "a": a, "W1": W1, "b1": b1, "W2": W2, "b2": b2}
    return {name: tensor.grad.numpy() for name, tensor in tensors.items()}


def by_hand(case: Case) -> dict[str, Floats]:
    """The same by network.py."""
    network = network_of(case)
    ws = workspace(network.shape, len(case.x), np.float64)
    grad = gradient(network.shape, len(case.x), np.float64)
    forward(network, case.x, case.r, ws)
    mean_loss(case.labels, ws)
    targets: dict[str, Any] = {"weights": case.weights, "smoothing": case.smoothing}
    backward(network, case.x, case.labels, case.r, ws, grad, case.l2, **targets)
    return {
        "z": grad.dz,
        "a": grad.da,
        "W1": grad.dW1,
        "b1": grad.db1,
        "W2": grad.dW2,
        "b2": grad.db2,
    }


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dropout", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_autograd_agrees_with_backward(
    activation: str, dropout: float, l2: float, trained: bool, weighted: bool, smoothing: float
) -> None:
    case = small_case(
        "autograd",
        activation,
        5,
        dropout=dropout,
        l2=l2,
        trained=trained,
        weighted=weighted,
        smoothing=smoothing,
    )
    expected = by_autograd(case)
    for name, ours in by_hand(case).items():
        largest = max(1, np.abs(expected[name]).max())
        np.testing.assert_allclose(ours, expected[name], rtol=0, atol=1e-12 * largest)
