"""A run on disk, whole enough to go on from: weights, moments, streams, position, the best weights, and what it is of.

    checkpoint.npz: theta, slot0, slot1, …, best, order, header (JSON text as uint8 bytes)

The one before it is kept as checkpoint.1.npz, and read where the newest is not whole. Both are sealed.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Floats, Index, Raw, Shape
from mlpcli.errors import DataError, ModelError
from mlpcli.model.network import ACTIVATIONS, Network
from mlpcli.model.optimizers import Hyperparameters, Optimizer
from mlpcli.model.state import Best, TrainingState
from mlpcli.storage.reading import check_seal, read_npz
from mlpcli.storage.writing import write_npz

FORMAT, VERSION = "mlpcli-checkpoint", 1
NEWEST, BEFORE = "checkpoint.npz", "checkpoint.1.npz"


@dataclass(frozen=True)
class Checkpoint:
    """What a run is saved as: its state, its best weights, and, in `about`, settings, data and surroundings."""

    state: TrainingState
    best: Best
    about: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the run as the newest checkpoint, and keep the one before; nothing where a number is not finite."""
    state, best = checkpoint.state, checkpoint.best
    if not all(
        np.isfinite(vector).all()
        for vector in (state.network.theta, best.theta, *state.optimizer.slots)
    ):
        return
    arrays: dict[str, Raw] = {
        "theta": state.network.theta,
        "best": best.theta,
        "order": state.order,
    }
    arrays |= {f"slot{n}": slot for n, slot in enumerate(state.optimizer.slots)}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "shape": state.network.shape,
        "activation": state.network.activation,
        "optimizer": [
            state.optimizer.name,
            vars(state.optimizer.hyper),
            state.optimizer.weight_decay,
        ],
        "steps": state.optimizer.steps,
        "streams": [rng.bit_generator.state for rng in (state.shuffle, state.dropout)],
        "position": [state.epoch, state.batch, state.loss_sum],
        "best": [best.epoch, best.loss if best.epoch else None],
        "about": checkpoint.about,
    }
    text = json.dumps(header, ensure_ascii=False, sort_keys=True)
    arrays["header"] = np.frombuffer(text.encode(), np.uint8)
    write_npz(folder / NEWEST, arrays, previous=folder / BEFORE)


def saved_before(folder: Path) -> bool:
    """Whether a run was ever saved there."""
    return any(os.path.lexists(folder / name) for name in (NEWEST, BEFORE))


def load(folder: Path, notify: Callable[[str], object] = lambda said: None) -> Checkpoint:
    """The newest checkpoint of a run that is whole, told where that is the one before; ModelError where none is."""
    try:
        return _read(folder / NEWEST)
    except DataError as error:
        damaged = str(error)
    try:
        before = _read(folder / BEFORE)
    except DataError as error:
        raise ModelError(f"{damaged} {folder} holds no checkpoint to resume from.") from error
    notify(f"{damaged} The run goes on from the checkpoint before it.")
    return before


def _read(path: Path) -> Checkpoint:
    check_seal(path)
    arrays = read_npz(path, most_packed=1)
    try:
        header = json.loads(arrays["header"].tobytes())
        if (header["format"], header["version"]) != (FORMAT, VERSION):
            raise DataError(
                f"{path}: is a checkpoint of another version of mlpcli, or of another program."
            )
        return _assembled(arrays, header)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise DataError(
            f"{path}: is not a checkpoint of mlpcli, or not a whole one ({error})."
        ) from error


def _assembled(arrays: dict[str, Raw], header: dict[str, Any]) -> Checkpoint:
    """The checkpoint that arrays and header describe; raises one of many errors where they do not go together."""
    length = Shape(*_counts(header["shape"])).parameters
    network = _network(header, _vector(arrays, "theta", length))
    optimizer = _optimizer(header, network)
    for n, slot in enumerate(optimizer.slots):
        slot[...] = _vector(arrays, f"slot{n}", length)
    shuffle, dropout = (_stream(state) for state in header["streams"])
    epoch, batch, loss_sum = header["position"]
    _counts([epoch, batch])
    order = _order(arrays["order"])
    state = TrainingState(
        network, optimizer, shuffle, dropout, epoch, batch, order, _finite(loss_sum)
    )
    return Checkpoint(
        state, _best(header, _vector(arrays, "best", length)), _about(header["about"])
    )


def _about(about: Any) -> dict[str, Any]:
    """What is said of a run, with all in it that a resumed one needs, but for its settings, which may be older."""
    _counts([about["log_bytes"]])
    needed = {"seconds": _finite(about["seconds"]), "computed_by": dict(about["computed_by"])}
    return {**about, "data_sha256": about["data_sha256"], **needed}


def _network(header: dict[str, Any], theta: Floats) -> Network:
    if header["activation"] not in ACTIVATIONS:
        raise ValueError(f"there is no activation {header['activation']!r}")
    network = Network(Shape(*header["shape"]), header["activation"], theta.dtype)
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
    return Best(theta, epoch, _finite(loss) if epoch else math.inf)


def _vector(arrays: dict[str, Raw], name: str, length: int) -> Floats:
    vector = arrays[name]
    if vector.shape != (length,) or vector.dtype.kind != "f" or not np.isfinite(vector).all():
        raise ValueError(f"{name} is not {length:,} finite numbers")
    return vector.astype(vector.dtype.newbyteorder("="), copy=False)


def _order(order: Raw) -> Index:
    if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(len(order))):
        raise ValueError("order is no order of rows")
    return order.astype(np.intp, copy=False)


def _counts(values: list[Any]) -> list[int]:
    if not all(type(value) is int and 0 <= value < 2**63 for value in values):
        raise ValueError(f"{values} are no counts")
    return values


def _finite(value: Any) -> Any:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return value


def _stream(state: Any) -> np.random.Generator:
    generator = np.random.PCG64DXSM()
    generator.state = state
    return np.random.Generator(generator)
