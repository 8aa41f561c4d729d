"""PyTorch: tensors indexed in memory, no DataLoader, a fused optimizer; with `compiled`, under `torch.compile`.

As its tuning guide advises: fused optimizers, gradients set to None, no gradient where nothing is learnt, no `.item()`
within an epoch. Reading rows one by one through a DataLoader would cost more than the training.
"""

import sys

import torch
from torch import nn
from torch.nn import functional

from benchmarks.peers.protocol import Settings, Task, Turns, read_task


def network(task: Task) -> nn.Sequential:
    """The network with everybody's first weights; PyTorch keeps them as (out,in)."""
    D, H = task.weights["W1"].shape
    model = nn.Sequential(
        nn.Linear(D, H),
        nn.ReLU(),
        nn.Dropout(task.settings.dropout),
        nn.Linear(H, len(task.weights["b2"])),
    )
    names = {"0.weight": "W1", "0.bias": "b1", "3.weight": "W2", "3.bias": "b2"}
    model.load_state_dict(
        {name: torch.from_numpy(task.weights[ours].T.copy()) for name, ours in names.items()}
    )
    return model


def optimizer_of(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer, fused."""
    if settings.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=settings.lr, fused=True)
    return torch.optim.SGD(
        model.parameters(), lr=settings.lr, momentum=0.9, nesterov=True, fused=True
    )


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor, B: int
) -> None:
    """One epoch."""
    model.train()
    for places in torch.randperm(len(x)).split(B):
        loss = functional.cross_entropy(model(x.index_select(0, places)), y.index_select(0, places))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.inference_mode()
def score(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """The mean loss and the accuracy, dropout off."""
    model.eval()
    z = model(x)
    return functional.cross_entropy(z, y).item(), (z.argmax(dim=1) == y).float().mean().item()


def main() -> None:
    """Train as long as asked."""
    task = read_task()
    torch.manual_seed(task.settings.seed)
    model = network(task)
    optimizer = optimizer_of(model, task.settings)
    runner = torch.compile(model, dynamic=False) if "compiled" in sys.argv else model
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y)
    x_validation, y_validation = (
        torch.from_numpy(task.x_validation),
        torch.from_numpy(task.y_validation),
    )
    best, best_loss = (
        {name: value.clone() for name, value in model.state_dict().items()},
        float("inf"),
    )
    kernels = "oneDNN and MKL" if torch.backends.mkl.is_available() else "oneDNN"
    turns = Turns(f"ATen with {kernels}, {torch.get_num_threads()} threads")
    while True:
        train(runner, optimizer, x, y, task.settings.batch_size)
        loss, accuracy = score(model, x_validation, y_validation)
        if loss < best_loss:
            best_loss = loss
            torch._foreach_copy_(list(best.values()), list(model.state_dict().values()))
        turns.epoch_done(loss, accuracy)


if __name__ == "__main__":
    main()
