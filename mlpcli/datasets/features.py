"""Rows to predict, which need no labels, from any source but a CSV file."""

import os
from pathlib import Path

from mlpcli.arrays import Raw
from mlpcli.datasets import arrowtable, idx, npz
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.sources import ARROW, CSV, is_path
from mlpcli.datasets.sources import read as read_table
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.messages import Notify


def is_csv(source: str) -> bool:
    """Whether a source is a CSV file, by the ending of its name."""
    return is_path(source) and source.lower().removesuffix(".gz").endswith(CSV)


def read(source: str, options: ReadingOptions, notify: Notify) -> Raw:
    """The features (N,D_raw) of a source; raises DataError if it cannot be read."""
    path = Path(os.path.expanduser(source))
    try:
        if path.suffix.lower() == ".npz":
            return npz.read_features(path, options)
        if path.suffix.lower() in ARROW:
            return arrowtable.read_features(path, options)
        if is_path(source) and (path.is_dir() or _is_idx(path)):
            return idx.read_features(path, options)
    except UnreadableFileError as error:
        raise DataError(str(error)) from error
    return read_table(source, options, notify).held_out.x


def _is_idx(path: Path) -> bool:
    """Whether a file is one of IDX images, by the ending of its name."""
    return path.name.removesuffix(".gz").endswith("-ubyte")
