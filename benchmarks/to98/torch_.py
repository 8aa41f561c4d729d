"""MNIST with PyTorch: tensors indexed in memory, a fused optimizer, as its tuning guide advises; `FOLDER [EPOCHS]`.

Not under `torch.compile`: on so short a run, compiling takes longer than it saves.
"""

import torch
from torch import nn
from torch.nn import functional

from benchmarks.to98.shared import conclude, read_arguments, report


def main() -> None:
    """Train and score."""
    settings, rows = read_arguments()
    torch.manual_seed(0)
    x, y = torch.from_numpy(rows.x), torch.from_numpy(rows.y).long()
    model = nn.Sequential(
        nn.Linear(784, settings.hidden),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.hidden, 10),
    )
    optimizer = torch.optim.SGD(
        model.parameters(), lr=settings.lr, momentum=0.9, nesterov=True, fused=True
    )
    steps = settings.epochs * -(-len(x) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for epoch in range(1, settings.epochs + 1):
        total = torch.zeros(())
        for places in torch.randperm(len(x)).split(settings.batch_size):
            loss = functional.cross_entropy(
                model(x.index_select(0, places)), y.index_select(0, places)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(places)
        report(epoch, total.item() / len(x))
    model.eval()
    with torch.inference_mode():
        right = model(torch.from_numpy(rows.x_test)).argmax(dim=1) == torch.from_numpy(rows.y_test)
    conclude(right.float().mean().item())


if __name__ == "__main__":
    main()
