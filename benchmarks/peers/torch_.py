"""PyTorch: tensors indexed in memory, no DataLoader, a fused optimizer.

With the option `compiled`, the network runs under `torch.compile`. Follows PyTorch's tuning guide:
fused optimizers, gradients set to None, no gradient where nothing is learnt, no `.item()` within an
epoch. A DataLoader, which reads rows one by one, would take longer than the training.
"""

import sys

import torch
from torch import nn
from torch.nn import functional

from benchmarks.peers.protocol import EpochTimer, Settings, Task, read_task

NAMES = {"0.weight": "W1", "0.bias": "b1", "3.weight": "W2", "3.bias": "b2"}


def first_network(task: Task) -> nn.Sequential:
    """The network with the task's first weights, which PyTorch keeps as (out,in)."""
    D, H = task.weights["W1"].shape
    K = len(task.weights["b2"])
    model = nn.Sequential(
        nn.Linear(D, H),
        nn.ReLU(),
        nn.Dropout(task.settings.dropout),
        nn.Linear(H, K),
    )
    weights = {}
    for name, ours in NAMES.items():
        weights[name] = torch.from_numpy(task.weights[ours].T.copy())
    model.load_state_dict(weights)
    return model


def optimizer_of(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer, fused."""
    parameters = model.parameters()
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=settings.lr, fused=True)
    return torch.optim.SGD(parameters, lr=settings.lr, momentum=0.9, nesterov=True, fused=True)


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor, B: int
) -> None:
    """Train for one epoch."""
    model.train()
    for indices in torch.randperm(len(x)).split(B):
        z = model(x.index_select(0, indices))
        loss = functional.cross_entropy(z, y.index_select(0, indices))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.inference_mode()
def score(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """The mean loss and the accuracy, without dropout."""
    model.eval()
    z = model(x)
    loss = functional.cross_entropy(z, y)
    correct = z.argmax(dim=1) == y
    return loss.item(), correct.float().mean().item()


def kernels() -> str:
    """The matrix kernels and their threads."""
    libraries = "oneDNN and MKL" if torch.backends.mkl.is_available() else "oneDNN"
    return f"ATen with {libraries}, {torch.get_num_threads()} threads"


def main() -> None:
    """Train for as long as epochs are requested."""
    task = read_task()
    torch.manual_seed(task.settings.seed)
    model = first_network(task)
    optimizer = optimizer_of(model, task.settings)
    trained = torch.compile(model, dynamic=False) if "compiled" in sys.argv else model
    x = torch.from_numpy(task.x)
    y = torch.from_numpy(task.y)
    x_validation = torch.from_numpy(task.x_validation)
    y_validation = torch.from_numpy(task.y_validation)
    best = {name: value.clone() for name, value in model.state_dict().items()}
    best_loss = float("inf")
    timer = EpochTimer(kernels())
    while True:
        train(trained, optimizer, x, y, task.settings.batch_size)
        loss, accuracy = score(model, x_validation, y_validation)
        if loss < best_loss:
            best_loss = loss
            torch._foreach_copy_(list(best.values()), list(model.state_dict().values()))
        timer.epoch_done(loss, accuracy)


if __name__ == "__main__":
    main()
