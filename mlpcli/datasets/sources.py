"""Sources: the name of a data set, or the path of a file or folder, read as a table."""

import difflib
import os
from pathlib import Path

from mlpcli.datasets import csvfile, idx, named, npz
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.messages import Notify, announce_reading, system_reason

NAMES = ("digits", "mnist")
OPENML = "openml:"
KINDS = "digits, mnist, openml:NAME, a folder of IDX files, an .npz file or a .csv file"
CSV = (".csv", ".tsv", ".txt")
ALIKE = 0.7  # of difflib: how alike a name and a path must be to ask whether it was meant


def is_path(source: str) -> bool:
    """Whether a source is a path of a file or folder, and not the name of a data set."""
    return source not in NAMES and not source.startswith(OPENML)


def short_name(source: str) -> str:
    """A source in one word, fit for a folder's name."""
    if is_path(source):
        return Path(os.path.abspath(source)).stem
    return source.removeprefix(OPENML)


def absolute(source: str) -> str:
    """The source with its path made absolute, so that it holds in any folder; a name as it is."""
    if is_path(source):
        return str(Path(source).expanduser().absolute())
    return source


def read(source: str, options: ReadingOptions, notify: Notify) -> Table:
    """The table of a source.

    Raises DataError if it cannot be read or cannot be learnt from.
    """
    if source == "digits":
        return named.digits(notify)
    if source == "mnist":
        return named.mnist(notify)
    if "://" in source:
        raise DataError(
            f"{source}: is an address; only files on this machine are read. Fetch it first."
        )
    if source.startswith(OPENML):
        return named.openml(source.removeprefix(OPENML), notify)
    try:
        return _read_path(Path(os.path.expanduser(source)), options, notify)
    except UnreadableFileError as error:
        raise DataError(str(error)) from error


def _read_path(path: Path, options: ReadingOptions, notify: Notify) -> Table:
    """Read a folder, or a file by the ending of its name."""
    try:
        announce_reading(path, _size(path), notify)
    except OSError as error:
        raise DataError(_not_found(path, system_reason(error))) from error
    except ValueError as error:  # a NUL byte
        raise DataError(_not_found(path, str(error))) from error
    if path.is_dir():
        return idx.read_folder(path)
    ending = path.suffix.lower()
    if ending == ".npz":
        return npz.read(path)
    if ending in CSV:
        return csvfile.read(path, options)
    if ending:
        raise DataError(f"{path}: its name ends in {path.suffix!r}, and data can be {KINDS}.")
    raise DataError(f"{path}: its name has no ending, and data can be {KINDS}.")


def _size(path: Path) -> int:
    """The bytes of a file, or of the files in a folder; raises OSError or ValueError."""
    if path.is_dir():
        return sum(entry.stat().st_size for entry in os.scandir(path) if entry.is_file())
    return path.stat().st_size


def _not_found(path: Path, reason: str) -> str:
    near = difflib.get_close_matches(str(path).lower(), NAMES, 1, ALIKE)
    hint = f"Data can be {KINDS}, seen from the folder that you are in."
    if near:
        hint = f"Did you mean {near[0]}?"
    return f"{path}: cannot be found ({reason}). {hint}"
