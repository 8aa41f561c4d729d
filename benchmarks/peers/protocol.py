"""What every contestant is told and what it answers: rows and settings in, seconds an epoch out, a JSON line a turn."""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Settings:
    """What is trained, the same for all."""

    source: str  # as `mlpcli train --data` takes it
    hidden: int
    batch_size: int
    optimizer: str  # momentum (0.9, Nesterov) or adam
    lr: float  # constant
    dropout: float = 0.5  # of hidden units
    seed: int = 0


@dataclass(frozen=True)
class Task:
    """Rows, scaled as mlpcli scales them, and the weights that everybody starts from."""

    settings: Settings
    x: NDArray[np.float32]  # (N,D)
    y: NDArray[np.intp]  # (N)
    x_validation: NDArray[np.float32]
    y_validation: NDArray[np.intp]
    weights: dict[str, NDArray[np.float32]]  # W1 (D,H), b1 (H), W2 (H,K), b2 (K)


def read_settings() -> Settings:
    """The settings, from the second argument."""
    return Settings(**json.loads(sys.argv[2]))


def read_task() -> Task:
    """The task, from the file named by the first argument."""
    with np.load(Path(sys.argv[1])) as file:
        arrays = dict(file)

    def scaled(raw: NDArray[Any]) -> NDArray[np.float32]:
        return (raw.astype(np.float32) - arrays["offset"]) * arrays["scale"]

    weights = {name: arrays[name] for name in ("W1", "b1", "W2", "b2")}
    x, x_validation = scaled(arrays["x"]), scaled(arrays["x_validation"])
    return Task(read_settings(), x, arrays["y"], x_validation, arrays["y_validation"], weights)


class Turns:
    """Trains as many epochs as it is asked for, tells how long each took, and waits for its next turn.

    The first epoch, with all that is compiled in it, answers no question and is reported as a warm-up.
    """

    def __init__(self, about: str) -> None:
        self.about = about
        self.left = 1
        self.seconds: list[float] = []
        self.since = time.perf_counter()

    def epoch_done(self, loss: float | None = None, accuracy: float | None = None) -> None:
        """Note the epoch; at the end of a turn, answer and block until the next, or exit where there is none."""
        self.seconds.append(time.perf_counter() - self.since)
        if len(self.seconds) == self.left:
            say({"seconds": self.seconds, "loss": loss, "accuracy": accuracy, "about": self.about})
            self.left, self.seconds = asked(), []
        self.since = time.perf_counter()


def say(answer: dict[str, Any]) -> None:
    """One JSON line to whoever keeps the turns."""
    print(json.dumps(answer), flush=True)


def asked() -> int:
    """Wait to be asked for so many epochs, or passes; exit where nobody asks any more."""
    line = sys.stdin.readline()
    if not line:
        raise SystemExit
    return int(json.loads(line)["go"])


def blas() -> str:
    """The matrix kernels that NumPy or SciPy loaded here, and their threads."""
    from threadpoolctl import threadpool_info

    pools = {
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}, {pool['num_threads']} threads"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    return "; ".join(sorted(pools))
