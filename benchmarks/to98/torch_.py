"""MNIST with PyTorch: tensors indexed in memory, a fused optimizer, as its tuning guide advises.

Not under `torch.compile`: in so short a run, compiling takes longer than it saves.
"""

import torch
from torch import nn
from torch.nn import functional

from benchmarks.to98.protocol import Settings, print_accuracy, print_epoch, read_arguments


def network(settings: Settings) -> nn.Module:
    """The untrained network."""
    return nn.Sequential(
        nn.Linear(784, settings.hidden),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.hidden, 10),
    )


def train(model: nn.Module, settings: Settings, x: torch.Tensor, y: torch.Tensor) -> None:
    """Train for all epochs, with a learning rate that falls linearly to 0."""
    optimizer = torch.optim.SGD(
        model.parameters(), lr=settings.lr, momentum=0.9, nesterov=True, fused=True
    )
    steps = settings.steps(len(x))
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for epoch in range(1, settings.epochs + 1):
        total = torch.zeros(())
        for indices in torch.randperm(len(x)).split(settings.batch_size):
            z = model(x.index_select(0, indices))
            loss = functional.cross_entropy(z, y.index_select(0, indices))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(indices)
        print_epoch(epoch, total.item() / len(x))


@torch.inference_mode()
def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """The share of rows that are classified correctly."""
    model.eval()
    correct = model(x).argmax(dim=1) == y
    return float(correct.float().mean().item())


def main() -> None:
    """Train and score."""
    settings, rows = read_arguments()
    torch.manual_seed(0)
    model = network(settings)
    train(model, settings, torch.from_numpy(rows.x), torch.from_numpy(rows.y).long())
    x_test = torch.from_numpy(rows.x_test)
    print_accuracy(accuracy(model, x_test, torch.from_numpy(rows.y_test)))


if __name__ == "__main__":
    main()
