"""The user's cache folder: data sets that took long to fetch, as .npz files with a checksum."""

import hashlib
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.datasets.labels import LabelColumn, label_column
from mlpcli.datasets.table import Table, checked_table, fingerprint
from mlpcli.errors import DataError, OutputError, UnreadableFileError
from mlpcli.preprocessing.columns import Column, Kind, feature_columns
from mlpcli.storage.reading import read_npz
from mlpcli.storage.writing import make_folder, write_npz

# What reading raises for a file that is missing, damaged or another's; RuntimeError if there is no
# home folder, SystemError for a text of invalid code points.
USELESS = (
    DataError,
    UnreadableFileError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    SystemError,
    TypeError,
    ValueError,
)
KINDS = get_args(Kind)
FOR_THE_USER_ALONE = 0o700  # as the XDG specification has it
OWN_ONE = "Name a folder of your own with MLPCLI_CACHE."


def folder() -> Path:
    """MLPCLI_CACHE, else mlpcli in XDG_CACHE_HOME, else in ~/.cache.

    A relative XDG_CACHE_HOME is ignored, as the XDG specification has it.
    """
    own = os.environ.get("MLPCLI_CACHE")
    if own:
        return Path(own)
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():
        return xdg / "mlpcli"
    return Path.home() / ".cache" / "mlpcli"


def danger() -> str:
    """A message if others can write to the cache folder, and so choose what it holds; else ""."""
    try:
        place = folder()
        status = os.stat(place)
    except (OSError, RuntimeError, ValueError):
        return ""
    if not _is_own(status):
        return f"{place}: this cache folder belongs to another user. {OWN_ONE}"
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if writable_by_others and not status.st_mode & stat.S_ISVTX:
        return (
            f"{place}: other users can write to this cache folder. "
            f"Take that permission away with chmod go-w. {OWN_ONE}"
        )
    return ""


def _is_own(status: os.stat_result) -> bool:
    """Whether a file is the user's, or the system's."""
    return status.st_uid in (os.geteuid(), 0)


def size(name: str) -> int:
    """The bytes of the table that is cached under that name, or 0 if there is none."""
    try:
        return os.stat(folder() / f"{name}.npz").st_size
    except (OSError, RuntimeError, ValueError):  # RuntimeError if there is no home folder
        return 0


def load(name: str, origin: str) -> Table | None:
    """The table that is cached under that name, or None if there is none or it is damaged.

    A file of another user, which may be in a folder like /tmp, counts as none.
    """
    try:
        path = folder() / f"{name}.npz"
        if not _is_own(os.stat(path)):
            return None
        arrays = read_npz(path, most_packed=1)
        table = checked_table(origin, arrays["x"], _labels(arrays))
        about = arrays["about"].tobytes() if "about" in arrays else b""
        if about:
            table = _with_columns(table, json.loads(about))
        checksum = str(arrays["seal"])
    except USELESS:
        return None
    if checksum != _checksum(name, table, about):
        return None
    return table


def _with_columns(table: Table, about: Any) -> Table:
    """The table with its columns and notes; raises ValueError if they are not its own."""
    columns = tuple(
        Column(str(name), kind, tuple(map(str, levels)))
        for name, kind, levels in about["columns"]
        if kind in KINDS
    )
    if columns and len(feature_columns(columns)) != table.n_features:
        raise ValueError("other columns than those of x")
    notes = tuple(f"{table.origin}: {note}" for note in about["notes"])
    return replace(table, columns=columns, notes=notes)


def _about(table: Table) -> bytes:
    """The columns and notes of a table as JSON, nothing if it has none."""
    if not table.columns and not table.notes:
        return b""
    columns = [[column.name, column.kind, column.levels] for column in table.columns]
    notes = [note.removeprefix(f"{table.origin}: ") for note in table.notes]
    return json.dumps({"columns": columns, "notes": notes}).encode()


def _labels(arrays: dict[str, Raw]) -> Raw | LabelColumn:
    """The labels; earlier versions wrote them as an array of numbers or strings."""
    if "names" not in arrays:
        return arrays["labels"]
    names = json.loads(arrays["names"].tobytes())
    return label_column(list(map(str, names)), arrays["labels"])


def store(name: str, table: Table) -> str:
    """Keep the table under that name; returns "" or a message that says why it is not kept."""
    x = table.x
    if table.image:
        x = x.reshape(-1, *table.image)
    names = json.dumps(table.labels.names).encode()
    about = _about(table)
    arrays = {
        "x": x,
        "labels": table.labels.indices,
        "names": np.frombuffer(names, np.uint8),
        "seal": np.array(_checksum(name, table, about)),
    }
    if about:
        arrays["about"] = np.frombuffer(about, np.uint8)
    try:
        make_folder(folder(), mode=FOR_THE_USER_ALONE)
        write_npz(folder() / f"{name}.npz", arrays)
    except (OutputError, RuntimeError) as error:  # RuntimeError if there is no home folder
        return f"The data set is not kept for the next time: {error}"
    return ""


def _checksum(name: str, table: Table, about: bytes) -> str:
    """A text that no damaged file, and no other data set's file, holds."""
    checksum = f"{name} {fingerprint(table)}"
    return f"{checksum} {hashlib.sha256(about).hexdigest()}" if about else checksum
