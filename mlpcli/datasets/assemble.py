"""From tables to a data set: rows split into three, and what is learnt on the training rows."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlpcli.arrays import Index
from mlpcli.datasets.checks import checked
from mlpcli.datasets.classes import class_names, encode
from mlpcli.datasets.dataset import Dataset, Rows, all_rows
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.rowweights import ClassWeight, row_weights
from mlpcli.datasets.sources import read
from mlpcli.datasets.splits import only_trained_on, split
from mlpcli.datasets.table import Table, check_features_match, check_room, fingerprint
from mlpcli.errors import DataError
from mlpcli.messages import Notify, names_in_words
from mlpcli.preprocessing.columns import feature_columns
from mlpcli.preprocessing.encoding import Preprocessing
from mlpcli.preprocessing.pipeline import Settings, learn

BYTES_PER_ROW = 64  # in memory, at most, while rows are split: labels, indices and their copies
BYTES_PER_COLUMN, BYTES_PER_BIN = 700, 100  # at most, of what is learnt of a column in an encoding


@dataclass(frozen=True)
class Sources:
    """The tables of a run: the rows, and other ones to choose or to score by, if there are any."""

    source: str  # what the user named
    table: Table
    validation: Table | None = None
    test: Table | None = None


def read_sources(
    source: str,
    options: ReadingOptions,
    validation: float | str,
    test: float | str,
    notify: Notify,
) -> Sources:
    """Read a source, and the others that `validation` and `test` name, if they are no fractions.

    Raises DataError if a source cannot be read, or cannot be learnt from.
    """
    table = checked(read(source, options, notify), options)
    _check_distinct({"data.source": source, "data.validation": validation, "data.test": test})
    options = replace(options, columns=table.columns)
    own_validation = _read_own("data.validation", validation, options, notify)
    own_test = _read_own("data.test", test, options, notify)
    for other in (own_validation, own_test):
        if other:
            table = replace(table, notes=(*table.notes, *other.notes))
    return Sources(source, table, own_validation, own_test)


def _read_own(
    key: str, value: float | str, options: ReadingOptions, notify: Notify
) -> Table | None:
    """The table of a source that a setting names; None for a fraction."""
    if not isinstance(value, str):
        return None
    try:
        table = read(value, options, notify)
    except DataError as error:
        raise DataError(f"{key}: {error}") from error
    return replace(table, notes=tuple(f"{key}: {note}" for note in table.notes))


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
    sources: Sources,
    rng: np.random.Generator,
    *,
    validation: float,
    test: float,
    settings: Settings,
    class_weight: ClassWeight = "none",
) -> Dataset:
    """Split rows into training, validation and test rows, and learn the columns' encoding.

    Args:
        sources: The tables. Where one has validation or test rows, that fraction is not used.
        rng: Draws the rows of the split.
        validation: The fraction of the rows to choose the best weights by; 0 for none.
        test: The fraction of the rows to score.
        settings: How columns are encoded; the scaling "auto" is unit for images, else standard.
        class_weight: The weight of each class's rows.

    Returns:
        The data set. Its rows share the arrays of the tables.

    Raises:
        DataError: Too few rows are left to train on, or the tables differ in features or classes.
    """
    table = _with_own_rows(sources)
    fractions = _fractions(table, validation, test)
    _check_fractions(fractions)
    for each in (table, table.test, table.validation):
        if each:
            check_room(each.origin, each.n_rows * BYTES_PER_ROW)
    classes = class_names(table)
    parts = _parts(table, classes, fractions, rng)
    settings = replace(settings, scaling=_resolved(settings.scaling, table))
    encoding = _encoding(table, parts["train"].index, settings)
    return Dataset(
        source=sources.source,
        classes=classes,
        **_weighted(parts, classes, class_weight),
        preprocessing=encoding,
        scaling_kind=settings.scaling,
        image=table.image,
        sha256=_fingerprint(sources),
        columns=table.columns,
        notes=(*table.notes, *_note_small_classes(parts["train"].labels, classes, fractions)),
    )


def _encoding(table: Table, index: Index, settings: Settings) -> Preprocessing:
    """What the rows `index` teach of the columns; raises DataError if that is nothing."""
    columns = feature_columns(table.columns)
    if columns or settings.bins:
        bytes_each = BYTES_PER_COLUMN + BYTES_PER_BIN * settings.bins
        check_room(table.origin, table.n_features * bytes_each)
    encoding = learn(columns, table.x, index, settings, together=table.image is not None)
    if not encoding.n_inputs:
        raise DataError(f"{table.origin}: no column is left to learn from: all are constant.")
    return encoding


def _with_own_rows(sources: Sources) -> Table:
    """The table, with the other sources' rows as its own validation and test rows."""
    table = sources.table
    for other in (sources.validation, sources.test):
        if other:
            check_features_match(other, table)
    if sources.test:
        table = replace(table, test=sources.test.held_out)
    if sources.validation:
        table = replace(table, validation=replace(sources.validation, test=None, validation=None))
    return table


def _fingerprint(sources: Sources) -> str:
    """That of all rows; validation rows from a source of their own are a table of their own."""
    table = sources.table
    if sources.test:
        table = replace(table, test=sources.test.held_out)
    if sources.validation:
        return fingerprint(table, sources.validation)
    return fingerprint(table)


def _fractions(table: Table, validation: float, test: float) -> dict[str, float]:
    """The fraction of each part that is drawn from the rows; none for one with a table, or 0."""
    fractions: dict[str, float] = {}
    if table.test is None:
        fractions["test"] = test
    if table.validation is None and validation:
        fractions["validation"] = validation
    return fractions


def _check_fractions(fractions: Mapping[str, float]) -> None:
    if sum(fractions.values()) >= 1:
        shares = " and ".join(f"data.{part} = {share:g}" for part, share in fractions.items())
        raise DataError(f"{shares} leave no rows to train on.")


def _parts(
    table: Table,
    classes: tuple[str, ...],
    fractions: Mapping[str, float],
    rng: np.random.Generator,
) -> dict[str, Rows]:
    """Training, validation and test rows: the tables that there are, else drawn from the rows."""
    reference = f"the training rows of {table.origin}"
    labels = encode(table, classes, reference)
    drawn = split(labels, classes, fractions, rng)
    parts = {name: Rows(table.x, labels, index, table.weights) for name, index in drawn.items()}
    if table.test is not None:
        parts["test"] = all_rows(table.test, classes, reference)
    if table.validation is not None:
        parts["validation"] = all_rows(table.validation, classes, reference)
    no_rows = np.empty(0, np.intp)
    parts.setdefault("validation", Rows(table.x, labels, no_rows, table.weights))
    return parts


def _weighted(
    parts: Mapping[str, Rows], classes: tuple[str, ...], class_weight: ClassWeight
) -> dict[str, Rows]:
    """The parts with their rows' weights, which have the mean 1 over the training rows."""
    weights = row_weights(parts, classes, class_weight)
    return {name: replace(rows, weights=weights[name]) for name, rows in parts.items()}


def _resolved(scaling: str, table: Table) -> str:
    """The kind of scaling that "auto" is for a table."""
    if scaling != "auto":
        return scaling
    if table.image:
        return "unit"
    return "standard"


def _note_small_classes(
    labels: np.ndarray, classes: tuple[str, ...], fractions: Mapping[str, float]
) -> tuple[str, ...]:
    small = only_trained_on(labels, classes, fractions)
    if not small:
        return ()
    names = names_in_words(small)
    return (f"These classes have too few rows to be split, and are trained on alone: {names}.",)
