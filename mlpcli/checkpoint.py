"""A run on disk, whole enough to go on from: weights, moments, streams, position, the best weights, and what it is of.

    checkpoint.npz: theta, slot0, slot1, …, best, order, header (JSON text as uint8 bytes)

The one before it is kept as checkpoint.1.npz, and read where the newest is not whole. Both are sealed.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Raw, Shape
from mlpcli.errors import DataError, ModelError
from mlpcli.files import move, write_npz
from mlpcli.network import Network
from mlpcli.optimizers import Hyper, Optimizer
from mlpcli.reading import check_seal, read_npz
from mlpcli.state import Best, TrainingState

FORMAT, VERSION = "mlpcli-checkpoint", 1
NEWEST, BEFORE = "checkpoint.npz", "checkpoint.1.npz"


@dataclass(frozen=True)
class Checkpoint:
    """What a run is saved as: its state, its best weights, and, in `about`, settings, data and surroundings."""

    state: TrainingState
    best: Best
    about: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the run as the newest checkpoint, and keep the one before; nothing where a weight is not finite."""
    state, best = checkpoint.state, checkpoint.best
    if not np.isfinite(state.network.theta).all():
        return
    arrays: dict[str, Raw] = {"theta": state.network.theta, "best": best.theta, "order": state.order}
    arrays |= {f"slot{n}": slot for n, slot in enumerate(state.optimizer.slots)}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "shape": state.network.shape,
        "activation": state.network.activation,
        "optimizer": [state.optimizer.name, vars(state.optimizer.hyper), state.optimizer.weight_decay],
        "steps": state.optimizer.steps,
        "streams": [stream.bit_generator.state for stream in (state.shuffle, state.dropout)],
        "position": [state.epoch, state.batch, state.loss_sum],
        "best": [best.epoch, best.loss if best.epoch else None],
        "about": checkpoint.about,
    }
    text = json.dumps(header, ensure_ascii=False, sort_keys=True)
    if (folder / NEWEST).exists():
        move(folder / NEWEST, folder / BEFORE)
    write_npz(folder / NEWEST, arrays | {"header": np.frombuffer(text.encode(), np.uint8)})


def saved_before(folder: Path) -> bool:
    """Whether a run was ever saved there."""
    return any((folder / name).exists() for name in (NEWEST, BEFORE))


def load(folder: Path) -> Checkpoint:
    """The newest checkpoint of a run that is whole; raises ModelError where there is none."""
    said = []
    for name in (NEWEST, BEFORE):
        try:
            return _read(folder / name)
        except DataError as error:
            said.append(str(error))
    raise ModelError(f"{said[0]} {folder} holds no checkpoint to resume from.")


def _read(path: Path) -> Checkpoint:
    check_seal(path)
    arrays = read_npz(path)
    try:
        header = json.loads(arrays["header"].tobytes())
        if (header["format"], header["version"]) != (FORMAT, VERSION):
            raise DataError(f"{path}: is a checkpoint of another version of mlpcli, or of another program.")
        return _assembled(arrays, header)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is not a checkpoint of mlpcli, or not a whole one ({error}).") from error


def _assembled(arrays: dict[str, Raw], header: dict[str, Any]) -> Checkpoint:
    network = Network(Shape(*header["shape"]), header["activation"], arrays["theta"].dtype)
    name, hyper, decay = header["optimizer"]
    optimizer = Optimizer(name, network, Hyper(**hyper), decay)
    optimizer.steps = header["steps"]
    network.theta[...] = arrays["theta"]
    for n, slot in enumerate(optimizer.slots):
        slot[...] = arrays[f"slot{n}"]
    shuffle, dropout = (_stream(state) for state in header["streams"])
    epoch, batch, loss_sum = header["position"]
    state = TrainingState(network, optimizer, shuffle, dropout, epoch, batch, arrays["order"], loss_sum)
    best_epoch, best_loss = header["best"]
    return Checkpoint(state, Best(arrays["best"], best_epoch, best_loss if best_epoch else math.inf), header["about"])


def _stream(state: Any) -> np.random.Generator:
    generator = np.random.PCG64DXSM()
    generator.state = state
    return np.random.Generator(generator)
