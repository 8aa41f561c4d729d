"""The model file: a JSON header and float arrays in one .npz, without pickle.

    W1 (D,H)  b1 (H)  W2 (H,K)  b2 (K)  offset (D)  scale (D)  header (JSON text as uint8 bytes)

A row x is scored by softmax(φ((x − offset) · scale @ W1 + b1) @ W2 + b2), without dropout.
The header of a file that `save` wrote says that it is sealed; one put together by other hands need not be.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Raw, Shape
from mlpcli.errors import ModelError, UnreadableFileError
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.model.network import Network
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.storage.reading import check_seal, read_npz
from mlpcli.storage.writing import write_npz

FORMAT, VERSION = "mlpcli-model", 1
ARRAYS = ("W1", "b1", "W2", "b2", "offset", "scale")
MOST_PACKED = 32  # no weights that were learnt shrink to so small a part of their size


@dataclass(frozen=True)
class Model:
    """What a model file holds: the network, the scaling of its inputs, and the header."""

    network: Network
    scaling: Scaling
    header: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the outputs, in their order."""
        return tuple(self.header["classes"])

    @property
    def image(self) -> tuple[int, int] | None:
        """Height and width of a row that is a picture, where the header says so and the features agree."""
        match self.header.get("image"):
            case [int(height), int(width)] if height > 0 and height * width == self.network.shape.D:
                return height, width
        return None

    @property
    def columns(self) -> tuple[str, ...]:
        """The features' names in their order, where the header says them."""
        names = self.header.get("columns")
        known = isinstance(names, list) and len(names) == self.network.shape.D
        return tuple(map(str, names)) if known else ()  # type: ignore[arg-type]


def save(path: Path, model: Model) -> None:
    """Write the model, whole or not at all; equal models give equal bytes."""
    fixed = {
        "format": FORMAT,
        "version": VERSION,
        "activation": model.network.activation,
        "sealed": True,
    }
    text = json.dumps(model.header | fixed, ensure_ascii=False, sort_keys=True)
    arrays: dict[str, Raw] = {name: getattr(model.network, name) for name in ARRAYS[:4]}
    arrays |= {"offset": model.scaling.offset, "scale": model.scaling.scale}
    write_npz(path, arrays | {"header": np.frombuffer(text.encode(), np.uint8)})


def load(path: Path) -> Model:
    """Read a model; raises ModelError when the file is not a whole and consistent one."""
    try:
        arrays = read_npz(path, MOST_PACKED)
    except UnreadableFileError as error:
        raise ModelError(
            f"{path}: {error.problem}. It is no model that mlpcli train wrote, or it is damaged."
        ) from error
    header = _header(path, arrays)
    _check_seal(path, bool(header.get("sealed")))
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise ModelError(f"{path}: has no array {missing[0]!r}: it is not a whole model file.")
    _check_arrays(path, arrays, len(header["classes"]))
    D, H = arrays["W1"].shape
    dtype = np.result_type(*(arrays[name] for name in ARRAYS[:4]))
    network = Network(Shape(D, H, len(arrays["b2"])), header["activation"], dtype)
    for name in ARRAYS[:4]:
        getattr(network, name)[...] = arrays[name]
    return Model(network, Scaling(arrays["offset"], arrays["scale"]), header)


def _check_seal(path: Path, needed: bool) -> None:
    try:
        check_seal(path, needed)
    except UnreadableFileError as error:
        raise ModelError(
            f"{path}: {error.problem}. If it was changed on purpose, take 'sealed' out of its header."
        ) from error


def _header(path: Path, arrays: dict[str, Raw]) -> dict[str, Any]:
    try:
        header = json.loads(arrays["header"].tobytes())
        known = header["format"] == FORMAT and header["activation"] in ACTIVATIONS
        classes = header["classes"]
        named = (
            isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes)
        )
        version = header["version"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path}: is not a model file of mlpcli: its header is missing or cannot be read."
        ) from error
    if version != VERSION:
        raise ModelError(
            f"{path}: is a model of format version {version!r}; this mlpcli reads version {VERSION}."
        )
    if not (known and named):
        raise ModelError(
            f"{path}: is not a model file of mlpcli: its header does not say format, activation, classes."
        )
    return dict(header)


def _check_arrays(path: Path, arrays: dict[str, Raw], K: int) -> None:
    if arrays["W1"].ndim != 2:
        raise ModelError(
            f"{path}: W1 has {arrays['W1'].ndim} dimensions, where (features, hidden units) are needed."
        )
    D, H = arrays["W1"].shape
    if not D * H:
        raise ModelError(
            f"{path}: W1 has {D} features and {H} hidden units; both must be at least 1."
        )
    right = {"W1": (D, H), "b1": (H,), "W2": (H, K), "b2": (K,), "offset": (D,), "scale": (D,)}
    for name, shape in right.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind != "f":
            raise ModelError(
                f"{path}: {name} is {array.dtype} {array.shape}, where floats {shape} are needed."
            )
        if not np.isfinite(array).all():
            raise ModelError(
                f"{path}: {name} holds numbers that are not finite: the file is damaged."
            )
