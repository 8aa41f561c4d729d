"""What is decided before a run: settings, data, sizes, and where the run begins."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mlpcli import __version__
from mlpcli.arrays import Shape
from mlpcli.commands.data import load, load_new
from mlpcli.config import Config, Data
from mlpcli.datasets.dataset import Dataset
from mlpcli.datasets.sources import absolute, short_name
from mlpcli.errors import ConfigError
from mlpcli.layers import with_values
from mlpcli.machine import available_memory, blas, cores
from mlpcli.messages import SCHEMA, Notify, size_in_words
from mlpcli.model.state import Streams
from mlpcli.storage.checkpoint import Checkpoint
from mlpcli.storage.locks import RunFolder
from mlpcli.storage.runfolder import check_place, default_folder
from mlpcli.training.fit import network_shape
from mlpcli.training.recipes import check_patience
from mlpcli.training.resources import memory_needed, process_count
from mlpcli.training.step import minibatches


@dataclass(frozen=True)
class New:
    """A run in a folder of its own; one that the user did not name may get another number."""

    folder: Path
    folder_given: bool
    overwrite: bool


@dataclass(frozen=True)
class Restart:
    """A run that was stopped before it was first saved: it begins again in its folder."""

    run_folder: RunFolder

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return self.run_folder.path


@dataclass(frozen=True)
class Resume:
    """A run that goes on from its checkpoint."""

    run_folder: RunFolder
    checkpoint: Checkpoint

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return self.run_folder.path


Beginning: TypeAlias = New | Restart | Resume


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before training; `memory` is in bytes, beside the data."""

    config: Config
    data: Dataset
    streams: Streams
    shape: Shape
    memory: int
    n_cores: int
    beginning: Beginning

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return self.beginning.folder

    @property
    def B(self) -> int:
        """Rows in a minibatch."""
        return minibatches(len(self.data.train), self.config.training.batch_size)[0]

    @property
    def batches(self) -> int:
        """Minibatches in an epoch, a shorter last one included."""
        return minibatches(len(self.data.train), self.config.training.batch_size)[1]

    @property
    def processes(self) -> int:
        """The processes that share the hidden units, each on one core."""
        return process_count(self.shape, self.B, self.n_cores)

    @property
    def has_validation(self) -> bool:
        """Whether there are validation rows to choose the best weights by."""
        return len(self.data.validation) > 0

    @property
    def saved(self) -> Checkpoint | None:
        """The checkpoint from which the run goes on, if it does."""
        if isinstance(self.beginning, Resume):
            return self.beginning.checkpoint
        return None

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


def prepare(config: Config, out: Path | None, overwrite: bool, notify: Notify) -> Plan:
    """The plan of a new run: the place is checked, the data loaded, the memory counted.

    Nothing is written. Raises OutputError, DataError or ConfigError.
    """
    folder = out or default_folder(short_name(config.data.source))
    check_place(folder, overwrite)
    return make_plan(config, New(folder, out is not None, overwrite), notify)


def make_plan(config: Config, beginning: Beginning, notify: Notify) -> Plan:
    """Load the data and count the memory; raises DataError, or ConfigError if memory is short.

    The settings of a new run are completed by a recipe; those of an old one are complete.
    """
    streams = Streams.from_seed(config.seed)
    if isinstance(beginning, New):
        config, data = load_new(config, streams, notify)
    else:
        data = load(config, streams, notify)
    check_patience(config, len(data.validation))
    resolved = _absolute_paths(config.data) | {"data.scaling": data.scaling_kind}
    config = with_values(config, resolved)
    shape = network_shape(config, data)
    n_cores = config.training.threads or cores()
    memory = _memory(config, data, shape, n_cores)
    return Plan(config, data, streams, shape, memory, n_cores, beginning)


def _absolute_paths(settings: Data) -> dict[str, str]:
    """The settings that name sources, so that they hold from any folder."""
    sources = settings.model_dump(include={"source", "validation", "test"})
    return {
        f"data.{key}": absolute(value) for key, value in sources.items() if isinstance(value, str)
    }


def _memory(config: Config, data: Dataset, shape: Shape, n_cores: int) -> int:
    """The bytes that the run needs; raises ConfigError if they are not free."""
    B, _ = minibatches(len(data.train), config.training.batch_size)
    needed = memory_needed(shape, B, len(data.validation), config.optimizer.name, n_cores)
    free = available_memory()
    if needed > free:
        raise ConfigError(
            f"network.hidden = {shape.H:,} with {shape.D:,} features and {shape.K:,} classes "
            f"needs {size_in_words(needed)} of memory, and {size_in_words(free)} is free. "
            "Lower network.hidden or training.batch_size."
        )
    return needed


def describe(data: Dataset) -> dict[str, Any]:
    """The data set in JSON."""
    return {
        "source": absolute(data.source),
        "sha256": data.sha256,
        "rows": data.n_rows,
        "features": data.features,
        "inputs": data.n_inputs,
        "columns": [{"name": column.name, "kind": column.kind} for column in data.columns],
        "classes": list(data.classes),
        "notes": list(data.notes),
    }


def versions() -> dict[str, str]:
    """The versions of what computes the numbers."""
    return {"mlpcli": __version__, "python": platform.python_version(), "numpy": np.__version__}


def computed_by(plan: Plan) -> dict[str, Any]:
    """What the last bits of a run depend on."""
    return {"numpy": np.__version__, "BLAS": blas(), "threads": plan.processes}
