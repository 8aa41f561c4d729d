"""The files that fetch_openml has downloaded, read where it does not go on.

It takes no text, no date and no missing label if it is to give arrays. Its files are then there:
OpenML's answers in JSON, and the data in ARFF.
"""

import json
import re
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlpcli.arrays import Floats, Raw
from mlpcli.datasets.csvtext import file_blocks
from mlpcli.datasets.labels import LabelColumn, label_column

USED = ("numeric", "nominal")  # what OpenML calls types of columns that can be learnt from
MAX_ANSWER = 1 << 26  # characters of an answer in JSON
DATE = re.compile(r"(\s*@attribute\s+(?:'[^']*'|\"[^\"]*\"|\S+)\s+)date\b.*", re.I | re.S)
DATA = re.compile(r"\s*@data\b", re.I)


class Columns(NamedTuple):
    """What was read: columns with their names and levels, and labels."""

    x: Floats  # (N,D), a nominal cell by the index of its level
    names: list[str]
    levels: dict[str, list[str]]  # of the nominal columns
    label: str  # the label's name
    labels: Raw | LabelColumn
    left_out: list[str]  # columns of text or dates
    n_without_label: int  # rows, which are left out


class _Feature(NamedTuple):
    """What OpenML says of a column."""

    place: int  # from 0
    name: str
    type: str
    is_target: bool
    is_used: bool
    n_missing: int


def has_what_is_not_taken(home: Path) -> bool:
    """Whether a column is of text or dates, or a label is missing, by the files in this folder."""
    try:
        features = _features(home)
    except (ValueError, KeyError, TypeError):
        return False
    missing = [feature for feature in features if feature.is_target and feature.n_missing]
    return bool(missing) or any(feature.type not in USED for feature in features)


def read(home: Path) -> Columns | None:
    """The columns of the data in this folder; None if not exactly one is the label.

    Raises errors of many kinds, ValueError and scikit-learn's own among them, for damaged files.
    """
    from sklearn.externals import _arff

    features = _features(home)
    targets = [feature for feature in features if feature.is_target]
    if len(targets) != 1:
        return None
    (target,) = targets
    others = [feature for feature in features if feature.is_used and not feature.is_target]
    used = [feature for feature in others if feature.type in USED]
    lines = _without_dates(_lines(_data_file(home)))
    container = _arff.load(lines, encode_nominal=True, return_type=_arff.DENSE_GEN)
    levels = {name: kind for name, kind in container["attributes"] if isinstance(kind, list)}
    cells = _cells(container["data"], [*(feature.place for feature in used), target.place])
    has_label = ~np.isnan(cells[:, -1])
    kept = cells[has_label]
    labels: Raw | LabelColumn = kept[:, -1]
    if target.name in levels:
        labels = label_column(levels[target.name], kept[:, -1].astype(np.intp))
    return Columns(
        x=np.ascontiguousarray(kept[:, :-1]),
        names=[feature.name for feature in used],
        levels={feature.name: levels[feature.name] for feature in used if feature.name in levels},
        label=target.name,
        labels=labels,
        left_out=[feature.name for feature in others if feature.type not in USED],
        n_without_label=len(cells) - len(kept),
    )


def _cells(rows: Iterable[list[Any]], indices: list[int]) -> Floats:
    """These cells of all rows (N,columns), NaN where there is nothing."""
    if len(indices) == 1:
        flat: Iterable[Any] = (row[indices[0]] for row in rows)
    else:
        flat = chain.from_iterable(map(itemgetter(*indices), rows))
    return np.fromiter(flat, np.float64).reshape(-1, len(indices))


def _features(home: Path) -> list[_Feature]:
    """What OpenML says of the columns, in their order; raises ValueError if it is not there."""
    for path in sorted(home.rglob("*.gz")):
        text = _beginning(path, MAX_ANSWER)
        if text.startswith("{"):
            answer = json.loads(text)
            if "data_features" in answer:
                return sorted(map(_feature, answer["data_features"]["feature"]))
    raise ValueError("no answer says what the columns are")


def _feature(said: dict[str, str]) -> _Feature:
    is_left_out = "true" in (said["is_ignore"], said["is_row_identifier"])
    return _Feature(
        place=int(said["index"]),
        name=said["name"],
        type=said["data_type"],
        is_target=said["is_target"] == "true",
        is_used=not is_left_out,
        n_missing=int(said["number_of_missing_values"]),
    )


def _data_file(home: Path) -> Path:
    """The file that is none of the answers; raises ValueError if it is not there."""
    for path in sorted(home.rglob("*.gz")):
        if not _beginning(path, 1).startswith("{"):
            return path
    raise ValueError("the data was not downloaded")


def _beginning(path: Path, length: int) -> str:
    """The first blocks of a text, of so many bytes or a little more."""
    text = b""
    for block in file_blocks(path):
        text += block
        if len(text) >= length:
            break
    return text.decode().lstrip()


def _lines(path: Path) -> Iterator[str]:
    for block in file_blocks(path):
        yield from StringIO(block.decode())


def _without_dates(lines: Iterator[str]) -> Iterator[str]:
    """The lines of an ARFF file with its dates as texts, which scikit-learn's parser takes."""
    for line in lines:
        yield DATE.sub(r"\1STRING", line)
        if DATA.match(line):
            yield from lines
