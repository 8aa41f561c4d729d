"""Data sets by name: digits from scikit-learn, MNIST and others from OpenML; all are cached."""

import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.datasets import cache, openmlfiles
from mlpcli.datasets.labels import label_column
from mlpcli.datasets.openmlfiles import Columns
from mlpcli.datasets.table import Table, as_uint8_if_lossless, checked_table, with_test
from mlpcli.errors import DataError
from mlpcli.messages import Notify, announce_reading, names_in_words
from mlpcli.preprocessing.columns import Column

MNIST_TEST = 10_000  # the last rows of mnist_784 are the test set that everyone uses
INSTEAD = "Without a network, name local files: a folder of IDX files, an .npz or a .csv."
MAX_REASON = 200  # characters of what another library says


def digits(notify: Notify) -> Table:
    """The 1,797 images of 8 × 8 pixels that scikit-learn includes."""
    if cache.danger():
        return _load_digits()
    return _cached("digits", "digits", notify, _load_digits)


def mnist(notify: Notify) -> Table:
    """MNIST from OpenML (mnist_784, version 1): 60,000 rows, and 10,000 test rows of its own.

    Raises DataError if it cannot be fetched, or is not whole.
    """
    table = openml("mnist_784@1", notify)
    if table.n_rows <= MNIST_TEST:
        raise DataError(
            f"mnist: {table.n_rows:,} rows came, not 70,000. Delete {cache.folder()} and try again."
        )
    train = _rows(table, "mnist", slice(None, -MNIST_TEST))
    test = _rows(table, "mnist (its last 10,000 rows)", slice(-MNIST_TEST, None))
    return with_test(train, test)


def openml(spec: str, notify: Notify) -> Table:
    """A data set from OpenML by NAME or NAME@VERSION, with numbers and categories.

    Notes say what is left out. Raises DataError if it cannot be fetched, or cannot be learnt from.
    """
    origin = f"openml:{spec}"
    match = re.fullmatch(r"([\w.,()+-]+)(?:@([0-9]{1,9}))?", spec)
    if not match:
        raise DataError(
            f"{origin}: is not a name. Write openml:NAME or openml:NAME@VERSION, as on openml.org."
        )
    name = match[1].lower()
    version: int | str = "active"
    if match[2]:
        version = int(match[2])

    def fetch() -> Table:
        return _fetch(origin, name, version, notify)

    return _cached(f"openml-{name}@{version}", origin, notify, fetch)


def _cached(key: str, origin: str, notify: Notify, make: Callable[[], Table]) -> Table:
    """The table from the cache, or else made, and kept for the next time.

    Raises DataError if others can write to the cache.
    """
    danger = cache.danger()
    if danger:
        raise DataError(danger)
    announce_reading(origin, cache.size(key), notify)
    table = cache.load(key, origin)
    if table is not None:
        return table
    table = make()
    problem = cache.store(key, table)
    if problem:
        notify(problem)
    return table


def _rows(table: Table, origin: str, indices: slice) -> Table:
    return replace(table, origin=origin, x=table.x[indices], labels=table.labels[indices])


def _load_digits() -> Table:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return checked_table("digits", bunch.images.astype(np.uint8), bunch.target)


def _fetch(origin: str, name: str, version: int | str, notify: Notify) -> Table:
    """Fetch and parse with scikit-learn, in a temporary folder: only the table is kept."""
    notify(
        f"Fetching {name} from OpenML. Parsing a large set takes minutes; "
        "it is kept for the next time."
    )
    try:
        with tempfile.TemporaryDirectory() as home, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about retries and the set's status
            read = _download(name, version, home)
    except Exception as error:  # a server's answer may make its parsers fail in any way
        raise DataError(
            f"{origin}: could not be fetched from openml.org ({_reason(error)}). {INSTEAD}"
        ) from error
    if read is None:
        raise DataError(
            f"{origin}: has no label column of its own, or several, so there is nothing to learn."
        )
    if not isinstance(read.x, np.ndarray):
        raise DataError(
            f"{origin}: is sparse, that is, in a form for rows that are mostly zeros; "
            "only dense data can be learnt from."
        )
    return _table(origin, read)


def _download(name: str, version: int | str, home: str) -> Columns | None:
    """What scikit-learn reads of a set, or else what is in the files that it downloads."""
    from sklearn.datasets import fetch_openml

    fetch = partial(fetch_openml, name, version=version, parser="liac-arff", data_home=home)
    try:
        return _from_bunch(fetch(as_frame=False))
    except Exception:
        if not openmlfiles.has_what_is_not_taken(Path(home)):
            raise
    try:
        fetch(as_frame=True, target_column=None)  # downloads, and then asks for pandas
    except ImportError:
        pass
    except Exception as error:
        if not type(error).__module__.endswith("_arff"):  # its parser takes no dates
            raise
    return openmlfiles.read(Path(home))


def _reason(error: Exception) -> str:
    """What another library's error says, in one line of bounded length."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:MAX_REASON]}"


def _from_bunch(bunch: Any) -> Columns | None:
    """What fetch_openml returned; None if not exactly one column is the label."""
    labels = bunch.target
    if labels is None or labels.size != len(labels):
        return None
    if labels.dtype == object:
        labels = label_column(*_distinct(labels))
    (label,) = bunch.target_names
    return Columns(bunch.data, bunch.feature_names, bunch.categories or {}, label, labels, [], 0)


def _table(origin: str, read: Columns) -> Table:
    """The table of what was read; raises DataError if it cannot be learnt from."""
    columns = [
        Column(name, "category", tuple(read.levels[name]))
        if name in read.levels
        else Column(name, "number")
        for name in read.names
    ]
    x = read.x if read.levels else as_uint8_if_lossless(read.x)
    table = checked_table(origin, x, read.labels)
    table = replace(table, notes=(*table.notes, *_left_out(origin, read)))
    if table.image:
        return table  # pixels need no names
    return replace(table, columns=(*columns, Column(read.label, "label")))


def _left_out(origin: str, read: Columns) -> Iterator[str]:
    if read.left_out:
        names = names_in_words(read.left_out)
        yield f"{origin}: these columns hold text or dates, and are left out: {names}."
    if read.n_without_label:
        n_rows = len(read.x) + read.n_without_label
        yield (
            f"{origin}: {read.n_without_label:,} of {n_rows:,} rows have no label in "
            f"{read.label}, and are left out."
        )


def _distinct(labels: Raw) -> tuple[list[str], Raw]:
    """The distinct texts of labels (N), and for each label the index of its text (N)."""
    index_of: dict[str, int] = {}
    indices = [index_of.setdefault(str(label), len(index_of)) for label in labels.reshape(-1)]
    return list(index_of), np.array(indices)
