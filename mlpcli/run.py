"""One run: a Config in, a run folder and a Result out. The command line, the tests and any search call this."""

import json
import math
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli.arrays import Shape
from mlpcli.config import Config, Data, to_toml, with_values
from mlpcli.datasets.dataset import Dataset, Rows
from mlpcli.datasets.load import is_path, short_name
from mlpcli.datasets.load import load as load_dataset
from mlpcli.datasets.named import Tell
from mlpcli.errors import ConfigError, DivergedError
from mlpcli.evaluation import Scores
from mlpcli.events import StopReason
from mlpcli.files import size, write_text
from mlpcli.machine import available_memory, blas, cores, products_with
from mlpcli.modelfile import Model, save
from mlpcli.observers import BestModel, EarlyStopping, MetricsLog, Observer, drive
from mlpcli.optimizers import RULES
from mlpcli.runfolder import check_place, claim, default_folder, forget_former, former
from mlpcli.scorer import SCORED_TOGETHER, score_all
from mlpcli.state import Streams, TrainingState, streams
from mlpcli.training import minibatches, new_state, train

SCHEMA = 1
WORTH_SHARING = 1_000_000  # multiplications in x W1 for which a process more pays, by docs/performance.md
FEWEST_UNITS = 16  # hidden units of one process


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before training: settings, data, sizes, and where the run goes."""

    config: Config
    data: Dataset
    streams: Streams
    shape: Shape
    memory: int
    cores: int
    folder: Path
    named: bool  # whether the user chose the folder
    overwrite: bool

    @property
    def B(self) -> int:
        """Rows in a minibatch."""
        return minibatches(len(self.data.train), self.config.training.batch_size)[0]

    @property
    def processes(self) -> int:
        """How many share the hidden units out, each on one core."""
        return share_out(self.shape, self.B, self.cores)

    @property
    def batches(self) -> int:
        """Minibatches in an epoch, the last short one included."""
        return minibatches(len(self.data.train), self.config.training.batch_size)[1]

    def document(self) -> dict[str, Any]:
        """What `--dry-run --json` prints."""
        return {
            "schema": SCHEMA,
            "run": str(self.folder),
            "data": describe(self.data),
            "rows": {part: len(rows) for part, rows in self.data.parts.items()},
            "network": str(self.shape),
            "parameters": self.shape.parameters,
            "memory_bytes": self.memory,
            "threads": self.processes,
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
    scores: dict[str, Scores]
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
            **{part: brief(scores) for part, scores in self.scores.items()},
            "seconds": round(self.seconds, 3),
            "threads": self.plan.processes,
            "blas": blas(),
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
    """Rows, loss and accuracy, for JSON, which knows no loss that is not finite."""
    loss = scores.loss if math.isfinite(scores.loss) else None
    return {"rows": scores.rows, "loss": loss, "accuracy": scores.accuracy}


def versions() -> dict[str, str]:
    """What computed the numbers."""
    return {"mlpcli": __version__, "python": platform.python_version(), "numpy": np.__version__}


def absolute(source: str) -> str:
    """A source that holds from any folder: paths made absolute, names as they are."""
    return str(Path(source).expanduser().absolute()) if is_path(source) else source


def prepare(config: Config, out: Path | None, overwrite: bool, tell: Tell) -> Plan:
    """Check the place for the run, then load the data, then check that it all fits; nothing is written.

    Raises OutputError, DataError or ConfigError.
    """
    folder = out or default_folder(short_name(config.data.source))
    check_place(folder, overwrite)
    seeds = streams(config.seed)
    data = load_data(config, seeds, tell)
    config = with_values(config, _absolute_paths(config.data) | {"data.scaling": data.scaling_kind})
    shape = Shape(data.features, config.network.hidden, len(data.classes))
    B, _ = minibatches(len(data.train), config.training.batch_size)
    some = config.training.threads or cores()
    memory = memory_needed(shape, B, len(data.validation), config.optimizer.name, some)
    free = available_memory()
    if memory > free:
        raise ConfigError(
            f"network.hidden = {shape.H:,} with {shape.D:,} features and {shape.K:,} classes needs {size(memory)} "
            f"of memory, and {size(free)} is free. Lower network.hidden or training.batch_size."
        )
    return Plan(config, data, seeds, shape, memory, some, folder, out is not None, overwrite)


def load_data(config: Config, seeds: Streams, tell: Tell) -> Dataset:
    """The data set that the configuration names, split by the seed; raises DataError."""
    settings = config.data.model_dump(exclude={"source"})
    return load_dataset(config.data.source, seeds.split, **settings, tell=tell)


def _absolute_paths(settings: Data) -> dict[str, str]:
    """The settings that name sources, so that they hold from any folder."""
    named = {"source": settings.source, "validation": settings.validation, "test": settings.test}
    return {f"data.{key}": absolute(value) for key, value in named.items() if isinstance(value, str)}


def share_out(shape: Shape, B: int, cores: int) -> int:
    """Over how many processes to share the hidden units out: one for each core, where a step's work is worth it."""
    return max(1, min(cores, B * shape.D * shape.H // WORTH_SHARING, shape.H // FEWEST_UNITS))


def memory_needed(shape: Shape, B: int, checked: int, optimizer: str, cores: int) -> int:
    """Bytes of float32 that a run allocates for minibatches of B rows and so many validation rows.

    theta, gradient, best weights and moments (but no fewer than 5 vectors: the first weights are drawn
    in float64), theta and moments once more where they are shared out, and the buffers by row:
    of training and checking, or of scoring in the end.
    """
    moments, processes = RULES[optimizer][1], share_out(shape, B, cores)
    vectors = max(5, 3 + moments) + (1 + moments if processes > 1 else 0)
    checking = min(SCORED_TOGETHER, checked) * (2 * shape.D * processes + 3 * shape.H + 3 * shape.K)
    training = B * (3 * shape.D * processes + 8 * shape.H + 3 * shape.K) + checking
    scoring = SCORED_TOGETHER * (2 * shape.D + 3 * shape.H + 3 * shape.K) * cores
    return 4 * (vectors * shape.parameters + max(training, scoring))


def execute(plan: Plan, observers: Sequence[Observer] = ()) -> Result:
    """Train, keep the best weights whatever happens, score them, and write the run folder.

    Raises DivergedError, after the best weights so far have been written.
    """
    began = time.perf_counter()
    plan = replace(plan, folder=claim(plan.folder, plan.named, plan.overwrite))
    write_text(plan.folder / "config.toml", to_toml(plan.config))
    state = new_state(plan.config, plan.shape, plan.streams)
    best = BestModel(state.network)
    log, patience = MetricsLog(plan.folder / "metrics.jsonl"), EarlyStopping(plan.config.training.patience)
    try:
        with products_with(1):
            events = train(state, plan.data, plan.config, plan.processes)
            stopped = drive(events, [best, log, patience, *observers])
    except (Exception, KeyboardInterrupt):
        if best.epoch:
            _finish(plan, state, best, "interrupted", began)
        raise
    if stopped.reason == "diverged" and not best.epoch:
        kept = former(plan.folder)
        there = f" The run that was there before is in {kept}." if kept.exists() else ""
        raise DivergedError(f"{stopped.sentence} No epoch was finished, so no model was kept.{there}")
    result = _finish(plan, state, best, stopped.reason, began)
    if stopped.reason == "diverged":
        raise DivergedError(f"{stopped.sentence} The best model, of epoch {best.epoch}, is in {plan.folder}.")
    return result


def _finish(plan: Plan, state: TrainingState, best: BestModel, reason: StopReason, began: float) -> Result:
    """Score the best weights and write them; the model first, before the many training rows are scored."""
    best.restore()

    def scored(rows: Rows) -> Scores:
        with products_with(1):
            return score_all(state.network, plan.data.scaling, rows, plan.cores)

    held_out = {"validation": scored(plan.data.validation), "test": scored(plan.data.test)}
    save(plan.folder / "model.npz", Model(state.network, plan.data.scaling, _header(plan, best.epoch, held_out)))
    scores = {"train": scored(plan.data.train)} | held_out
    result = Result(plan, reason, state.epoch, best.epoch, scores, time.perf_counter() - began)
    write_text(plan.folder / "result.json", json.dumps(result.document(), indent=2) + "\n")
    forget_former(plan.folder)
    return result


def _header(plan: Plan, best_epoch: int, held_out: dict[str, Scores]) -> dict[str, Any]:
    data = plan.data
    return {
        "classes": list(data.classes),
        "columns": list(data.columns),
        "image": list(data.image) if data.image else None,
        "config": plan.config.model_dump(),
        "data_sha256": data.sha256,
        "best_epoch": best_epoch,
        "scores": {part: brief(scores) for part, scores in held_out.items()},
        "versions": versions(),
    }
