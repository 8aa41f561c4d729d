"""What is decided before a run: settings, data, sizes, where it goes, and what it goes on from."""

import os
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli import __version__
from mlpcli import config as configuration
from mlpcli.arrays import Shape
from mlpcli.config import Config, Data, differences, value_of, with_values
from mlpcli.datasets.dataset import Dataset
from mlpcli.datasets.named import Notify
from mlpcli.datasets.sources import is_path, short_name
from mlpcli.datasets.sources import load as load_dataset
from mlpcli.errors import ConfigError, DataError, ModelError
from mlpcli.machine import available_memory, blas, cores
from mlpcli.model.optimizers import RULES
from mlpcli.model.state import Streams, TrainingState
from mlpcli.storage.checkpoint import Checkpoint, saved_before
from mlpcli.storage.checkpoint import load as load_checkpoint
from mlpcli.storage.reading import size
from mlpcli.storage.runfolder import check_place, default_folder
from mlpcli.training.loop import minibatches
from mlpcli.training.scoring import SCORED_TOGETHER

SCHEMA = 1
WORTH_SHARING = (
    1_000_000  # multiplications in x W1 for which a process more pays, by docs/performance.md
)
FEWEST_UNITS = 16  # hidden units of one process
MAY_CHANGE = (
    "training.epochs",
    "training.patience",
    "training.threads",
    "training.checkpoint_seconds",
)


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
    saved: Checkpoint | None = None  # what the run goes on from
    again: bool = False  # whether it begins again in its own folder, since it was never saved

    @property
    def B(self) -> int:
        """Rows in a minibatch."""
        return minibatches(len(self.data.train), self.config.training.batch_size)[0]

    @property
    def processes(self) -> int:
        """How many share the hidden units out, each on one core."""
        return process_count(self.shape, self.B, self.cores)

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


def describe(data: Dataset) -> dict[str, Any]:
    """The data set in a few words, for JSON."""
    return {
        "source": absolute(data.source),
        "sha256": data.sha256,
        "rows": data.rows,
        "features": data.features,
        "classes": list(data.classes),
    }


def versions() -> dict[str, str]:
    """What computed the numbers."""
    return {"mlpcli": __version__, "python": platform.python_version(), "numpy": np.__version__}


def absolute(source: str) -> str:
    """A source that holds from any folder: paths made absolute, names as they are."""
    return str(Path(source).expanduser().absolute()) if is_path(source) else source


def prepare(config: Config, out: Path | None, overwrite: bool, notify: Notify) -> Plan:
    """Check the place for the run, then load the data, then check that it all fits; nothing is written.

    Raises OutputError, DataError or ConfigError.
    """
    folder = out or default_folder(short_name(config.data.source))
    check_place(folder, overwrite)
    return _planned(config, folder, out is not None, overwrite, notify)


def resume(folder: Path, flags: dict[str, Any], sets: list[str], notify: Notify) -> Plan:
    """The plan of a run that was stopped: its own settings, where these change none that matter, and its own data.

    A run that was killed before it was ever saved begins again. Raises ModelError, ConfigError or DataError.
    """
    file = folder / "config.toml"
    if not os.path.isfile(file):
        raise ModelError(f"{folder}: is no run that can be resumed: it holds no config.toml.")
    config = configuration.load(file, flags, sets)
    if not saved_before(folder):
        _check_settings(folder, config, configuration.load(file, {}, []))
        notify(f"{folder} was stopped before it was first saved, and begins again.")
        return replace(_planned(config, folder, True, False, notify), again=True)
    plan = _planned(config, folder, True, False, notify)
    saved = load_checkpoint(folder, notify)
    then = _settings_of(folder, saved)
    _check_settings(folder, plan.config, then)
    if saved.about["data_sha256"] != plan.data.sha256:
        raise DataError(
            f"{plan.data.source}: has changed since {folder} was trained on it, so the run cannot go on. "
            "Start a new one, or put the former data back."
        )
    _check_state(folder, plan, saved.state)
    _say_what_differs(saved.about["computed_by"], computed_by(plan), notify)
    _say_what_other_epochs_mean(plan.config, then, notify)
    return replace(plan, saved=saved)


