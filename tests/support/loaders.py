"""The loaders, as the fuzzer sees them: whole inputs to begin with, how these are changed, and how each is read."""

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpcli import config
from mlpcli.arrays import Shape
from mlpcli.config import Config
from mlpcli.datasets import cache, csvfile, idx
from mlpcli.datasets import npz as npzfile
from mlpcli.datasets.table import fingerprint, table
from mlpcli.model.network import Network
from mlpcli.model.state import Best, Streams
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.storage import checkpoint, modelfile
from mlpcli.storage.checkpoint import Checkpoint
from mlpcli.storage.modelfile import Model
from mlpcli.training.loop import new_state
from tests.support import formats
from tests.support.mutations import (
    Change,
    change_archive,
    change_bytes,
    change_packed,
    change_sealed,
    change_text,
)

IMAGES, LABELS = (
    np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4),
    np.array([2, 0, 1], np.uint8),
)
X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 0, 1])
KEPT = table("data", X, np.array(["a", "b", "a", "é"]))
CSV = [
    "1,2,a\n3,4,b\n5,6.5,a\n",
    "one;two;label\n1;2;x\n-3e5;4;y\n",
    '1\t2\t"a ""b"""\r\n3\t4\t"c\nd"\r\n',
]
TOML = '[data]\nsource = "a.csv"\nvalidation = "b.csv"\n[optimizer]\nname = "adam"\nlr = 1e-3\nnesterov = false\n'


@dataclass(frozen=True)
class Loader:
    """One loader: whole inputs, what is done to them, and how an input is read from a folder."""

    whole: Callable[[Path], list[bytes]]
    changes: tuple[Change, ...]
    read: Callable[[Path, bytes], object]


def small_model() -> Model:
    """A model of 4 features, 3 hidden units and 2 classes."""
    stream = np.random.default_rng(0)
    network = Network(Shape(4, 3, 2), "relu")
    network.theta[:] = stream.normal(size=len(network.theta))
    return Model(
        network,
        Scaling(np.zeros(4, "f4"), np.ones(4, "f4")),
        {"classes": ["no", "yes"], "image": [2, 2]},
    )


def small_checkpoint(epoch: int = 2, optimizer: str = "adam") -> Checkpoint:
    """A run of that model, in the middle of an epoch of five rows."""
    settings = config.load(None, {"optimizer.name": optimizer, "network.hidden": 3}, [])
    state = new_state(settings, Shape(4, 3, 2), Streams.from_seed(0))
    state.epoch, state.batch, state.order, state.loss_sum = (
        epoch,
        1,
        np.array([3, 1, 0, 2, 4]),
        0.75,
    )
    about = {
        "config": settings.model_dump(),
        "data_sha256": "0" * 64,
        "log_bytes": 9,
        "seconds": 0.5,
    }
    return Checkpoint(state, Best(state.network.theta.copy(), 1, 0.5), about | {"computed_by": {}})


def _idx_files(folder: Path) -> list[bytes]:
    floats = IMAGES.astype("f4") / 7
    return [
        formats.idx(IMAGES),
        formats.idx(LABELS),
        formats.idx(floats),
        gzip.compress(formats.idx(IMAGES), mtime=0),
    ]


def _read_idx(folder: Path, content: bytes) -> object:
    """Read it as images, beside good labels, or as labels where it says that it has one dimension."""
    as_labels = content[3:4] == b"\x01"
    name = "train-labels-idx1-ubyte" if as_labels else "train-images-idx3-ubyte"
    formats.put(folder / "train-labels-idx1-ubyte", formats.idx(LABELS))
    formats.put(folder / "train-images-idx3-ubyte", formats.idx(IMAGES))
    packed = content.startswith(b"\x1f\x8b")
    (folder / f"{name}.gz").unlink(missing_ok=True)
    if packed:
        (folder / name).unlink()
    formats.put(folder / (name + ".gz" * packed), content)
    return idx.read_folder(folder)


def _npz_files(folder: Path) -> list[bytes]:
    members = {"x.npy": formats.npy(X), "y.npy": formats.npy(Y)}
    more = {"x_test.npy": formats.npy(X.astype("f2")), "y_test.npy": formats.npy(Y.astype("S1"))}
    images = {"x.npy": formats.npy(IMAGES), "y.npy": formats.npy(np.array(["a", "b", "é"]))}
    return [formats.npz(members), formats.npz(images), formats.npz(members | more)]


def _read_csv(folder: Path, content: bytes) -> object:
    target = "label" if b"label" in content else ""
    return csvfile.read(formats.put(folder / "rows.csv", content), target)


def _config_files(folder: Path) -> list[bytes]:
    return [
        config.to_toml(Config()).encode(),
        TOML.encode(),
        b"\xef\xbb\xbfseed = 7\ntraining.epochs = 3\n",
    ]


def _model_files(folder: Path) -> list[bytes]:
    """One as it is written, and one by other hands, without a seal."""
    path = folder / "made.npz"
    modelfile.save(path, small_model())
    with np.load(path) as held:
        arrays = dict(held)
    header = json.loads(arrays["header"].tobytes())
    del header["sealed"]
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    return [
        path.read_bytes(),
        formats.npz({f"{name}.npy": formats.npy(array) for name, array in arrays.items()}),
    ]


def _checkpoint_files(folder: Path) -> list[bytes]:
    files = []
    for name in ("sgd", "momentum", "adam"):
        checkpoint.save(folder, small_checkpoint(optimizer=name))
        files.append((folder / checkpoint.NEWEST).read_bytes())
    (folder / checkpoint.BEFORE).unlink(missing_ok=True)
    return files


def _cache_files(folder: Path) -> list[bytes]:
    os.environ["MLPCLI_CACHE"] = str(folder)
    assert not cache.store("data", KEPT)
    return [(folder / "data.npz").read_bytes()]


def _read_cached(folder: Path, content: bytes) -> object:
    """What is cached is the table that was, or nothing."""
    os.environ["MLPCLI_CACHE"] = str(folder)
    formats.put(folder / "data.npz", content)
    rows = cache.load("data", "data")
    assert rows is None or fingerprint(rows) == fingerprint(KEPT)
    return rows


def _put_and(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    return lambda folder, content: read(formats.put(folder / name, content))


ARCHIVE = (change_bytes, change_archive, change_archive, change_archive)
SEALED = (change_bytes, change_sealed, change_sealed, change_sealed)
LOADERS = {
    "idx": Loader(_idx_files, (change_bytes, change_packed), _read_idx),
    "npz": Loader(_npz_files, ARCHIVE, _put_and("rows.npz", npzfile.read)),
    "csv": Loader(lambda folder: [text.encode() for text in CSV], (change_text,), _read_csv),
    "config": Loader(
        _config_files, (change_text,), _put_and("s.toml", lambda path: config.load(path, {}, []))
    ),
    "model": Loader(_model_files, ARCHIVE + SEALED, _put_and("model.npz", modelfile.load)),
    "checkpoint": Loader(
        _checkpoint_files,
        SEALED,
        _put_and(checkpoint.NEWEST, lambda path: checkpoint.load(path.parent)),
    ),
    "cache": Loader(_cache_files, ARCHIVE, _read_cached),
}
