"""Data sets by name: digits from scikit-learn, MNIST and others from OpenML; all are cached."""

import re
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.datasets import cache
from mlpcli.datasets.labels import label_column
from mlpcli.datasets.table import Table, as_uint8_if_lossless, checked_table, with_test
from mlpcli.errors import DataError
from mlpcli.messages import Notify, announce_reading

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
    """A data set from OpenML by NAME or NAME@VERSION; every feature must be numeric.

    Raises DataError if it cannot be fetched, or cannot be learnt from.
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
    from sklearn.datasets import fetch_openml

    notify(
        f"Fetching {name} from OpenML. Parsing a large set takes minutes; "
        "it is kept for the next time."
    )
    try:
        with tempfile.TemporaryDirectory() as home, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about retries and the set's status
            bunch = fetch_openml(
                name, version=version, as_frame=False, parser="liac-arff", data_home=home
            )
    except Exception as error:  # a server's answer may make its parsers fail in any way
        raise DataError(
            f"{origin}: could not be fetched from openml.org ({_reason(error)}). {INSTEAD}"
        ) from error
    return _from_bunch(origin, bunch)


def _reason(error: Exception) -> str:
    """What another library's error says, in one line of bounded length."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:MAX_REASON]}"


def _from_bunch(origin: str, bunch: Any) -> Table:
    """The table of what fetch_openml returned; raises DataError if it cannot be learnt from."""
    nominal = bunch.categories or {}
    for name in bunch.feature_names:
        if name in nominal:
            raise DataError(
                f"{origin}: the feature {name!r} is not numeric; only numbers can be learnt from."
            )
    labels = bunch.target
    if labels is None:
        raise DataError(f"{origin}: has no label column of its own, so there is nothing to learn.")
    if not isinstance(bunch.data, np.ndarray):
        raise DataError(f"{origin}: is sparse; only dense data can be learnt from.")
    if labels.dtype == object and labels.size == len(labels):
        labels = label_column(*_distinct(labels))
    return checked_table(origin, as_uint8_if_lossless(bunch.data), labels)


def _distinct(labels: Raw) -> tuple[list[str], Raw]:
    """The distinct texts of labels (N), and for each label the index of its text (N)."""
    index_of: dict[str, int] = {}
    indices = [index_of.setdefault(str(label), len(index_of)) for label in labels.reshape(-1)]
    return list(index_of), np.array(indices)
