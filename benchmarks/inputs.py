"""The files that subjects read: rows with first weights, MNIST's first rows, and random bytes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers.mlpcli_ import first_network, make_plan
from benchmarks.peers.protocol import WEIGHTS, Settings
from mlpcli.datasets.dataset import Rows
from mlpcli.datasets.idx import read_folder

FEATURES = 784
CLASSES = 10
N_TEST = 100  # test rows of a subset of MNIST, so that mlpcli sets none of the others apart


@dataclass(frozen=True)
class TaskFile:
    """A file that `protocol.read_task` reads, and its sizes; `shape` is D-H-K."""

    path: Path
    shape: str
    n_rows: int
    n_validation: int


def write_task(settings: Settings, folder: Path) -> TaskFile:
    """Write the rows as mlpcli splits them, and the weights that it starts from."""
    plan = make_plan(settings, folder / "never-written")
    data = plan.data
    x, y = _arrays(data.train)
    x_validation, y_validation = _arrays(data.validation)
    network = first_network(plan)
    path = folder / f"task-{plan.shape}.npz"
    np.savez(
        path,
        x=x,
        y=y,
        x_validation=x_validation,
        y_validation=y_validation,
        offset=data.preprocessing.offset.astype(np.float32),
        scale=data.preprocessing.scale.astype(np.float32),
        **{name: getattr(network, name) for name in WEIGHTS},
    )
    return TaskFile(path, str(plan.shape), len(data.train), len(data.validation))


def _arrays(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return rows.x[rows.index], rows.labels[rows.index]


def write_first_rows(mnist: Path, n_rows: int, folder: Path) -> Path:
    """Write MNIST's first training rows, and a few of its test rows."""
    table = read_folder(mnist)
    test = table.held_out
    path = folder / f"mnist-{n_rows}.npz"
    np.savez(
        path,
        x=table.x[:n_rows],
        y=np.array(table.labels[:n_rows].tolist()).astype(int),
        x_test=test.x[:N_TEST],
        y_test=np.array(test.labels[:N_TEST].tolist()).astype(int),
    )
    return path


def write_random_rows(n_rows: int, path: Path) -> Path:
    """Write rows of random bytes with labels from 0 to 9."""
    rng = np.random.default_rng(0)
    x = np.frombuffer(rng.bytes(n_rows * FEATURES), np.uint8).reshape(n_rows, FEATURES)
    np.savez(path, x=x, y=rng.integers(0, CLASSES, n_rows))
    return path
