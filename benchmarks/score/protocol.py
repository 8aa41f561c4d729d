"""Scoring: a random network of 784-512-10 on random bytes; each pass scores all rows."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.protocol import Reply, receive_request, send

HIDDEN = 512
CLASSES = 10
CHUNK = 10_000  # rows in a call of the peers: more at once cost them memory and no less time

Weights = dict[str, NDArray[np.float32]]


def read_rows() -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """The rows and labels in the file that the first argument names."""
    with np.load(Path(sys.argv[1])) as file:
        return file["x"], file["y"]


def read_chunks() -> list[NDArray[np.float32]]:
    """The rows as the peers take them: float32 from 0 to 1."""
    x, _ = read_rows()
    chunks = []
    for start in range(0, len(x), CHUNK):
        raw = x[start : start + CHUNK]
        chunks.append(raw.astype(np.float32) / np.float32(255))
    return chunks


def weights() -> Weights:
    """The same weights for every subject: W1 (D,H), b1 (H), W2 (H,K), b2 (K)."""
    rng = np.random.default_rng(0)
    D = 784
    H = HIDDEN
    K = CLASSES
    W1 = rng.uniform(-1, 1, (D, H)) * np.sqrt(6 / D)
    W2 = rng.uniform(-1, 1, (H, K)) * np.sqrt(6 / (H + K))
    return {
        "W1": W1.astype(np.float32),
        "b1": np.zeros(H, np.float32),
        "W2": W2.astype(np.float32),
        "b2": np.zeros(K, np.float32),
    }


def serve(score: Callable[[], object], about: str) -> None:
    """Score once to warm up, then as many times as the harness requests."""
    count = 1
    while True:
        seconds = [_timed(score) for _ in range(count)]
        send(Reply(seconds, about))
        count = receive_request()


def _timed(score: Callable[[], object]) -> float:
    began = time.perf_counter()
    score()
    return time.perf_counter() - began
