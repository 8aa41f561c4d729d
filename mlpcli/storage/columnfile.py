"""The columns in a model file's header, and the encoding that they describe.

The header has a list of all columns of the source in order, or null for numbers without names:

    {"name": "age", "kind": "number", "value": 0, "edges": [17, 28, 37, 48, 90], "bins": 6, …}
    {"name": "job", "kind": "category", "levels": ["clerk", "farmer"], "places": [14, 15]}
    {"name": "id", "kind": "ignored"}, {"name": "income", "kind": "label"}

Each number is a place of the network's input: `value` that of the number itself, `bins` that of the
first bin, where a bin of the edges l and r is t = (v − l)/(r − l) limited to [0, 1]; `places` those
of the levels, −1 for none; `missing` that of 1 for a missing cell, where all others are 0.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias, cast, get_args

from mlpcli.arrays import Raw
from mlpcli.preprocessing.columns import Column, Kind, unnamed_numbers
from mlpcli.preprocessing.encoding import NOWHERE, Encoding, Inputs, Preprocessing
from mlpcli.preprocessing.scaling import Scaling

KINDS = get_args(Kind)
Record: TypeAlias = dict[str, Any]


def described(columns: Sequence[Column], preprocessing: Preprocessing) -> list[Record] | None:
    """The columns with their places, as JSON has them; None for numbers without names."""
    if not isinstance(preprocessing, Encoding):
        if not columns:
            return None
        inputs = iter([Inputs(value=place) for place in range(preprocessing.n_raw)])
        return [_record(column, next(inputs) if column.is_feature else None) for column in columns]
    if not columns:
        columns = unnamed_numbers(preprocessing.n_raw)
    inputs = iter(preprocessing.inputs)
    return [_record(column, next(inputs) if column.is_feature else None) for column in columns]


def _record(column: Column, inputs: Inputs | None) -> Record:
    """One column; places that it does not have are left out."""
    record: Record = {"name": column.name, "kind": column.kind}
    if inputs is None:
        return record
    if column.levels:
        record["levels"] = list(column.levels)
    if inputs.levels:
        record["places"] = list(inputs.levels)
    if inputs.edges:
        record["edges"] = list(inputs.edges)
        record["bins"] = inputs.bins
    for key in ("value", "missing"):
        place = getattr(inputs, key)
        if place != NOWHERE:
            record[key] = place
    return record


def parsed(records: object, offset: Raw, scale: Raw) -> tuple[tuple[Column, ...], Preprocessing]:
    """The columns and the preprocessing that a header describes, with offset and scale (D).

    A list of names is what version 1 has. Raises ValueError for what is no description.
    """
    D = len(offset)
    scaling = Scaling(offset, scale)
    if records is None or records == []:
        return (), scaling
    if not isinstance(records, list):
        raise ValueError("they are no list")
    if all(isinstance(name, str) for name in records):
        if len(records) != D:
            return (), scaling
        return tuple(Column(name, "number") for name in records), scaling
    columns = tuple(_column(record) for record in records)
    pairs = zip(columns, records, strict=True)
    inputs = tuple(_inputs(column, record) for column, record in pairs if column.is_feature)
    if inputs == tuple(Inputs(value=place) for place in range(D)):
        return columns, scaling
    _check_places(inputs, D)
    return columns, Encoding(inputs, offset, scale)


def _column(record: object) -> Column:
    if not isinstance(record, dict):
        raise ValueError(f"{record!r:.60} is no table")
    name, kind = record.get("name"), record.get("kind")
    if not isinstance(name, str) or kind not in KINDS:
        raise ValueError(f"a column has the name {name!r:.60} and the kind {kind!r:.60}")
    levels = _list(record, "levels")
    if not all(isinstance(level, str) for level in levels) or len(set(levels)) < len(levels):
        raise ValueError(f"the levels of {name!r:.60} are not distinct texts")
    return Column(name, cast(Kind, kind), tuple(levels))


def _inputs(column: Column, record: Record) -> Inputs:
    edges = _edges(column, _list(record, "edges"))
    places = tuple(_place(place) for place in _list(record, "places"))
    if places and len(places) != len(column.levels):
        raise ValueError(f"{column.name!r:.60} has {len(places):,} places for its levels")
    bins = _place(record.get("bins", NOWHERE))
    if edges and bins == NOWHERE:
        raise ValueError(f"the bins of {column.name!r:.60} have no place")
    value, missing = (_place(record.get(key, NOWHERE)) for key in ("value", "missing"))
    return Inputs(value, edges, bins, places, missing)


def _list(record: Record, key: str) -> list[Any]:
    found = record.get(key, [])
    if not isinstance(found, list):
        raise ValueError(f"{key} is no list")
    return found


def _edges(column: Column, edges: list[Any]) -> tuple[float, ...]:
    """The edges of bins, which rise; raises ValueError if they do not."""
    numbers = all(type(edge) in (int, float) and math.isfinite(edge) for edge in edges)
    if not numbers or any(right <= left for left, right in pairwise(edges)):
        raise ValueError(f"the edges of {column.name!r:.60} are not numbers that rise")
    if len(edges) == 1:
        raise ValueError(f"{column.name!r:.60} has one edge, and a bin needs two")
    return tuple(map(float, edges))


def _place(place: object) -> int:
    if type(place) is not int or not NOWHERE <= place < 2**31:
        raise ValueError(f"{place!r:.60} is no place")
    return place


def _check_places(inputs: Sequence[Inputs], D: int) -> None:
    """Raise ValueError unless every place is one of D, and is filled by one column alone."""
    filled: set[int] = set()
    for each in inputs:
        places = set(each.places)
        if places & filled or not places <= set(range(D)):
            raise ValueError(f"places are filled twice, or are none of the {D:,} inputs")
        filled |= places
