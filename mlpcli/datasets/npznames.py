"""Which arrays of an .npz file are features, and which are labels, by the names that people use."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mlpcli.arrays import Raw
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words

MAX_SHOWN = 60  # characters of an array's name in a message
FEATURES = {"x": "y", "data": "target", "features": "labels", "images": "labels"}  # with labels
LABELS = {"y": "x", "target": "data", "targets": "data", "labels": "x", "label": "x"}
KIND = "|".join([*FEATURES, *LABELS])
SUBSETS = {"val": "validation", "valid": "validation", "training": "train"}  # else as they are
SUBSET = "training|train|test|validation|valid|val"
NAME = re.compile(
    rf"(?P<kind>{KIND})(?:[_.\- ]?(?P<subset>{SUBSET}))?"
    rf"|(?P<subset_first>{SUBSET})[_.\- ]?(?P<kind_last>{KIND})",
    re.IGNORECASE,
)
UNNAMED = re.compile(r"arr_\d+")


class Pair(NamedTuple):
    """The names of the arrays of features and of labels of some rows."""

    x: str
    y: str


@dataclass(frozen=True)
class Pairs:
    """The names of the arrays that are read."""

    rows: Pair
    test: Pair | None = None
    validation: Pair | None = None

    def others(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are not read, cut if they are long."""
        read = {name for pair in (self.rows, self.test, self.validation) if pair for name in pair}
        return [name[:MAX_SHOWN] for name in sorted(set(names) - read)]


class _Subset(NamedTuple):
    """The names that may be features, and those that may be labels, of some rows."""

    x: list[str]
    y: list[str]


def find_pairs(path: Path, arrays: Mapping[str, Raw]) -> Pairs:
    """The arrays of rows, and of test and validation rows if there are any.

    Raises DataError if some are missing, or if it is not clear which they are.
    """
    subsets = _subsets(arrays)
    if not subsets and UNNAMED.fullmatch(min(arrays, default="")):
        return _unnamed(path, arrays)
    if "train" in subsets and "" in subsets:
        names = names_in_words([_shown(subsets[""]), _shown(subsets["train"])])
        raise DataError(f"{path}: has rows twice: {names}. Keep those to train on.")
    pairs = {name: _pair(path, arrays, subset) for name, subset in subsets.items()}
    rows = pairs.get("train") or pairs.get("")
    if rows is None and len(pairs) == 1:
        (rows,) = pairs.values()
        return Pairs(rows)
    if rows is None:
        raise DataError(_missing(path, arrays, "x", Pair("x", "y")))
    return Pairs(rows, pairs.get("test"), pairs.get("validation"))


def find_features(path: Path, arrays: Mapping[str, Raw]) -> str:
    """The one array that features to predict can be.

    Raises DataError if there is none, or if there are several.
    """
    if len(arrays) == 1:
        return next(iter(arrays))
    names = [name for subset in _subsets(arrays).values() for name in subset.x]
    if not names and UNNAMED.fullmatch(min(arrays, default="")):
        names = [_unnamed(path, arrays).rows.x]
    if not names:
        raise DataError(f"{path}: has no array 'x'; it holds {_held(arrays)}. Save features as x.")
    if len(names) > 1:
        raise DataError(
            f"{path}: has several arrays of features: {_listed(names)}. Keep one of them in a file."
        )
    return names[0]


def _subsets(names: Iterable[str]) -> dict[str, _Subset]:
    """What the names say, by the subset: "", train, test or validation."""
    subsets: dict[str, _Subset] = {}
    for name in sorted(names):
        match = NAME.fullmatch(name)
        if match is None:
            continue
        word = (match["subset"] or match["subset_first"] or "").lower()
        subset = subsets.setdefault(SUBSETS.get(word, word), _Subset([], []))
        is_features = (match["kind"] or match["kind_last"]).lower() in FEATURES
        (subset.x if is_features else subset.y).append(name)
    return subsets


def _pair(path: Path, arrays: Mapping[str, Raw], subset: _Subset) -> Pair:
    """The two arrays of a subset; raises DataError unless there are one of each."""
    for names, what in ((subset.x, "features"), (subset.y, "labels")):
        if len(names) > 1:
            raise DataError(
                f"{path}: has several arrays that can be {what}: {_listed(names)}. "
                "Keep one of them in the file."
            )
    if not subset.x:
        y = subset.y[0]
        x = _partner(y)
        raise DataError(_missing(path, arrays, x, Pair(x, y)))
    if not subset.y:
        x = subset.x[0]
        y = _partner(x)
        raise DataError(_missing(path, arrays, y, Pair(x, y)))
    return Pair(subset.x[0], subset.y[0])


def _partner(name: str) -> str:
    """The name of the labels that go with features, or the other way round."""
    match = NAME.fullmatch(name)
    assert match is not None
    group = "kind" if match["kind"] else "kind_last"
    start, end = match.span(group)
    kind = name[start:end]
    partner = (FEATURES | LABELS)[kind.lower()]
    return name[:start] + (partner.upper() if kind.isupper() else partner) + name[end:]


def _missing(path: Path, arrays: Mapping[str, Raw], missing: str, pair: Pair) -> str:
    return (
        f"{path}: has no array {missing!r}; it holds {_held(arrays)}. "
        f"Save features as {pair.x} and labels as {pair.y}."
    )


def _held(arrays: Mapping[str, Raw]) -> str:
    return _listed(sorted(arrays)) or "nothing"


def _listed(names: Iterable[str]) -> str:
    return names_in_words([name[:MAX_SHOWN] for name in names])


def _shown(subset: _Subset) -> str:
    return _listed([*subset.x, *subset.y])


def _unnamed(path: Path, arrays: Mapping[str, Raw]) -> Pairs:
    """Arrays that were saved without names: x, y or x_train, y_train, x_test, y_test."""
    names = [f"arr_{index}" for index in range(len(arrays))]
    if set(arrays) == set(names) and len(names) in (2, 4):
        pairs = [Pair(*names[start : start + 2]) for start in range(0, len(names), 2)]
        if all(_belong_together(arrays[pair.x], arrays[pair.y]) for pair in pairs):
            return Pairs(*pairs)
    raise DataError(
        f"{path}: has arrays without names, {_held(arrays)}, and it is not clear which of them are "
        "features and which are labels. Save them by name: numpy.savez(path, x=x, y=y)."
    )


def _belong_together(x: Raw, y: Raw) -> bool:
    """Whether these can be features (N,…) and their labels (N), (N,1) or one-hot (N,K)."""
    return x.ndim > 1 and y.ndim in (1, 2) and len(x) == len(y)
