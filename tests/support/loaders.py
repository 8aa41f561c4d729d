"""The loaders, as the fuzzer sees them: valid inputs, how to mutate them, how to read one."""

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpcli import config
from mlpcli.arrays import Shape
from mlpcli.commands import settings
from mlpcli.config import Config
from mlpcli.datasets import cache, csvfile, idx
from mlpcli.datasets import npz as npzfile
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import checked_table, fingerprint
from mlpcli.model.network import Network
from mlpcli.model.state import Best, Streams
from mlpcli.prediction.predictor import Predictor
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.storage import checkpoint, modelfile
from mlpcli.storage.checkpoint import Checkpoint, RunRecord
from mlpcli.storage.modelfile import Model
from mlpcli.training.loop import new_state
from tests.support import formats
from tests.support.mixed_tables import LEVELS, mixed_model
from tests.support.mutations import (
    Mutation,
    mutate_archive,
    mutate_bytes,
    mutate_gzip,
    mutate_sealed,
    mutate_text,
)

IMAGES = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
LABELS = np.array([2, 0, 1], np.uint8)
X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 0, 1])
CACHED = checked_table("data", X, np.array(["a", "b", "a", "é"]))
CSV = [
    b"1,2,a\n3,4,b\n5,6.5,a\n",
    b"one;two;label\n1;2;x\n-3e5;4;y\n",
    b'1\t2\t"a ""b"""\r\n3\t4\t"c\nd"\r\n',
    b"id,age,tree,label\n1,?,oak,x\n2,3.5,'elm',y\n3,,oak,x\n4,1e3,NA,y\n",
    b"4 2024-01-01 red |x\n5 2024-01-02 blue |y\n",
    "a;b;label\n1,5;é;x\n".encode("utf-16"),
]
TOML = b"""[data]
source = "a.csv"
validation = "b.csv"
[optimizer]
name = "adam"
lr = 1e-3
nesterov = false
"""


@dataclass(frozen=True)
class Loader:
    """One loader: valid inputs, how they are mutated, and how an input is read from a folder."""

    valid: Callable[[Path], list[bytes]]
    mutations: tuple[Mutation, ...]
    read: Callable[[Path, bytes], object]


def small_model() -> Model:
    """A model of 4 features, 3 hidden units and 2 classes."""
    rng = np.random.default_rng(0)
    network = Network(Shape(4, 3, 2), "relu")
    network.theta[:] = rng.normal(size=len(network.theta))
    scaling = Scaling(np.zeros(4, "f4"), np.ones(4, "f4"))
    return Model(network, scaling, {"classes": ["no", "yes"], "image": [2, 2]})


def small_checkpoint(epoch: int = 2, optimizer: str = "adam") -> Checkpoint:
    """A run of that model, in the middle of an epoch of five rows."""
    chosen = settings.load(None, {"optimizer.name": optimizer, "network.hidden": 3})
    state = new_state(chosen, Shape(4, 3, 2), Streams.from_seed(0))
    state.epoch = epoch
    state.batch = 1
    state.order = np.array([3, 1, 0, 2, 4])
    state.loss_sum = 0.75
    record = RunRecord(
        config=chosen.model_dump(),
        data_sha256="0" * 64,
        computed_by={},
        log_bytes=9,
        seconds=0.5,
    )
    return Checkpoint(state, Best(state.network.theta.copy(), 1, 0.5), record)


def _idx_files(folder: Path) -> list[bytes]:
    images = formats.idx(IMAGES)
    floats = formats.idx(IMAGES.astype("f4") / 7)
    return [images, formats.idx(LABELS), floats, gzip.compress(images, mtime=0)]


def _read_idx(folder: Path, content: bytes) -> object:
    """Read images beside good labels, or labels if the input says that it has one dimension."""
    name = "train-images-idx3-ubyte"
    if content[3:4] == b"\x01":
        name = "train-labels-idx1-ubyte"
    formats.put(folder / "train-labels-idx1-ubyte", formats.idx(LABELS))
    formats.put(folder / "train-images-idx3-ubyte", formats.idx(IMAGES))
    (folder / f"{name}.gz").unlink(missing_ok=True)
    if content.startswith(b"\x1f\x8b"):
        (folder / name).unlink()
        name += ".gz"
    formats.put(folder / name, content)
    return idx.read_folder(folder)


