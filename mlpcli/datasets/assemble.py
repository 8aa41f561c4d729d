"""From tables to a data set: rows split into three, and the scaling learnt on the training rows."""

import os

import numpy as np

from mlpcli.datasets.classes import class_names, encode
from mlpcli.datasets.dataset import Dataset, Rows, all_rows
from mlpcli.datasets.sources import read
from mlpcli.datasets.splits import split
from mlpcli.datasets.table import Table, check_room, fingerprint, match_table, with_test
from mlpcli.errors import DataError
from mlpcli.messages import Notify
from mlpcli.preprocessing.scaling import learn

BYTES_PER_ROW = 64  # in memory, at most, while rows are split: labels, indices and their copies


def load(
    source: str,
    rng: np.random.Generator,
    *,
    target: str,
    validation: float | str,
    test: float | str,
    scaling: str,
    notify: Notify,
) -> Dataset:
    """Read a source and assemble a data set from it.

    Args:
        source: The name of a data set, or a path.
        rng: Draws the rows of a split.
        target: The name of the label's column in a CSV file; "" for the last one.
        validation: The fraction of the rows to choose the best weights by, or a source of its own.
        test: The fraction of the rows to score, or a source of its own.
        scaling: "none", "unit", "standard" or "auto", as for `assemble`.
        notify: Is called with messages for the user.

    Raises:
        DataError: A source cannot be read, or cannot be learnt from.
    """
    table = read(source, target, notify)
    _check_distinct({"data.source": source, "data.validation": validation, "data.test": test})
    return assemble(
        source,
        table,
        rng,
        validation=_read_own("data.validation", validation, target, notify),
        test=_read_own("data.test", test, target, notify),
        scaling=scaling,
    )


def _read_own(key: str, value: float | str, target: str, notify: Notify) -> float | Table:
    """The table of a source that a setting names; a fraction is returned as it is."""
    if not isinstance(value, str):
        return value
    try:
        return read(value, target, notify)
    except DataError as error:
        raise DataError(f"{key}: {error}") from error


def _check_distinct(settings: dict[str, float | str]) -> None:
    """Raise DataError if two settings name one source.

    A score on rows that were trained on is no measure of what was learnt.
    """
    key_of: dict[str, str] = {}
    for key, value in settings.items():
        if not isinstance(value, str):
            continue
        try:
            place = os.path.realpath(os.path.expanduser(value))
        except ValueError as error:  # a NUL byte
            raise DataError(f"{key}: {value!r} cannot be found ({error}).") from error
        if place in key_of:
            raise DataError(
                f"{key_of[place]} and {key} both name {value}. Each must have rows of its own."
            )
        key_of[place] = key


def assemble(
    source: str,
    table: Table,
    rng: np.random.Generator,
    *,
    validation: float | Table,
    test: float | Table,
    scaling: str,
) -> Dataset:
    """Split a table into training, validation and test rows, and learn the scaling of features.

    Args:
        source: What the data set is called in messages and in what a run writes.
        table: The rows. If it has test rows of its own, a fraction `test` is not used.
        rng: Draws the rows of the split.
        validation: The fraction of the rows to choose the best weights by, or other rows.
        test: The fraction of the rows to score, or other rows.
        scaling: "none", "unit", "standard", or "auto": unit for images, else standard.

    Returns:
        The data set. Its rows share the arrays of the tables.

    Raises:
        DataError: Too few rows are left to train on, or the tables differ in features or classes.
    """
    _check_fractions(validation, test)
    if isinstance(test, Table):
        table = with_test(table, test.held_out)
    tables = [table]
    if isinstance(validation, Table):
        validation = match_table(validation, table)
        tables.append(validation)
    for each in tables:
        check_room(each.origin, (each.n_rows + each.held_out.n_rows) * BYTES_PER_ROW)
    classes = class_names(table)
    parts = _split(table, classes, validation, test, rng)
    scaling = _resolved(scaling, table)
    index = parts["train"].index
    return Dataset(
        source=source,
        classes=classes,
        **parts,
        scaling=learn(scaling, table.x, index, together=table.image is not None),
        scaling_kind=scaling,
        image=table.image,
        sha256=fingerprint(*tables),
        columns=table.columns,
    )


def _resolved(scaling: str, table: Table) -> str:
    """The kind of scaling that "auto" is for a table."""
    if scaling != "auto":
        return scaling
    if table.image:
        return "unit"
    return "standard"


def _check_fractions(validation: float | Table, test: float | Table) -> None:
    if isinstance(validation, Table) or isinstance(test, Table):
        return
    if validation + test >= 1:
        raise DataError(
            f"data.validation = {validation:g} and data.test = {test:g} leave no rows to train on."
        )


def _split(
    table: Table,
    classes: tuple[str, ...],
    validation: float | Table,
    test: float | Table,
    rng: np.random.Generator,
) -> dict[str, Rows]:
    """Training, validation and test rows: the tables that there are, else drawn from the rows."""
    reference = f"the training rows of {table.origin}"
    labels = encode(table, classes, reference)
    own: dict[str, Rows] = {}
    fractions: dict[str, float] = {}
    if table.test is not None:
        own["test"] = all_rows(table.test, classes, reference)
    elif not isinstance(test, Table):
        fractions["test"] = test
    if isinstance(validation, Table):
        own["validation"] = all_rows(validation, classes, reference)
    else:
        fractions["validation"] = validation
    drawn = split(labels, classes, fractions, rng)
    return own | {name: Rows(table.x, labels, index) for name, index in drawn.items()}
