"""An .npz file with features and labels, and maybe test and validation rows, by common names."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlpcli.arrays import SWEEP, Raw, chunks
from mlpcli.datasets.fitting import fitted_features
from mlpcli.datasets.npznames import Pair, find_features, find_pairs
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import (
    Table,
    check_features_match,
    check_room,
    check_rows,
    checked_table,
    with_test,
)
from mlpcli.messages import names_in_words
from mlpcli.storage.reading import read_npz

COLOURS = (3, 4)  # channels: red, green, blue, and maybe how opaque it is


def read(path: Path) -> Table:
    """The rows of x and y, or of arrays of other names in use, with test and validation rows.

    Notes say what was done to them, and which arrays are not read. Raises DataError if arrays are
    missing, or cannot be learnt from, or if it is not clear which to read; UnreadableFileError if
    the file is not a whole one.
    """
    arrays = read_npz(path)
    pairs = find_pairs(path, arrays)
    table = _read_pair(path, arrays, pairs.rows)
    notes = list(table.notes)
    if pairs.validation:
        validation = _read_pair(path, arrays, pairs.validation)
        check_features_match(validation, table)
        table = replace(table, validation=validation)
        notes += validation.notes
    if pairs.test:
        table = with_test(table, _read_pair(path, arrays, pairs.test))
        notes += table.held_out.notes
    others = pairs.others(arrays)
    if others:
        notes.append(f"{path}: these arrays are not read: {names_in_words(others)}.")
    return replace(table, notes=tuple(notes))


def read_features(path: Path, options: ReadingOptions) -> Raw:
    """The features x (N,D) alone, in the order of a model's columns; labels need not be there.

    Raises DataError if there are no features, several arrays of them, or other columns than the
    model's; UnreadableFileError if the file is not a whole one.
    """
    arrays = read_npz(path)
    name = find_features(path, arrays)
    origin = f"{path} ({name})"
    x, _ = _without_channels(origin, arrays[name])
    check_rows(path, len(x) if x.ndim and x.size else 0)
    no_labels = np.zeros(len(x) if x.ndim else 0, np.uint8)
    table = checked_table(origin, x, no_labels)
    return fitted_features(origin, table.x, options.columns)


def _read_pair(path: Path, arrays: Mapping[str, Raw], pair: Pair) -> Table:
    origin = f"{path} ({pair.x}, {pair.y})"
    x, channels = _without_channels(origin, arrays[pair.x])
    check_rows(path, len(x) if x.ndim and x.size else 0)
    y, one_hot = _without_one_hot(origin, arrays[pair.y])
    table = checked_table(origin, x, y)
    notes = [note for note in (channels, one_hot) if note]
    return replace(table, notes=(*table.notes, *notes))


def _without_channels(origin: str, x: Raw) -> tuple[Raw, str]:
    """Images (N,height,width) of images with channels, which come last or first, and a note.

    One channel is left out; colours are put side by side.
    """
    if x.ndim != 4:
        return x, ""
    n_rows, first, _, last = x.shape
    if last == 1:
        return x[..., 0], ""
    if first == 1:
        return x[:, 0], ""
    if last not in COLOURS and first not in COLOURS:
        return x, ""
    shape = (n_rows, first, -1) if last in COLOURS else (n_rows, -1, last)
    channels = last if last in COLOURS else first
    note = (
        f"{origin}: images have {channels} channels of colour; each value of each is a feature of "
        "its own, and the image is shown in grey with them side by side."
    )
    if 0 in x.shape:
        return x, ""
    check_room(origin, 0 if x.flags.c_contiguous else x.nbytes)
    return x.reshape(shape), note


def _without_one_hot(origin: str, y: Raw) -> tuple[Raw, str]:
    """Labels from 0 on, if each row of y (N,K) is 0 but for a single 1; and a note."""
    if y.ndim != 2 or y.shape[1] < 2 or not len(y) or y.dtype.kind not in "buif":
        return y, ""
    labels = np.empty(len(y), np.intp)
    for piece in chunks(len(y), SWEEP):
        rows = y[piece]
        is_one = rows == 1
        if not np.all(is_one | (rows == 0)) or not np.all(is_one.sum(axis=1) == 1):
            return y, ""
        labels[piece] = is_one.argmax(axis=1)
    note = f"{origin}: labels are one-hot; their classes are the places of the 1, from 0 on."
    return labels, note
