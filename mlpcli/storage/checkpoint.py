"""A checkpoint: everything on disk that a stopped run needs to go on.

    checkpoint.npz: theta, slot0, slot1, …, best, order, header (JSON text as uint8 bytes)

The checkpoint before the newest is kept as checkpoint.1.npz, and read if the newest is damaged.
Both end in a SHA-256 of all bytes before it.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Floats, Index, Raw, Shape
from mlpcli.errors import ModelError, UnreadableFileError
from mlpcli.messages import Notify
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.model.network import Network
from mlpcli.model.optimizers import Hyperparameters, Optimizer
from mlpcli.model.state import Best, TrainingState
from mlpcli.storage.reading import check_seal, read_npz
from mlpcli.storage.writing import write_npz

FORMAT, VERSION = "mlpcli-checkpoint", 1
NEWEST, BEFORE = "checkpoint.npz", "checkpoint.1.npz"
MAX_COUNT = 2**63
# What json, NumPy and this file raise for a header, or arrays, that are not a checkpoint's.
INCONSISTENT = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)


@dataclass(frozen=True)
class RunRecord:
    """What a checkpoint records of its run beside the state, for the resumed run to compare.

    `log_bytes` is the length of metrics.jsonl and `log_sha256` its SHA-256 ("" in a checkpoint of
    mlpcli 0.1); `seconds` is the time that the run has taken. `config` is as it was written,
    perhaps by another version: whoever resumes the run validates it.
    """

    config: Any
    data_sha256: str
    computed_by: dict[str, Any]
    log_bytes: int
    seconds: float
    log_sha256: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """A run as it is saved: the state of training, the best weights so far, and the record."""

    state: TrainingState
    best: Best
    record: RunRecord


def save(folder: Path, checkpoint: Checkpoint, dir_fd: int | None = None) -> None:
    """Write the newest checkpoint and keep the one before.

    Writes nothing if a number is not finite.

    `dir_fd` is the descriptor of the folder, if that is open.
    Raises OutputError if the file cannot be written.
    """
    state, best = checkpoint.state, checkpoint.best
    slots = state.optimizer.slots
    vectors = [state.network.theta, best.theta, *slots]
    if not all(np.isfinite(vector).all() for vector in vectors):
        return
    text = json.dumps(_header(checkpoint), ensure_ascii=False, sort_keys=True)
    arrays: dict[str, Raw] = {"theta": state.network.theta, "best": best.theta}
    arrays["order"] = state.order
    arrays |= {f"slot{n}": slot for n, slot in enumerate(slots)}
    arrays["header"] = np.frombuffer(text.encode(), np.uint8)
    write_npz(folder / NEWEST, arrays, previous=BEFORE, dir_fd=dir_fd)


def _header(checkpoint: Checkpoint) -> dict[str, Any]:
    state, best = checkpoint.state, checkpoint.best
    optimizer = state.optimizer
    return {
        "format": FORMAT,
        "version": VERSION,
        "shape": state.network.shape,
        "activation": state.network.activation,
        "smoothing": state.network.smoothing,
        "optimizer": [optimizer.name, vars(optimizer.hyper), optimizer.weight_decay],
        "steps": optimizer.steps,
        "streams": [rng.bit_generator.state for rng in (state.shuffle, state.dropout)],
        "position": [state.epoch, state.batch, state.loss_sum],
        "best": [best.epoch, best.loss if math.isfinite(best.loss) else None],
        "about": asdict(checkpoint.record),
    }


def exists(folder: Path) -> bool:
    """Whether the run in a folder was ever saved."""
    return any(os.path.lexists(folder / name) for name in (NEWEST, BEFORE))


def load(folder: Path, notify: Notify = lambda message: None) -> Checkpoint:
    """The newest checkpoint that is whole; a message says if it is not the newest of all.

    Raises ModelError if none is whole.
    """
    try:
        return _read(folder / NEWEST)
    except UnreadableFileError as error:
        newest = error
    try:
        before = _read(folder / BEFORE)
    except UnreadableFileError as error:
        raise ModelError(
            f"{newest.path}: {newest.problem}. {folder} holds no checkpoint to resume from."
        ) from error
    notify(f"{newest.path}: {newest.problem}. The run goes on from the checkpoint before it.")
    return before


def _read(path: Path) -> Checkpoint:
    check_seal(path)
    arrays = read_npz(path, most_packed=1)
    try:
        header = json.loads(arrays["header"].tobytes())
        version = (header["format"], header["version"])
        if version == (FORMAT, VERSION):
            return _checkpoint(arrays, header)
    except INCONSISTENT as error:
        raise UnreadableFileError(
            path, f"is not a checkpoint of mlpcli, or not a whole one ({error})"
        ) from error
    raise UnreadableFileError(
        path, "is a checkpoint of another version of mlpcli, or of another program"
    )


def _checkpoint(arrays: dict[str, Raw], header: dict[str, Any]) -> Checkpoint:
    """The checkpoint of arrays and header; raises one of INCONSISTENT if they do not agree."""
    length = Shape(*_counts(header["shape"])).parameters
    network = _network(header, _vector(arrays, "theta", length))
    optimizer = _optimizer(header, network)
    for n, slot in enumerate(optimizer.slots):
        slot[...] = _vector(arrays, f"slot{n}", length)
    shuffle, dropout = (_rng(state) for state in header["streams"])
    epoch, batch, loss_sum = header["position"]
    _counts([epoch, batch])
    order = _order(arrays["order"])
    state = TrainingState(
        network, optimizer, shuffle, dropout, epoch, batch, order, _finite(loss_sum)
    )
    best = _best(header, _vector(arrays, "best", length))
    return Checkpoint(state, best, _record(header["about"]))


def _record(about: dict[str, Any]) -> RunRecord:
    (log_bytes,) = _counts([about["log_bytes"]])
    return RunRecord(
        config=about.get("config"),
        data_sha256=about["data_sha256"],
        computed_by=dict(about["computed_by"]),
        log_bytes=log_bytes,
        seconds=_finite(about["seconds"]),
        log_sha256=str(about.get("log_sha256", "")),
    )


def _network(header: dict[str, Any], theta: Floats) -> Network:
    if header["activation"] not in ACTIVATIONS:
        raise ValueError(f"there is no activation {header['activation']!r}")
    smoothing = _finite(header.get("smoothing", 0.0))
    network = Network(Shape(*header["shape"]), header["activation"], theta.dtype, smoothing)
    network.theta[...] = theta
    return network


def _optimizer(header: dict[str, Any], network: Network) -> Optimizer:
    name, hyper, decay = header["optimizer"]
    constants = {key: _finite(value) for key, value in hyper.items()}
    optimizer = Optimizer(name, network, Hyperparameters(**constants), _finite(decay))
    (optimizer.steps,) = _counts([header["steps"]])
    return optimizer


def _best(header: dict[str, Any], theta: Floats) -> Best:
    epoch, loss = header["best"]
    _counts([epoch])
    if loss is None:  # no epoch has ended, or there are no validation rows
        return Best(theta, epoch, math.inf)
    return Best(theta, epoch, _finite(loss))


def _vector(arrays: dict[str, Raw], name: str, length: int) -> Floats:
    vector = arrays[name]
    if vector.shape != (length,) or vector.dtype.kind != "f" or not np.isfinite(vector).all():
        raise ValueError(f"{name} is not {length:,} finite numbers")
    return vector.astype(vector.dtype.newbyteorder("="), copy=False)


def _order(order: Raw) -> Index:
    if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(len(order))):
        raise ValueError("order is no order of rows")
    return order.astype(np.intp, copy=False)


def _counts(values: Sequence[Any]) -> Sequence[int]:
    if not all(type(value) is int and 0 <= value < MAX_COUNT for value in values):
        raise ValueError(f"{values} are no counts")
    return values


def _finite(value: Any) -> Any:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return value


def _rng(state: Any) -> np.random.Generator:
    generator = np.random.PCG64DXSM()
    generator.state = state
    return np.random.Generator(generator)
