"""An outside oracle: PyTorch's autograd, where it is installed (`pip install torch`), agrees with network.backward."""

import numpy as np
import pytest

from mlpcli.gradcheck.cases import network_of, small_case
from mlpcli.gradcheck.complex_step import Case
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.model.buffers import gradient, workspace
from mlpcli.model.network import backward, forward, mean_loss

torch = pytest.importorskip("torch")
PHI = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "identity": lambda a: a,
}


def autograd(case: Case) -> dict[str, np.ndarray]:
    """The gradients of the mean cross-entropy, with weight decay, by PyTorch in float64."""
    values = {
        name: torch.tensor(getattr(case, name), requires_grad=True)
        for name in ("W1", "b1", "W2", "b2")
    }
    a = torch.tensor(case.x) @ values["W1"] + values["b1"]
    z = (PHI[case.activation](a) * torch.tensor(case.r)) @ values["W2"] + values["b2"]
    a.retain_grad()
    z.retain_grad()
    decay = case.l2 / 2 * ((values["W1"] ** 2).sum() + (values["W2"] ** 2).sum())
    (torch.nn.functional.cross_entropy(z, torch.tensor(case.labels)) + decay).backward()
    return {name: tensor.grad.numpy() for name, tensor in (values | {"a": a, "z": z}).items()}


def by_hand(case: Case) -> dict[str, np.ndarray]:
    """The same by network.py."""
    network, B = network_of(case), len(case.x)
    ws, grad = workspace(network.shape, B, np.float64), gradient(network.shape, B, np.float64)
    forward(network, case.x, case.r, ws)
    mean_loss(case.labels, ws)
    backward(network, case.x, case.labels, case.r, ws, grad, case.l2)
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
def test_autograd_agrees_with_backward(
    activation: str, dropout: float, l2: float, trained: bool
) -> None:
    case = small_case("autograd", activation, 5, dropout=dropout, l2=l2, trained=trained)
    theirs = autograd(case)
    for name, ours in by_hand(case).items():
        np.testing.assert_allclose(
            ours, theirs[name], rtol=0, atol=1e-12 * max(1, np.abs(theirs[name]).max())
        )
