"""The model file: a JSON header and float arrays in one .npz, without pickle.

    W1 (D,H)  b1 (H)  W2 (H,K)  b2 (K)  offset (D)  scale (D)  header (JSON text as uint8 bytes)

A row is scored by softmax(φ((t − offset) · scale @ W1 + b1) @ W2 + b2), without dropout. t is the
raw row itself, or what columnfile.py describes; network.py takes the header's `smoothing` back.
A file that `save` wrote ends in a checksum, and its header says so ("sealed"); others need neither.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mlpcli.arrays import Raw, Shape
from mlpcli.errors import ModelError, UnreadableFileError
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.model.network import Network
from mlpcli.preprocessing.columns import Column, feature_columns
from mlpcli.preprocessing.encoding import Preprocessing
from mlpcli.storage.columnfile import described, parsed
from mlpcli.storage.reading import check_seal, read_npz
from mlpcli.storage.writing import write_npz

FORMAT = "mlpcli-model"
VERSION = 2
VERSIONS = (1, 2)  # that are read; 1 has no columns but those of numbers
PARAMETERS = ("W1", "b1", "W2", "b2")
ARRAYS = (*PARAMETERS, "offset", "scale")
REQUIRED = {"format", "version", "activation", "classes"}  # keys of the header
MAX_PACKED = 32  # weights that were learnt never shrink to so small a part of their size

Arrays: TypeAlias = Mapping[str, Raw]
Header: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """A trained network, and what is needed to use it on raw rows.

    Args:
        network: The weights W1 (D,H), b1 (H), W2 (H,K) and b2 (K), and the activation.
        preprocessing: What makes the network's input (D) of a raw row.
        header: The names of the K classes as `classes`, and whatever else a run records: `config`,
            `data_sha256`, `scores`, `versions`, and `image` if the rows are images.
        columns: All columns of the source, those of label and weight too; () if raw rows are
            numbers without names.
    """

    network: Network
    preprocessing: Preprocessing
    header: Header
    columns: tuple[Column, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the K classes, in the order of the network's outputs."""
        return tuple(self.header["classes"])

    @property
    def image(self) -> tuple[int, int] | None:
        """Height and width of a row, if the header says that it is an image and D agrees."""
        D = self.preprocessing.n_raw
        match self.header.get("image"):
            case [int(height), int(width)] if height > 0 and height * width == D:
                return height, width
        return None

    @property
    def feature_columns(self) -> tuple[Column, ...]:
        """The columns of a raw row, or () if they are numbers without names."""
        return feature_columns(self.columns)


def save(path: Path, model: Model, dir_fd: int | None = None) -> None:
    """Write a model file, whole or not at all; equal models give equal bytes.

    Args:
        path: The file, which is replaced if it exists.
        model: The model; its header gets the keys `format`, `version`, `activation`, `sealed`.
        dir_fd: The descriptor of the file's folder, if that is open.

    Raises:
        OutputError: The file cannot be written.
    """
    network, preprocessing = model.network, model.preprocessing
    header = dict(model.header)
    header["format"] = FORMAT
    header["version"] = VERSION
    header["activation"] = network.activation
    header["smoothing"] = network.smoothing
    header["sealed"] = True
    header["columns"] = described(model.columns, preprocessing)
    text = json.dumps(header, ensure_ascii=False, sort_keys=True)
    arrays: dict[str, Raw] = {name: getattr(network, name) for name in PARAMETERS}
    arrays["offset"] = preprocessing.offset
    arrays["scale"] = preprocessing.scale
    arrays["header"] = np.frombuffer(text.encode(), np.uint8)
    write_npz(path, arrays, dir_fd=dir_fd)


def load(path: Path) -> Model:
    """Read a model file.

    Args:
        path: A file that `save` wrote, or one of the same arrays and header from elsewhere.

    Returns:
        The model, its weights in the widest of the types that the file holds them in.

    Raises:
        ModelError: The file is missing, damaged, of another version, or not a model file.
    """
    try:
        arrays = read_npz(path, MAX_PACKED)
    except UnreadableFileError as error:
        raise ModelError(
            f"{path}: {error.problem}. It is no model that mlpcli train wrote, or it is damaged."
        ) from error
    header = _read_header(path, arrays)
    _check_seal(path, needed=bool(header.get("sealed")))
    _check_arrays(path, arrays, K=len(header["classes"]))
    network = _network(arrays, header["activation"], _smoothing(path, header))
    try:
        columns, preprocessing = parsed(_records(header), arrays["offset"], arrays["scale"])
    except ValueError as error:
        raise ModelError(f"{path}: the columns in its header are not usable: {error}.") from error
    return Model(network, preprocessing, header, columns)


