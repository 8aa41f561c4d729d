"""From a source and its settings to a Dataset."""

import difflib
import os
from pathlib import Path

import numpy as np

from mlpcli.datasets import csvfile, idx, named, npz
from mlpcli.datasets.dataset import Dataset, Rows, all_rows
from mlpcli.datasets.splits import split
from mlpcli.datasets.table import Table, alike, classes_of, encode, fingerprint, with_test
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.messages import Notify, system_reason
from mlpcli.preprocessing.scaling import learn

KINDS = "digits, mnist, openml:NAME, a folder of IDX files, an .npz file or a .csv file"
CSV = (".csv", ".tsv", ".txt")


def is_path(source: str) -> bool:
    """Whether a source names a file or folder, and not a data set."""
    return source not in ("digits", "mnist") and not source.startswith("openml:")


def short_name(source: str) -> str:
    """A source in one word, fit for a folder's name."""
    return Path(os.path.abspath(source)).stem if is_path(source) else source.removeprefix("openml:")


def absolute(source: str) -> str:
    """A source that holds from any folder: a path made absolute, a name as it is."""
    return str(Path(source).expanduser().absolute()) if is_path(source) else source


def read(source: str, target: str, notify: Notify) -> Table:
    """The table of any source; raises DataError in a sentence for what cannot be read."""
    if source == "digits":
        return named.digits(notify)
    if source == "mnist":
        return named.mnist(notify)
    if "://" in source:
        raise DataError(
            f"{source}: is an address; only files on this machine are read. Fetch it first."
        )
    if source.startswith("openml:"):
        return named.openml(source.removeprefix("openml:"), notify)
    return _read_path(Path(os.path.expanduser(source)), target)


def _read_path(path: Path, target: str) -> Table:
    try:
        path.stat()
    except (OSError, ValueError) as error:
        raise DataError(_missing(path, error)) from error
    try:
        return _read_kind(path, target)
    except UnreadableFileError as error:
        raise DataError(str(error)) from error


def _read_kind(path: Path, target: str) -> Table:
    """Read a folder or a file by its name's ending."""
    if path.is_dir():
        return idx.read_folder(path)
    if path.suffix.lower() == ".npz":
        return npz.read(path)
    if path.suffix.lower() in CSV:
        return csvfile.read(path, target)
    ending = f"ends in {path.suffix!r}" if path.suffix else "has no ending"
    raise DataError(f"{path}: its name {ending}, and data can be {KINDS}.")


def _missing(path: Path, error: OSError | ValueError) -> str:
    near = difflib.get_close_matches(str(path).lower(), ("digits", "mnist"), 1, 0.7)
    hint = (
        f"Did you mean {near[0]}?"
        if near
        else f"Data can be {KINDS}, seen from the folder that you are in."
    )
    why = system_reason(error) if isinstance(error, OSError) else error
    return f"{path}: cannot be found ({why}). {hint}"


def load(
    source: str,
    rng: np.random.Generator,
    *,
    target: str = "",
    validation: float | str = 0.1,
    test: float | str = 0.2,
    scaling: str = "auto",
    notify: Notify,
) -> Dataset:
    """Read a source, take its test and validation rows apart, and learn the scaling from the rest.

    `validation` and `test` are fractions, or paths to rows of the user's own; a fraction for
    `test` stands back where the source has test rows of its own. Scaling `auto` is `unit`
    for images and `standard` for other data.
    """
    rows = read(source, target, notify)
    _check_distinct(source, validation, test)
    if isinstance(test, str):
        rows = with_test(rows, _read_part("data.test", test, target, notify).held_out)
    own = (
        alike(_read_part("data.validation", validation, target, notify), rows)
        if isinstance(validation, str)
        else None
    )
    classes = classes_of(rows)
    train, checked, tested = _parts(rows, classes, own, validation, test, rng)
    if scaling == "auto":
        scaling = "unit" if rows.image else "standard"
    learnt = learn(scaling, rows.x, train.index, together=rows.image is not None)
    sha256 = fingerprint(rows, own)
    return Dataset(
        source, classes, train, checked, tested, learnt, scaling, rows.image, sha256, rows.columns
    )


def _read_part(key: str, source: str, target: str, notify: Notify) -> Table:
    """Rows of the user's own for one part; an error names the key."""
    try:
        return read(source, target, notify)
    except DataError as error:
        raise DataError(f"{key}: {error}") from error


def _check_distinct(source: str, validation: float | str, test: float | str) -> None:
    """Raise DataError where a part has no rows of its own: a score on rows that were learnt from is no score."""
    if not isinstance(validation, str) and not isinstance(test, str) and validation + test >= 1:
        raise DataError(
            f"data.validation = {validation:g} and data.test = {test:g} leave no rows to train on."
        )
    named = {"data.source": source, "data.validation": validation, "data.test": test}
    places: dict[str, str] = {}
    for key, value in named.items():
        try:
            place = os.path.realpath(os.path.expanduser(value)) if isinstance(value, str) else key
        except ValueError as error:  # a NUL byte
            raise DataError(f"{key}: {value!r} cannot be found ({error}).") from error
        if place in places:
            raise DataError(
                f"{places[place]} and {key} both name {value}. Each must have rows of its own."
            )
        places[place] = key


def _parts(
    rows: Table,
    classes: tuple[str, ...],
    own: Table | None,
    validation: float | str,
    test: float | str,
    rng: np.random.Generator,
) -> tuple[Rows, Rows, Rows]:
    """The training, validation and test rows: the user's or the source's own, else cut from the rows."""
    told = f"the training rows of {rows.where}"
    labels = encode(rows, classes, told)
    fractions = ([] if rows.test else [float(test)]) + ([] if own else [float(validation)])
    train, cut = split(labels, classes, fractions, rng)
    pieces = iter([Rows(rows.x, labels, part) for part in cut])
    tested = all_rows(rows.test, classes, told) if rows.test else next(pieces)
    checked = all_rows(own, classes, told) if own else next(pieces)
    return Rows(rows.x, labels, train), checked, tested
