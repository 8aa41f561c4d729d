"""Seconds an epoch in steady state, with all that an epoch costs its user: shuffling, training, scoring, keeping."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.inputs import task_file
from benchmarks.peers.protocol import Settings
from benchmarks.harness import Answer, rounds, started, tell

RATES = {"momentum": 0.05, "adam": 0.001}
ONE_CORE = (
    "JAX on one core"  # quicker for small networks, whose work a pool of threads only chops up
)
CONTESTANTS = {
    "mlpcli": ("peers.mlpcli_", ()),
    "JAX": ("peers.jax_", ()),
    ONE_CORE: ("peers.jax_", ("one core",)),
    "PyTorch": ("peers.torch_", ()),
    "PyTorch compiled": ("peers.torch_", ("compiled",)),
    "Keras": ("peers.keras_", ()),
    "scikit-learn": ("peers.sklearn_", ()),
    "two products": ("peers.lower_bound", ()),
}
QUICK = ("mlpcli", "JAX", ONE_CORE, "PyTorch", "scikit-learn", "two products")


@dataclass(frozen=True)
class Shape:
    """What is trained, and how many epochs a turn has."""

    source: str  # digits or mnist
    hidden: int
    batch_size: int
    each: int
    quick: bool = False


SHAPES = (
    Shape("digits", 256, 32, 20, quick=True),
    Shape("mnist", 128, 32, 2),
    Shape("mnist", 512, 128, 2, quick=True),
    Shape("mnist", 2048, 256, 1),
)


def measure(mnist: Path, folder: Path, quick: bool, count: int, each: int | None) -> list[Answer]:
    """Every shape with both optimizers."""
    return [
        _contest(
            shape,
            optimizer,
            mnist,
            folder,
            QUICK if quick else tuple(CONTESTANTS),
            count,
            each or shape.each,
        )
        for shape in SHAPES
        if shape.quick or not quick
        for optimizer in RATES
    ]


def _contest(
    shape: Shape,
    optimizer: str,
    mnist: Path,
    folder: Path,
    names: tuple[str, ...],
    count: int,
    each: int,
) -> Answer:
    source = str(mnist) if shape.source == "mnist" else shape.source
    settings = Settings(source, shape.hidden, shape.batch_size, optimizer, RATES[optimizer])
    path, sizes = task_file(settings, folder)
    tell(f"{sizes['shape']}, minibatches of {shape.batch_size}, {optimizer}")
    out = folder / f"run-{sizes['shape']}-{optimizer}"
    told = json.dumps(asdict(settings))
    names = tuple(name for name in names if name != ONE_CORE or shape.source == "digits")
    entries = [
        (name, CONTESTANTS[name][0], (path, told, *(CONTESTANTS[name][1] or (out,))), {})
        for name in names
    ]
    with started(entries) as contestants:
        results = rounds(contestants, count, each)
    more = {
        "batch_size": shape.batch_size,
        "optimizer": optimizer,
        "lr": settings.lr,
        "dropout": settings.dropout,
    }
    return {**sizes, **more, "contestants": results}
