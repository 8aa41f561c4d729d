"""What the scripts share: settings from mlpcli.toml, rows from IDX files, and their command line."""

import gzip
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HELD_OUT = 6_000  # mlpcli keeps a tenth of the rows for validation; the scripts train on as many rows, and skip these


@dataclass(frozen=True)
class Settings:
    """The network and its training; the learning rate falls on a straight line to 0, momentum is 0.9 after Nesterov."""

    hidden: int
    dropout: float
    lr: float
    batch_size: int
    epochs: int


@dataclass(frozen=True)
class Mnist:
    """Pixels from 0 to 1 as float32 (N,784), and labels (N)."""

    x: NDArray[np.float32]
    y: NDArray[np.int32]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int32]


def read_arguments() -> tuple[Settings, Mnist]:
    """The settings, with the epochs of the second argument if there is one, and the rows of the folder in the first."""
    values = tomllib.loads((Path(__file__).parent / "mlpcli.toml").read_text())
    network, training = values["network"], values["training"]
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else training["epochs"]
    lr = values["optimizer"]["lr"]
    settings = Settings(network["hidden"], network["dropout"], lr, training["batch_size"], epochs)
    return settings, _read_rows(Path(sys.argv[1]))


def _read_rows(folder: Path) -> Mnist:
    x, y = _idx(folder / "train-images-idx3-ubyte", 16), _idx(folder / "train-labels-idx1-ubyte", 8)
    x_test, y_test = (
        _idx(folder / "t10k-images-idx3-ubyte", 16),
        _idx(folder / "t10k-labels-idx1-ubyte", 8),
    )
    return Mnist(
        _pixels(x)[HELD_OUT:],
        y.astype(np.int32)[HELD_OUT:],
        _pixels(x_test),
        y_test.astype(np.int32),
    )


def _idx(path: Path, header: int) -> NDArray[np.uint8]:
    data = (
        path.read_bytes()
        if path.exists()
        else gzip.decompress(path.with_name(path.name + ".gz").read_bytes())
    )
    return np.frombuffer(data, np.uint8, offset=header)


def _pixels(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    return raw.reshape(-1, 784).astype(np.float32) / np.float32(255)


def report(epoch: int, loss: float) -> None:
    """An epoch's line."""
    print(f"epoch {epoch} loss {loss:.4f}", flush=True)


def conclude(accuracy: float) -> None:
    """The last line."""
    print(f"test accuracy {accuracy:.4f}", flush=True)
