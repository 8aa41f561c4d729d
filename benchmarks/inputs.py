"""The files that contestants read: everybody's rows and first weights, subsets for growth, random bytes."""

from pathlib import Path

import numpy as np

from benchmarks.peers.protocol import Settings
from benchmarks.peers.mlpcli_ import config_of
from mlpcli.commands import plan as planning
from mlpcli.datasets.idx import read_folder
from mlpcli.training.loop import new_state

FEATURES = 784


def task_file(settings: Settings, folder: Path) -> tuple[Path, dict[str, int | str]]:
    """Rows as mlpcli splits and scales them, and the weights it starts from; and how many rows those are."""
    plan = planning.prepare(config_of(settings), folder / "never-written", False, print)
    data, network = plan.data, new_state(plan.config, plan.shape, plan.streams).network
    arrays = {
        "x": data.train.x[data.train.index],
        "y": data.train.labels[data.train.index],
        "x_validation": data.validation.x[data.validation.index],
        "y_validation": data.validation.labels[data.validation.index],
        "offset": data.scaling.offset.astype(np.float32),
        "scale": data.scaling.scale.astype(np.float32),
    }
    path = folder / f"task-{plan.shape}.npz"
    np.savez(path, **arrays, W1=network.W1, b1=network.b1, W2=network.W2, b2=network.b2)
    return path, {
        "shape": str(plan.shape),
        "rows": len(data.train),
        "validation": len(data.validation),
    }


def first_rows(mnist: Path, count: int, folder: Path) -> Path:
    """The first rows of MNIST as an .npz, with a few test rows so that none are cut off for that."""
    table = read_folder(mnist)
    path = folder / f"mnist-{count}.npz"
    test = table.held_out
    np.savez(
        path,
        x=table.x[:count],
        y=table.labels[:count],
        x_test=test.x[:100],
        y_test=test.labels[:100],
    )
    return path


def random_rows(count: int, path: Path) -> Path:
    """Rows of random bytes with labels from 0 to 9."""
    stream = np.random.default_rng(0)
    x = np.frombuffer(stream.bytes(count * FEATURES), np.uint8).reshape(count, FEATURES)
    np.savez(path, x=x, y=stream.integers(0, 10, count))
    return path
