"""The user's cache folder: data sets that took long to fetch, as .npz files with a checksum."""

import os
from pathlib import Path

import numpy as np

from mlpcli.datasets.table import Table, checked_table, fingerprint
from mlpcli.errors import DataError, OutputError, UnreadableFileError
from mlpcli.storage.reading import read_npz
from mlpcli.storage.writing import make_folder, write_npz

# What reading raises for a file that is missing, damaged or another's; RuntimeError if there is no
# home folder, SystemError for a text of invalid code points.
USELESS = (DataError, UnreadableFileError, KeyError, RuntimeError, SystemError)


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


def load(name: str, origin: str) -> Table | None:
    """The table that is cached under that name, or None if there is none or it is damaged."""
    try:
        arrays = read_npz(folder() / f"{name}.npz")
        table = checked_table(origin, arrays["x"], arrays["labels"])
        checksum = str(arrays["seal"])
    except USELESS:
        return None
    if checksum != _checksum(name, table):
        return None
    return table


def store(name: str, table: Table) -> str:
    """Keep the table under that name; returns "" or a message that says why it is not kept."""
    x = table.x
    if table.image:
        x = x.reshape(-1, *table.image)
    seal = np.array(_checksum(name, table))
    try:
        make_folder(folder())
        write_npz(folder() / f"{name}.npz", {"x": x, "labels": table.labels, "seal": seal})
    except (OutputError, RuntimeError) as error:  # RuntimeError if there is no home folder
        return f"The data set is not kept for the next time: {error}"
    return ""


def _checksum(name: str, table: Table) -> str:
    """A text that no damaged file, and no other data set's file, holds."""
    return f"{name} {fingerprint(table)}"
