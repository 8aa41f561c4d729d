"""How the harness and a subject's process talk: the task and its settings, requests and replies.

The harness starts a subject as `python -m benchmarks.peers.X TASK.npz SETTINGS SCRATCH [OPTION]`.
A request is one line of JSON on stdin, a reply one line on stdout.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WEIGHTS = ("W1", "b1", "W2", "b2")


@dataclass(frozen=True)
class Settings:
    """What is trained, the same for all subjects."""

    source: str  # as `mlpcli train --data` takes it
    hidden: int
    batch_size: int
    optimizer: str  # momentum (0.9, Nesterov) or adam
    lr: float  # constant
    dropout: float = 0.5  # of hidden units
    seed: int = 0

    def text(self) -> str:
        """The settings as a subject's second argument."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Task:
    """Rows, scaled as mlpcli scales them, and the weights that every subject starts from."""

    settings: Settings
    x: NDArray[np.float32]  # (N,D)
    y: NDArray[np.intp]  # (N)
    x_validation: NDArray[np.float32]
    y_validation: NDArray[np.intp]
    weights: dict[str, NDArray[np.float32]]  # W1 (D,H), b1 (H), W2 (H,K), b2 (K)


@dataclass(frozen=True)
class Reply:
    """The seconds of each epoch or pass, and what the kernels are; the scores are optional."""

    seconds: list[float]
    about: str
    loss: float | None = None
    accuracy: float | None = None


def read_settings() -> Settings:
    """The settings in the second argument."""
    return Settings(**json.loads(sys.argv[2]))


def read_task() -> Task:
    """The task in the file that the first argument names, with the settings of the second."""
    with np.load(Path(sys.argv[1])) as file:
        arrays = dict(file)
    return Task(
        settings=read_settings(),
        x=_scaled(arrays["x"], arrays),
        y=arrays["y"],
        x_validation=_scaled(arrays["x_validation"], arrays),
        y_validation=arrays["y_validation"],
        weights={name: arrays[name] for name in WEIGHTS},
    )


def _scaled(raw: NDArray[Any], arrays: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    return (raw.astype(np.float32) - arrays["offset"]) * arrays["scale"]


class EpochTimer:
    """Times epochs, and replies to the harness after as many as it requested.

    The first epoch, which may compile code, is the warm-up: its reply answers no request.
    """

    def __init__(self, about: str) -> None:
        self.about = about
        self.requested = 1
        self.seconds: list[float] = []
        self.epoch_began = time.perf_counter()

    def epoch_done(self, loss: float | None = None, accuracy: float | None = None) -> None:
        """Record the epoch that has just ended.

        After the last requested epoch, reply and wait for the next request. Raises SystemExit if
        the harness has closed stdin.
        """
        self.seconds.append(time.perf_counter() - self.epoch_began)
        if len(self.seconds) == self.requested:
            send(Reply(self.seconds, self.about, loss, accuracy))
            self.requested = receive_request()
            self.seconds = []
        self.epoch_began = time.perf_counter()


def send(reply: Reply) -> None:
    """Send a reply to the harness."""
    print(json.dumps(asdict(reply)), flush=True)


def receive_request() -> int:
    """Wait for the number of epochs or passes to do next; raises SystemExit if stdin is closed."""
    line = sys.stdin.readline()
    if not line:
        raise SystemExit
    return int(json.loads(line)["count"])


def notify(text: str) -> None:
    """Print a message on stderr, since replies and results go to stdout."""
    print(text, file=sys.stderr, flush=True)


def blas() -> str:
    """The matrix libraries that NumPy and SciPy loaded in this process, and their threads."""
    from threadpoolctl import threadpool_info

    names = set()
    for library in threadpool_info():
        if library["user_api"] == "blas":
            names.add(_library_name(library))
    return "; ".join(sorted(names))


def _library_name(library: dict[str, Any]) -> str:
    name = library["internal_api"]
    version = library["version"]
    architecture = library.get("architecture", "")
    threads = library["num_threads"]
    return f"{name} {version} {architecture}, {threads} threads"
