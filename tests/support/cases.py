"""Training runs that the reliability tests disturb: their settings and their data."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpcli.arrays import Raw
from tests.support.mixed_tables import write_mixed_rows

ROOT = Path(__file__).parents[2]
MNIST = ROOT.parent / "shared" / "data" / "mnist"

SAVE_OFTEN = ("--set", "training.checkpoint_seconds=0")
ADAM = ("--optimizer", "adam")
N_ROWS = 1500  # of the wide data


@dataclass(frozen=True)
class Case:
    """A run to disturb: its name, and the words after `mlpcli train`."""

    name: str
    words: tuple[str, ...]


def digits_case(name: str, epochs: int, *words: str) -> Case:
    """A run on digits, in one process."""
    sizes = ("--hidden", "64", "--batch-size", "64", "--epochs", str(epochs))
    return Case(f"digits, {name}", (*sizes, *words))


def wide_case(data: Path, name: str, epochs: int, *words: str) -> Case:
    """A run with enough features that two processes share the hidden units."""
    sizes = ("--hidden", "64", "--batch-size", "100", "--threads", "2", "--epochs", str(epochs))
    return Case(f"wide rows, two processes, {name}", ("--data", str(data), *sizes, *words))


def mixed_case(data: Path, epochs: int, *words: str) -> Case:
    """A run on numbers, words and gaps, without validation rows."""
    rows = write_mixed_rows(data.with_name("mixed.csv"))
    sizes = ("--hidden", "32", "--epochs", str(epochs))
    return Case("mixed table", ("--data", str(rows), *sizes, *words))


def crash_cases(data: Path) -> list[Case]:
    """Both optimizers, one process and two, early stopping, checkpoints after each batch or not.

    One is of a table, by its own recipe.
    """
    early_stopping = ("--set", "training.patience=6", "--lr", "0.1")
    return [
        digits_case("momentum", 100),
        digits_case("Adam", 80, *ADAM, *SAVE_OFTEN),
        wide_case(data, "momentum", 12, *SAVE_OFTEN),
        mixed_case(data, 40, *SAVE_OFTEN),
        digits_case("early stopping", 300, *early_stopping, *SAVE_OFTEN),
        wide_case(data, "Adam", 10, *ADAM, *SAVE_OFTEN),
        digits_case("momentum, saved often", 100, *SAVE_OFTEN),
        wide_case(data, "momentum, saved by default", 12),
    ]


def write_wide_rows(path: Path) -> Path:
    """Write rows of 784 whole numbers: of MNIST where its files are there, else drawn like them."""
    x, y = _mnist_rows() if MNIST.is_dir() else _drawn_rows()
    np.savez(path, x=x, y=y)
    return path


def _mnist_rows() -> tuple[Raw, Raw]:
    images = _mnist_bytes("images", 16).reshape(-1, 784)
    labels = _mnist_bytes("labels", 8)
    return images[:N_ROWS], labels[:N_ROWS]


def _mnist_bytes(kind: str, header: int) -> Raw:
    (path,) = MNIST.glob(f"t10k-{kind}*")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def _drawn_rows() -> tuple[Raw, Raw]:
    rng = np.random.default_rng(0)
    labels = np.arange(N_ROWS) % 10
    centres = rng.uniform(110, 146, (10, 784))
    rows = np.clip(rng.normal(centres[labels], 150), 0, 255)
    return rows.astype(np.uint8), labels
