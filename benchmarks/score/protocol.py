"""Scoring: a random network of 784-512-10 on random bytes; a turn is a pass over all rows."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.protocol import asked, say

HIDDEN, CLASSES = 512, 10
TOGETHER = 10_000  # rows in a call of the peers: more at once cost them memory and no less time

Weights = dict[str, NDArray[np.float32]]


def read_rows() -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Rows and labels from the file of the first argument."""
    with np.load(Path(sys.argv[1])) as file:
        return file["x"], file["y"]


def read_pieces() -> list[NDArray[np.float32]]:
    """The rows as the peers take them: float32 from 0 to 1, made before the clock starts."""
    x, _ = read_rows()
    pieces = (x[start : start + TOGETHER] for start in range(0, len(x), TOGETHER))
    return [piece.astype(np.float32) / np.float32(255) for piece in pieces]


def weights() -> Weights:
    """The same weights for everybody."""
    stream, D, H = np.random.default_rng(0), 784, HIDDEN
    W1 = stream.uniform(-1, 1, (D, H)) * np.sqrt(6 / D)
    W2 = stream.uniform(-1, 1, (H, CLASSES)) * np.sqrt(6 / (H + CLASSES))
    arrays = {"W1": W1, "b1": np.zeros(H), "W2": W2, "b2": np.zeros(CLASSES)}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def serve(score: Callable[[], object], about: str) -> None:
    """Score once to warm up, then so many times as asked."""
    count = 1
    while True:
        seconds = []
        for _ in range(count):
            since = time.perf_counter()
            score()
            seconds.append(time.perf_counter() - since)
        say({"seconds": seconds, "about": about})
        count = asked()
