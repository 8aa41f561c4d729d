"""The user's cache folder: data sets that took long to fetch, as checksummed .npz files."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpcli.datasets.table import Table, fingerprint, table
from mlpcli.errors import DataError, OutputError
from mlpcli.files import make_folder, read_npz, write_npz


def folder() -> Path:
    """MLPCLI_CACHE, else mlpcli in XDG_CACHE_HOME (if absolute, as its rules have it) or in ~/.cache."""
    if own := os.environ.get("MLPCLI_CACHE"):
        return Path(own)
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "mlpcli"


def load(name: str, where: str) -> Table | None:
    """The cached table of that name, or None where there is none that is whole."""
    path = folder() / f"{name}.npz"
    if not path.exists():
        return None
    try:
        arrays = read_npz(path)
        rows = replace(table(where, arrays["x"], arrays["labels"]), image=_image(arrays["image"].tolist()))
        return rows if fingerprint(rows) == str(arrays["sha256"]) else None
    except (DataError, KeyError, ValueError):
        return None  # damaged: it will be fetched again and replaced


def store(name: str, rows: Table) -> str:
    """Keep the table under that name; returns '' or a sentence that says why it could not be kept."""
    try:
        make_folder(folder())
        marks = {"image": np.array(rows.image or ()), "sha256": np.array(fingerprint(rows))}
        write_npz(folder() / f"{name}.npz", {"x": rows.x, "labels": rows.labels} | marks)
    except OutputError as error:
        return f"The data set is not kept for the next time: {error}"
    return ""


def _image(sides: list[int]) -> tuple[int, int] | None:
    return (int(sides[0]), int(sides[1])) if sides else None