def _records(header: Header) -> Any:
    """What the header says of the columns; in version 1, that is a name for each feature or naught.

    A version 1 header without such names was never refused for them.
    """
    records = header.get("columns")
    if header["version"] != 1:
        return records
    return [str(name) for name in records] if isinstance(records, list) else None


def _smoothing(path: Path, header: Header) -> float:
    smoothing = header.get("smoothing", 0)  # version 1 has none
    if type(smoothing) in (int, float) and 0 <= smoothing < 1:
        return float(smoothing)
    raise ModelError(f"{path}: its header's smoothing is {smoothing!r:.60}, and not from 0 to 1.")


def _network(arrays: Arrays, activation: str, smoothing: float) -> Network:
    """The network of these weights, in the widest of their types."""
    D, H = arrays["W1"].shape
    K = len(arrays["b2"])
    dtype = np.result_type(*(arrays[name] for name in PARAMETERS))
    network = Network(Shape(D, H, K), activation, dtype, smoothing)
    for name in PARAMETERS:
        view = getattr(network, name)
        view[...] = arrays[name]
    return network


def _check_seal(path: Path, needed: bool) -> None:
    try:
        check_seal(path, needed)
    except UnreadableFileError as error:
        raise ModelError(
            f"{path}: {error.problem}. "
            "If it was changed on purpose, take 'sealed' out of its header."
        ) from error


def _read_header(path: Path, arrays: Arrays) -> Header:
    header = _parse_header(arrays)
    if header is None:
        raise ModelError(
            f"{path}: is not a model file of mlpcli: its header is missing or cannot be read."
        )
    version = header["version"]
    if version not in VERSIONS:
        raise ModelError(
            f"{path}: is a model of format version {version!r}; "
            f"this mlpcli reads the versions {VERSIONS[0]} to {VERSIONS[-1]}."
        )
    if not _is_valid(header):
        raise ModelError(
            f"{path}: is not a model file of mlpcli: "
            "its header does not say format, activation, classes."
        )
    return header


def _parse_header(arrays: Arrays) -> Header | None:
    """The header, or None if it is no JSON object with the keys that it needs."""
    if "header" not in arrays:
        return None
    try:
        header = json.loads(arrays["header"].tobytes())
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict):
        return None
    if not header.keys() >= REQUIRED:
        return None
    return header


def _is_valid(header: Header) -> bool:
    """Whether the header has this format, a known activation and at least one class name."""
    if header["format"] != FORMAT:
        return False
    if header["activation"] not in list(ACTIVATIONS):
        return False
    classes = header["classes"]
    if not isinstance(classes, list) or not classes:
        return False
    return all(isinstance(name, str) for name in classes)


def _check_arrays(path: Path, arrays: Arrays, K: int) -> None:
    """Raise ModelError unless all arrays are finite floats of shapes that agree with K classes."""
    for name in ARRAYS:
        if name not in arrays:
            raise ModelError(f"{path}: has no array {name!r}: it is not a whole model file.")
    W1 = arrays["W1"]
    if W1.ndim != 2:
        raise ModelError(
            f"{path}: W1 has {W1.ndim} dimensions, where (features, hidden units) are needed."
        )
    D, H = W1.shape
    if not D * H:
        raise ModelError(
            f"{path}: W1 has {D} features and {H} hidden units; both must be at least 1."
        )
    _check_array(path, "W1", W1, (D, H))
    _check_array(path, "b1", arrays["b1"], (H,))
    _check_array(path, "W2", arrays["W2"], (H, K))
    _check_array(path, "b2", arrays["b2"], (K,))
    _check_array(path, "offset", arrays["offset"], (D,))
    _check_array(path, "scale", arrays["scale"], (D,))


def _check_array(path: Path, name: str, array: Raw, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype.kind != "f":
        raise ModelError(
            f"{path}: {name} is {array.dtype} {array.shape}, where floats {shape} are needed."
        )
    if not np.isfinite(array).all():
        raise ModelError(f"{path}: {name} holds numbers that are not finite: the file is damaged.")
