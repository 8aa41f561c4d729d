"""Data sets by name: digits, which scikit-learn carries, and MNIST and others from OpenML; all cached."""

import re
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mlpcli.datasets import cache
from mlpcli.datasets.table import Table, compact, table, with_test
from mlpcli.errors import DataError
from mlpcli.messages import Notify

MNIST_TEST = 10_000  # the last rows of mnist_784, the test set that everyone has
INSTEAD = "Without a network, name local files: a folder of IDX files, an .npz or a .csv."


def digits(notify: Notify) -> Table:
    """The 1,797 images of 8 × 8 pixels that scikit-learn carries."""
    return _cached("digits", "digits", notify, _load_digits)


def mnist(notify: Notify) -> Table:
    """MNIST from OpenML (mnist_784, version 1): 60,000 rows, and the last 10,000 as its own test rows."""
    rows = openml("mnist_784@1", notify)
    if len(rows.x) <= MNIST_TEST:
        raise DataError(
            f"mnist: {len(rows.x):,} rows came, not 70,000. Delete {cache.folder()} and try again."
        )
    rest, last = slice(None, -MNIST_TEST), slice(-MNIST_TEST, None)
    return with_test(_part(rows, "mnist", rest), _part(rows, "mnist (its last 10,000 rows)", last))


def openml(spec: str, notify: Notify) -> Table:
    """NAME or NAME@VERSION from OpenML, every feature numeric."""
    where = f"openml:{spec}"
    match = re.fullmatch(r"([\w.,()+-]+)(?:@([0-9]{1,9}))?", spec)
    if not match:
        raise DataError(
            f"{where}: is not a name. Write openml:NAME or openml:NAME@VERSION, as on openml.org."
        )
    name, version = match[1].lower(), int(match[2]) if match[2] else "active"
    return _cached(
        f"openml-{name}@{version}", where, notify, lambda: _fetch(where, name, version, notify)
    )


def _cached(key: str, where: str, notify: Notify, make: Callable[[], Table]) -> Table:
    rows = cache.load(key, where)
    if rows is None:
        rows = make()
        if problem := cache.store(key, rows):
            notify(problem)
    return rows


def _part(rows: Table, where: str, places: slice) -> Table:
    return replace(rows, where=where, x=rows.x[places], labels=rows.labels[places])


def _load_digits() -> Table:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return table("digits", bunch.images.astype(np.uint8), bunch.target)


def _fetch(where: str, name: str, version: int | str, notify: Notify) -> Table:
    """Fetch and parse with scikit-learn, in a folder that is gone afterwards: only the table is kept."""
    from sklearn.datasets import fetch_openml

    notify(
        f"Fetching {name} from OpenML. Parsing a large set takes minutes; it is kept for the next time."
    )
    try:
        with tempfile.TemporaryDirectory() as home, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # retries, and remarks on the set's status
            bunch = fetch_openml(
                name, version=version, as_frame=False, parser="liac-arff", data_home=home
            )
    except Exception as error:  # whatever a server's answer makes of its parsers
        raise DataError(
            f"{where}: could not be fetched from openml.org ({_said(error)}). {INSTEAD}"
        ) from error
    return _from_bunch(where, bunch)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _from_bunch(where: str, bunch: Any) -> Table:
    nominal = [name for name in bunch.feature_names if name in (bunch.categories or {})]
    if nominal:
        raise DataError(
            f"{where}: the feature {nominal[0]!r} is not numeric; only numbers can be learnt from."
        )
    if bunch.target is None:
        raise DataError(f"{where}: has no label column of its own, so there is nothing to learn.")
    if not isinstance(bunch.data, np.ndarray):
        raise DataError(f"{where}: is sparse; only dense data can be learnt from.")
    labels = bunch.target.astype(np.str_) if bunch.target.dtype == object else bunch.target
    return table(where, compact(bunch.data), labels)
