"""The user's cache folder: data sets that took long to fetch, as checksummed .npz files."""

import os
from pathlib import Path

import numpy as np

from mlpcli.datasets.table import Table, fingerprint, table
from mlpcli.errors import DataError, OutputError, UnreadableFileError
from mlpcli.storage.reading import read_npz
from mlpcli.storage.writing import make_folder, write_npz


def folder() -> Path:
    """MLPCLI_CACHE, else mlpcli in XDG_CACHE_HOME (if absolute, as its rules have it) or in ~/.cache."""
    if own := os.environ.get("MLPCLI_CACHE"):
        return Path(own)
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "mlpcli"


def load(name: str, where: str) -> Table | None:
    """The cached table of that name, or None where there is none that is whole."""
    try:
        arrays = read_npz(folder() / f"{name}.npz")
        rows = table(where, arrays["x"], arrays["labels"])
        return rows if str(arrays["seal"]) == _seal(name, rows) else None
    except (
        DataError,
        UnreadableFileError,
        KeyError,
        RuntimeError,
        SystemError,
    ):  # the last of a text whose code points are none
        return None  # not there, or damaged: it will be fetched again and replaced


def store(name: str, rows: Table) -> str:
    """Keep the table under that name; returns '' or a sentence that says why it could not be kept."""
    x = rows.x.reshape(-1, *rows.image) if rows.image else rows.x
    try:
        make_folder(folder())
        write_npz(
            folder() / f"{name}.npz",
            {"x": x, "labels": rows.labels, "seal": np.array(_seal(name, rows))},
        )
    except (OutputError, RuntimeError) as error:  # or there is no home to keep it in
        return f"The data set is not kept for the next time: {error}"
    return ""


def _seal(name: str, rows: Table) -> str:
    """What a damaged file, or another set's, cannot hold."""
    return f"{name} {fingerprint(rows)}"
