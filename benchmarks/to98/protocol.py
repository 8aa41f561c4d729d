"""What the scripts share: settings from mlpcli.toml, rows from IDX files, and what they print.

A script is run as `python -m benchmarks.to98.X FOLDER [EPOCHS]`.
"""

import gzip
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SETTINGS = Path(__file__).parent / "mlpcli.toml"
HELD_OUT = 6_000  # mlpcli validates on a tenth of the rows; the scripts skip as many


@dataclass(frozen=True)
class Settings:
    """The network and its training.

    The learning rate falls linearly to 0; momentum is Nesterov's, of 0.9.
    """

    hidden: int
    dropout: float
    lr: float
    batch_size: int
    epochs: int

    def steps(self, n_rows: int) -> int:
        """The minibatches of the whole training, shorter last ones included."""
        return self.epochs * -(-n_rows // self.batch_size)


@dataclass(frozen=True)
class Mnist:
    """Pixels from 0 to 1 as float32 (N,784), and labels (N)."""

    x: NDArray[np.float32]
    y: NDArray[np.int32]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int32]


def read_arguments() -> tuple[Settings, Mnist]:
    """The settings, and the rows of the folder that the first argument names."""
    return read_settings(), read_rows(Path(sys.argv[1]))


def read_settings() -> Settings:
    """The settings of mlpcli.toml, with the epochs of the second argument if there is one."""
    values = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    network = values["network"]
    training = values["training"]
    epochs = training["epochs"]
    if len(sys.argv) > 2:
        epochs = int(sys.argv[2])
    return Settings(
        hidden=network["hidden"],
        dropout=network["dropout"],
        lr=values["optimizer"]["lr"],
        batch_size=training["batch_size"],
        epochs=epochs,
    )


def read_rows(folder: Path) -> Mnist:
    """MNIST's rows without those that are held out."""
    x = _pixels(folder / "train-images-idx3-ubyte")
    y = _labels(folder / "train-labels-idx1-ubyte")
    x_test = _pixels(folder / "t10k-images-idx3-ubyte")
    y_test = _labels(folder / "t10k-labels-idx1-ubyte")
    return Mnist(x[HELD_OUT:], y[HELD_OUT:], x_test, y_test)


def _pixels(path: Path) -> NDArray[np.float32]:
    raw = np.frombuffer(_content(path), np.uint8, offset=16)
    pixels = raw.reshape(-1, 784).astype(np.float32)
    return pixels / np.float32(255)


def _labels(path: Path) -> NDArray[np.int32]:
    raw = np.frombuffer(_content(path), np.uint8, offset=8)
    return raw.astype(np.int32)


def _content(path: Path) -> bytes:
    """The bytes of a file, or of its gzipped form."""
    if path.exists():
        return path.read_bytes()
    gzipped = path.with_name(f"{path.name}.gz")
    return gzip.decompress(gzipped.read_bytes())


def print_epoch(epoch: int, loss: float) -> None:
    """Print the line of an epoch."""
    print(f"epoch {epoch} loss {loss:.4f}", flush=True)


def print_accuracy(accuracy: float) -> None:
    """Print the last line."""
    print(f"test accuracy {accuracy:.4f}", flush=True)
