"""PyTorch: probabilities under `inference_mode`, of tensors made before the clock starts."""

import torch
from torch import nn

from benchmarks.score.protocol import read_chunks, serve, weights

NAMES = {"0.weight": "W1", "0.bias": "b1", "2.weight": "W2", "2.bias": "b2"}


def network() -> nn.Module:
    """The network with the weights of every subject, which PyTorch keeps as (out,in)."""
    arrays = weights()
    D, H = arrays["W1"].shape
    K = len(arrays["b2"])
    model = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, K), nn.Softmax(dim=1))
    state = {name: torch.from_numpy(arrays[ours].T.copy()) for name, ours in NAMES.items()}
    model.load_state_dict(state)
    return model.eval()


def main() -> None:
    """Score for as long as passes are requested."""
    model = network()
    chunks = [torch.from_numpy(chunk) for chunk in read_chunks()]

    @torch.inference_mode()
    def score() -> list[torch.Tensor]:
        return [model(chunk) for chunk in chunks]

    serve(score, f"ATen, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
