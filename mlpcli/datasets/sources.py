"""Sources: the name of a data set, or the path of a file or folder, read as a table."""

import difflib
import os
import re
from dataclasses import replace
from pathlib import Path

from mlpcli.datasets import arrowtable, csvfile, idx, named, npz
from mlpcli.datasets.fitting import fitted
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.messages import Notify, announce_reading, system_reason

NAMES = ("digits", "mnist")
OPENML = "openml:"
CSV = (".csv", ".tsv", ".txt", ".data")  # any of them may be gzipped
ARROW = (".parquet", ".pq", ".feather", ".arrow")
KINDS = (
    "digits, mnist, openml:NAME, a folder of IDX files, or a file: .npz, .csv, .tsv, .txt or .data "
    "(.gz too), .parquet, .feather or .arrow"
)
SHEET = "Save the sheet as CSV"
FRAME = "In Python: import pandas; pandas.{}.to_csv('data.csv', index=False)"
ARRAY = "Save features and labels together: numpy.savez('data.npz', x=x, y=y)"
INSTEAD = {  # what to do with a file of another kind, by its ending
    ".npy": f"It holds one array, and rows need labels. {ARRAY}",
    ".xlsx": SHEET,
    ".xls": SHEET,
    ".ods": SHEET,
    ".json": FRAME.format("read_json('{name}')"),
    ".jsonl": FRAME.format("read_json('{name}', lines=True)"),
    ".ndjson": FRAME.format("read_json('{name}', lines=True)"),
    ".sav": FRAME.format("read_spss('{name}')"),
    ".dta": FRAME.format("read_stata('{name}')"),
    ".sas7bdat": FRAME.format("read_sas('{name}')"),
    ".arff": "Make it a CSV file: one line with the names of its attributes, separated by commas, "
    "and below it the lines that follow @DATA. If the set is on openml.org, name openml:NAME",
    ".mat": f"In Python, scipy.io.loadmat reads it. {ARRAY}",
    ".h5": f"In Python, h5py reads it. {ARRAY}",
    ".hdf5": f"In Python, h5py reads it. {ARRAY}",
    ".pkl": f"Such a file can run any code when it is opened, so it never is. {ARRAY}",
    ".pickle": f"Such a file can run any code when it is opened, so it never is. {ARRAY}",
    ".zip": "Unpack it first, and name what is inside",
    ".tar": "Unpack it first, and name what is inside",
    ".gz": "Unpack it first, with gunzip; IDX files are named by their folder, and may be packed",
}
ALIKE = 0.7  # of difflib: how alike a name and a path must be to ask whether it was meant


def is_path(source: str) -> bool:
    """Whether a source is a path of a file or folder, and not the name of a data set."""
    return source not in NAMES and not source.startswith(OPENML)


def short_name(source: str) -> str:
    """A source in one word, fit for a folder's name."""
    if is_path(source):
        path = Path(os.path.abspath(source))
        return Path(path.stem).stem if _is_packed_csv(path) else path.stem
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
    if "://" in source:
        raise DataError(
            f"{source}: is an address; only files on this machine are read. Fetch it first."
        )
    if not is_path(source):
        return fitted(_read_named(source, notify), options)
    try:
        return _read_path(Path(os.path.expanduser(source)), options, notify)
    except UnreadableFileError as error:
        raise DataError(str(error)) from error


def _read_named(source: str, notify: Notify) -> Table:
    if source == "digits":
        return named.digits(notify)
    if source == "mnist":
        return named.mnist(notify)
    return named.openml(source.removeprefix(OPENML), notify)


def _read_path(path: Path, options: ReadingOptions, notify: Notify) -> Table:
    """Read a folder, or a file by the ending of its name."""
    try:
        announce_reading(path, _size(path), notify)
    except OSError as error:
        raise DataError(_not_found(path, system_reason(error))) from error
    except ValueError as error:  # a NUL byte
        raise DataError(_not_found(path, str(error))) from error
    table = _read_found(path, options)
    if options.columns:
        return table
    return replace(table, notes=(*table.notes, *_note_test_file(path)))


def _read_found(path: Path, options: ReadingOptions) -> Table:
    """Read what is there, by the ending of its name."""
    if path.is_dir():
        return fitted(idx.read_folder(path), options)
    ending = path.suffix.lower()
    if ending == ".npz":
        return fitted(npz.read(path), options)
    if ending in CSV or _is_packed_csv(path):
        return csvfile.read(path, options)
    if ending in ARROW:
        return arrowtable.read(path, options)
    if ending in INSTEAD:
        advice = INSTEAD[ending].replace("{name}", path.name)
        raise DataError(f"{path}: files that end in {ending} are not read. {advice}.")
    if ending:
        raise DataError(f"{path}: its name ends in {path.suffix!r}, and data can be {KINDS}.")
    raise DataError(f"{path}: its name has no ending, and data can be {KINDS}.")


def _is_packed_csv(path: Path) -> bool:
    """Whether a name ends as that of a gzipped CSV file."""
    return path.suffix.lower() == ".gz" and Path(path.stem).suffix.lower() in CSV


def _note_test_file(path: Path) -> list[str]:
    """What to say if a file of test rows lies beside one of training rows."""
    name = re.sub("train", _test_like, path.name, flags=re.IGNORECASE)
    if name == path.name or path.is_dir() or not (path.parent / name).is_file():
        return []
    test = path.parent / name
    return [f"{name} lies beside {path}. To score its rows: --set data.test={test}"]


def _test_like(match: re.Match[str]) -> str:
    """The word test, in capitals if the word that is matched is."""
    if match[0].isupper():
        return "TEST"
    return "Test" if match[0][0].isupper() else "test"


def _size(path: Path) -> int:
    """The bytes of a file, or of the files in a folder; raises OSError or ValueError."""
    if path.is_dir():
        with os.scandir(path) as entries:
            return sum(entry.stat().st_size for entry in entries if entry.is_file())
    return path.stat().st_size


def _not_found(path: Path, reason: str) -> str:
    near = difflib.get_close_matches(str(path).lower(), NAMES, 1, ALIKE)
    hint = f"Data can be {KINDS}, seen from the folder that you are in."
    if near:
        hint = f"Did you mean {near[0]}?"
    return f"{path}: cannot be found ({reason}). {hint}"