def _npz_files(folder: Path) -> list[bytes]:
    rows = {"x.npy": formats.npy(X), "y.npy": formats.npy(Y)}
    test = {"x_test.npy": formats.npy(X.astype("f2")), "y_test.npy": formats.npy(Y.astype("S1"))}
    names = formats.npy(np.array(["a", "b", "é"]))
    images = {"x.npy": formats.npy(IMAGES), "y.npy": names}
    return [formats.npz(rows), formats.npz(images), formats.npz(rows | test)]


def _read_npz(folder: Path, content: bytes) -> object:
    return npzfile.read(formats.put(folder / "rows.npz", content))


def _csv_files(folder: Path) -> list[bytes]:
    return list(CSV)


def _read_csv(folder: Path, content: bytes) -> object:
    path = formats.put(folder / "rows.csv", content)
    return csvfile.read(path, ReadingOptions(target="label" if b"label" in content else ""))


def _config_files(folder: Path) -> list[bytes]:
    with_byte_order_mark = b"\xef\xbb\xbfseed = 7\ntraining.epochs = 3\n"
    return [config.to_toml(Config()).encode(), TOML, with_byte_order_mark]


def _read_config(folder: Path, content: bytes) -> object:
    return settings.load(formats.put(folder / "s.toml", content), {})


def _model_files(folder: Path) -> list[bytes]:
    """One as it is written, and one of another program, without a seal."""
    path = folder / "made.npz"
    modelfile.save(path, small_model())
    return [path.read_bytes(), _unsealed(path)]


def _unsealed(path: Path) -> bytes:
    """The same model as another program would write it."""
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())
    del header["sealed"]
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    return formats.npz({f"{name}.npy": formats.npy(array) for name, array in arrays.items()})


def _mixed_files(folder: Path) -> list[bytes]:
    """A model of numbers, words and gaps, without a seal, so that its header can be anything."""
    path = folder / "made.npz"
    modelfile.save(path, mixed_model())
    return [_unsealed(path)]


def _read_columns(folder: Path, content: bytes) -> object:
    """A model that can be read can be used."""
    model = Predictor(modelfile.load(formats.put(folder / "model.npz", content)))
    words = np.array([*LEVELS, None, "fir"], object)
    numbers = np.array([1, 2.5, None, 1e30, -40, 0], object)
    kinds = [column.kind for column in model.model.feature_columns]
    kinds = kinds or ["number"] * model.model.preprocessing.n_raw
    rows = np.array([words if kind == "category" else numbers for kind in kinds]).T
    with np.errstate(over="ignore", invalid="ignore"):
        return model.predict_proba(rows)


def _read_model(folder: Path, content: bytes) -> object:
    return modelfile.load(formats.put(folder / "model.npz", content))


def _checkpoint_files(folder: Path) -> list[bytes]:
    files = []
    for name in ("sgd", "momentum", "adam"):
        checkpoint.save(folder, small_checkpoint(optimizer=name))
        files.append((folder / checkpoint.NEWEST).read_bytes())
    (folder / checkpoint.BEFORE).unlink(missing_ok=True)
    return files


def _read_checkpoint(folder: Path, content: bytes) -> object:
    formats.put(folder / checkpoint.NEWEST, content)
    return checkpoint.load(folder)


def _cache_files(folder: Path) -> list[bytes]:
    os.environ["MLPCLI_CACHE"] = str(folder)
    assert not cache.store("data", CACHED)
    return [(folder / "data.npz").read_bytes()]


def _read_cached(folder: Path, content: bytes) -> object:
    """What is read from the cache is the table that was stored, or nothing."""
    os.environ["MLPCLI_CACHE"] = str(folder)
    formats.put(folder / "data.npz", content)
    rows = cache.load("data", "data")
    assert rows is None or fingerprint(rows) == fingerprint(CACHED)
    return rows


ARCHIVE = (mutate_bytes, mutate_archive, mutate_archive, mutate_archive)
SEALED = (mutate_bytes, mutate_sealed, mutate_sealed, mutate_sealed)


LOADERS = {
    "idx": Loader(_idx_files, (mutate_bytes, mutate_gzip), _read_idx),
    "npz": Loader(_npz_files, ARCHIVE, _read_npz),
    "csv": Loader(_csv_files, (mutate_text,), _read_csv),
    "config": Loader(_config_files, (mutate_text,), _read_config),
    "model": Loader(_model_files, ARCHIVE + SEALED, _read_model),
    "columns": Loader(_mixed_files, ARCHIVE, _read_columns),
    "checkpoint": Loader(_checkpoint_files, SEALED, _read_checkpoint),
    "cache": Loader(_cache_files, ARCHIVE, _read_cached),
}