def _settings_of(folder: Path, saved: Checkpoint) -> Config:
    try:
        return Config.model_validate(saved.about["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{folder}: its checkpoint has settings that this mlpcli does not know. "
            "Resume the run with the version that saved it."
        ) from error


def _check_state(folder: Path, plan: Plan, state: TrainingState) -> None:
    """Raise ModelError where a checkpoint, by other hands, is of another network or of other rows than it says."""
    fits = state.network.shape == plan.shape and len(state.order) in (0, len(plan.data.train))
    if not fits or state.batch > plan.batches:
        raise ModelError(
            f"{folder}: its checkpoint does not go with its settings and data. Start a new run."
        )


def _check_settings(folder: Path, now: Config, then: Config) -> None:
    for key in differences(now, then):
        if key not in MAY_CHANGE:
            raise ConfigError(
                f"{key} is {value_of(then, key)!r} in {folder} and {value_of(now, key)!r} here: that would be another "
                f"run. Leave it out, or start a new run. A resumed run may change {', '.join(MAY_CHANGE)}."
            )


def _say_what_differs(then: dict[str, Any], now: dict[str, Any], notify: Notify) -> None:
    """Say which of the things that the last bits depend on are not the same any more."""
    changed = [
        f"{name} is {now[name]} and was {then.get(name)}"
        for name in now
        if now[name] != then.get(name)
    ]
    if changed:
        notify(
            f"{'; '.join(changed)}: the last bits of this run may differ from those of one that was never stopped."
        )


def _say_what_other_epochs_mean(now: Config, then: Config, notify: Notify) -> None:
    """Say that learning rates which were to fall over fewer epochs, or more, are not those of a run of so many."""
    if now.training.epochs != then.training.epochs and now.optimizer.schedule != "constant":
        notify(
            f"training.epochs is {now.training.epochs} and was {then.training.epochs}: the {now.optimizer.schedule} "
            f"schedule depends on it, so this is not what a run of {now.training.epochs} from its start would have "
            "given."
        )


def computed_by(plan: Plan) -> dict[str, Any]:
    """What the last bits of a run depend on."""
    return {"numpy": np.__version__, "BLAS": blas(), "threads": plan.processes}


def description(plan: Plan) -> dict[str, Any]:
    """What a checkpoint says of its run, and a resumed run is held against."""
    config = plan.config.model_dump()
    return {"config": config, "data_sha256": plan.data.sha256, "computed_by": computed_by(plan)}


def _planned(config: Config, folder: Path, named: bool, overwrite: bool, notify: Notify) -> Plan:
    streams = Streams.from_seed(config.seed)
    data = load_data(config, streams, notify)
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
    return Plan(config, data, streams, shape, memory, some, folder, named, overwrite)


def load_data(config: Config, streams: Streams, notify: Notify) -> Dataset:
    """The data set that the configuration names, split by the seed; raises DataError."""
    settings = config.data.model_dump(exclude={"source"})
    return load_dataset(config.data.source, streams.split, **settings, notify=notify)


def _absolute_paths(settings: Data) -> dict[str, str]:
    """The settings that name sources, so that they hold from any folder."""
    named = {"source": settings.source, "validation": settings.validation, "test": settings.test}
    return {
        f"data.{key}": absolute(value) for key, value in named.items() if isinstance(value, str)
    }


def process_count(shape: Shape, B: int, cores: int) -> int:
    """Over how many processes to share the hidden units out: one for each core, where a step's work is worth it."""
    return max(1, min(cores, B * shape.D * shape.H // WORTH_SHARING, shape.H // FEWEST_UNITS))


def memory_needed(shape: Shape, B: int, checked: int, optimizer: str, cores: int) -> int:
    """Bytes of float32 that a run allocates for minibatches of B rows and so many validation rows.

    theta, gradient, best weights and moments (but no fewer than 5 vectors: the first weights are drawn
    in float64), theta and moments once more where they are shared out, and the buffers by row:
    of training and checking, or of scoring in the end.
    """
    moments, processes = RULES[optimizer][1], process_count(shape, B, cores)
    vectors = max(5, 3 + moments) + (1 + moments if processes > 1 else 0)
    checking = min(SCORED_TOGETHER, checked) * (2 * shape.D * processes + 3 * shape.H + 3 * shape.K)
    training = B * (3 * shape.D * processes + 8 * shape.H + 3 * shape.K) + checking
    scoring = SCORED_TOGETHER * (2 * shape.D + 3 * shape.H + 3 * shape.K) * cores
    return 4 * (vectors * shape.parameters + max(training, scoring))
