"""One run: a Config in, a run folder and a Result out. The command line, the tests and any search call this."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.arrays import Shape
from mlpcli.config import Config, to_toml, with_values
from mlpcli.datasets.dataset import Dataset, Feed, Rows
from mlpcli.datasets.load import is_path
from mlpcli.datasets.load import load as load_dataset
from mlpcli.errors import ConfigError, DivergedError, OutputError
from mlpcli.evaluation import Scores, score
from mlpcli.events import StopReason
from mlpcli.files import available_memory, make_folder, remove, size, write_text
from mlpcli.modelfile import Model, save
from mlpcli.network import workspace
from mlpcli.observers import BestModel, EarlyStopping, MetricsLog, Observer, drive
from mlpcli.optimizers import RULES
from mlpcli.training import SCORED_TOGETHER, Streams, TrainingState, new_state, streams, train

FILES = ("config.toml", "metrics.jsonl", "model.npz", "result.json")
SCHEMA = 1


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before training: settings, data, sizes, and where the run goes."""

    config: Config
    data: Dataset
    streams: Streams
    shape: Shape
    memory: int
    folder: Path

    @property
    def batches(self) -> int:
        """Minibatches in an epoch, the last short one included."""
        return -(-len(self.data.train) // min(self.config.training.batch_size, len(self.data.train)))

    def document(self) -> dict[str, Any]:
        """What `--dry-run --json` prints."""
        return {
            "schema": SCHEMA,
            "run": str(self.folder),
            "data": describe(self.data),
            "rows": {"train": len(self.data.train), "validation": len(self.data.validation), "test": len(self.data.test)},
            "network": str(self.shape),
            "parameters": self.shape.parameters,
            "memory_bytes": self.memory,
            "batches": self.batches,
            "config": self.config.model_dump(),
        }


@dataclass(frozen=True)
class Result:
    """What came of a run: the scores of the best weights, and how it ended."""

    plan: Plan
    stopped: StopReason
    epochs: int
    best_epoch: int
    train: Scores
    validation: Scores
    test: Scores
    seconds: float

    def document(self) -> dict[str, Any]:
        """What result.json holds and `--json` prints."""
        return {
            "schema": SCHEMA,
            "run": str(self.plan.folder),
            "data": describe(self.plan.data),
            "stopped": self.stopped,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "train": brief(self.train),
            "validation": brief(self.validation),
            "test": brief(self.test),
            "seconds": round(self.seconds, 3),
            "versions": versions(),
        }


def describe(data: Dataset) -> dict[str, Any]:
    """The data set in a few words, for JSON."""
    return {
        "source": absolute(data.source),
        "sha256": data.sha256,
        "rows": data.rows,
        "features": data.features,
        "classes": list(data.classes),
    }


def brief(scores: Scores) -> dict[str, Any]:
    """Rows, loss and accuracy, for JSON."""
    return {"rows": scores.rows, "loss": scores.loss, "accuracy": scores.accuracy}


def versions() -> dict[str, str]:
    """What computed the numbers."""
    return {"mlpcli": __version__, "python": platform.python_version(), "numpy": np.__version__}


def absolute(source: str) -> str:
    """A source that holds from any folder: paths made absolute, names as they are."""
    return str(Path(source).expanduser().absolute()) if is_path(source) else source


def prepare(config: Config, out: Path | None, overwrite: bool, tell: Callable[[str], object]) -> Plan:
    """Check the place for the run, then load the data, then check that it all fits; nothing is written.

    Raises OutputError, DataError or ConfigError.
    """
    folder = out or default_folder(config.data.source)
    _check_place(folder, overwrite)
    d, seeds = config.data, streams(config.seed)
    data = load_dataset(
        d.source, seeds.split, target=d.target, validation=d.validation, test=d.test, scaling=d.scaling, tell=tell
    )
    paths = {f"data.{name}": absolute(value) for name in ("validation", "test") if isinstance(value := getattr(d, name), str)}
    config = with_values(config, paths | {"data.source": absolute(d.source), "data.scaling": data.scaling_kind})
    shape = Shape(data.features, config.network.hidden, len(data.classes))
    memory = memory_needed(shape, min(config.training.batch_size, len(data.train)), config.optimizer.name)
    if memory > available_memory():
        raise ConfigError(
            f"network.hidden = {shape.H:,} with {shape.D:,} features and {shape.K:,} classes needs {size(memory)} "
            f"of memory, and {size(available_memory())} is free. Lower network.hidden or training.batch_size."
        )
    return Plan(config, data, seeds, shape, memory, folder)


def memory_needed(shape: Shape, B: int, optimizer: str) -> int:
    """Bytes of float32 that training allocates: theta, gradient, best weights, moments, and the buffers."""
    vectors = 3 + RULES[optimizer][1]
    row = 3 * shape.D + 8 * shape.H + 3 * shape.K
    return 4 * (vectors * shape.parameters + (B + SCORED_TOGETHER) * row)


def execute(plan: Plan, observers: Sequence[Observer] = ()) -> Result:
    """Train, keep the best weights whatever happens, score them, and write the run folder.

    Raises DivergedError, after the best weights so far have been written.
    """
    began = time.perf_counter()
    _make_place(plan)
    state = new_state(plan.config, plan.shape, plan.streams)
    best = BestModel(state.network)
    listeners = [best, EarlyStopping(plan.config.training.patience), MetricsLog(plan.folder / "metrics.jsonl")]
    try:
        stopped = drive(train(state, plan.data, plan.config), [*listeners, *observers])
    except BaseException:
        if best.epoch:
            _finish(plan, state, best, "interrupted", began)
        raise
    if stopped.reason == "diverged" and not best.epoch:
        raise DivergedError(f"{stopped.sentence} No epoch was finished, so no model was kept.")
    result = _finish(plan, state, best, stopped.reason, began)
    if stopped.reason == "diverged":
        raise DivergedError(f"{stopped.sentence} The best model, of epoch {best.epoch}, is in {plan.folder}.")
    return result


def _finish(plan: Plan, state: TrainingState, best: BestModel, reason: StopReason, began: float) -> Result:
    best.restore()
    scores = [score_rows(state, plan.data, rows) for rows in (plan.data.train, plan.data.validation, plan.data.test)]
    result = Result(plan, reason, state.epoch, best.epoch, *scores, seconds=time.perf_counter() - began)
    save(plan.folder / "model.npz", Model(state.network, plan.data.scaling, _header(result)))
    write_text(plan.folder / "result.json", json.dumps(result.document(), indent=2, ensure_ascii=False) + "\n")
    return result


def score_rows(state: TrainingState, data: Dataset, rows: Rows) -> Scores:
    """Score some rows of the data set, dropout off."""
    buffers = workspace(state.network.shape, SCORED_TOGETHER)
    return score(state.network, Feed(rows, data.scaling, SCORED_TOGETHER).batches(buffers.x), buffers)


def _header(result: Result) -> dict[str, Any]:
    data, image = result.plan.data, result.plan.data.image
    return {
        "classes": list(data.classes),
        "image": list(image) if image else None,
        "config": result.plan.config.model_dump(),
        "data_sha256": data.sha256,
        "best_epoch": result.best_epoch,
        "scores": {"validation": brief(result.validation), "test": brief(result.test)},
        "versions": versions(),
    }


def default_folder(source: str) -> Path:
    """runs/<data>-<time>, with a number added where that is taken."""
    name = Path(source).stem if is_path(source) else source.removeprefix("openml:")
    first = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    tries = (first if n == 1 else first.with_name(f"{first.name}-{n}") for n in range(1, 1000))
    return next(path for path in tries if not path.exists())


def _check_place(folder: Path, overwrite: bool) -> None:
    """Raise OutputError unless a run may be written there."""
    if os.path.lexists(folder):
        _check_existing(folder, overwrite)
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not parent.is_dir():
        raise OutputError(f"{folder}: cannot be made, since {parent} is a file. Choose another folder with --out.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: cannot be written: there is no permission to write in {parent}.")


def _check_existing(folder: Path, overwrite: bool) -> None:
    if not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder. Choose another place with --out.")
    held = sorted(os.listdir(folder))
    foreign = [name for name in held if name not in FILES]
    if foreign:
        raise OutputError(f"{folder}: holds {foreign[0]!r}, which is no part of a run. Choose another folder with --out.")
    if held and not overwrite:
        raise OutputError(f"{folder}: already holds a run. Add --overwrite to replace it, or choose another folder.")


def _make_place(plan: Plan) -> None:
    make_folder(plan.folder)
    remove([plan.folder / name for name in FILES])
    write_text(plan.folder / "config.toml", to_toml(plan.config))
