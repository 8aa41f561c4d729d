"""PyTorch: the probabilities under `inference_mode`, tensors made before the clock starts."""

import torch
from torch import nn

from benchmarks.score.protocol import read_pieces, serve, weights


def main() -> None:
    """Score as often as asked."""
    values = {name: torch.from_numpy(value.T.copy()) for name, value in weights().items()}
    H, D = values["W1"].shape  # PyTorch keeps weights as (out,in)
    model = nn.Sequential(
        nn.Linear(D, H), nn.ReLU(), nn.Linear(H, len(values["b2"])), nn.Softmax(dim=1)
    ).eval()
    names = {"0.weight": "W1", "0.bias": "b1", "2.weight": "W2", "2.bias": "b2"}
    model.load_state_dict({name: values[ours] for name, ours in names.items()})
    pieces = [torch.from_numpy(piece) for piece in read_pieces()]

    @torch.inference_mode()
    def score() -> list[torch.Tensor]:
        return [model(piece) for piece in pieces]

    serve(score, f"ATen, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
