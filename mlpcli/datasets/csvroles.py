"""What each column of a CSV file is for: the label, the weight, a feature, or nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlpcli.config import Place
from mlpcli.datasets.csvcells import as_number
from mlpcli.datasets.csvlayout import Layout
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words
from mlpcli.preprocessing.columns import Column, Kind

LABEL_NAMES = ("label", "class", "target", "y")
# The kinds of columns that rows may lack, where columns are matched by place.
UNLABELLED: tuple[tuple[Kind, ...], ...] = (
    (),
    ("label",),
    ("label", "weight"),
    ("label", "weight", "ignored"),
)
LABELLED: tuple[tuple[Kind, ...], ...] = ((), ("weight",), ("weight", "ignored"))
ABSENT = -1  # the place of an ignored column that the file does not have


@dataclass(frozen=True)
class Roles:
    """Where in the file each column stands, from 0; None for what is not there."""

    columns: tuple[Column, ...]  # all that the table has, in its order; kinds as far as known
    features: tuple[int, ...]  # of each feature among `columns`; ABSENT for one that is ignored
    label: int | None
    weight: int | None
    categorical: frozenset[int] = frozenset()  # those that are categories because the user says so
    notes: tuple[str, ...] = ()


def find_roles(origin: str, layout: Layout, options: ReadingOptions) -> Roles:
    """The roles that the options give to the file's own columns.

    Raises DataError for a column that is not there or would have two roles.
    """
    names = layout.names or ("",) * layout.width
    label = layout.width - 1
    if options.target != "":
        label = find_column(origin, layout, options.target, "data.target")
    weight = None
    if options.weight != "":
        weight = find_column(origin, layout, options.weight, "data.weight")
    ignored = {find_column(origin, layout, place, "data.ignore") for place in options.ignore or ()}
    words = _categorical(origin, layout, options)
    for key, taken in (("ignore", ignored), ("categorical", words), ("weight", {weight})):
        if label in taken:
            raise DataError(
                f"{origin}: {layout.describe(label)} is the label's, so data.{key} cannot name it."
            )
    notes = list(_label_note(origin, layout, label, options))
    if names[0] == "" and layout.names and label != 0 and weight != 0 and not words & {0}:
        ignored.add(0)
        notes.append(f"{origin}: column 1 has no name: it is an index, and is ignored.")
    kinds: dict[int, Kind] = dict.fromkeys(ignored, "ignored")
    kinds |= dict.fromkeys(words, "category")
    kinds[label] = "label"
    if weight is not None:
        kinds[weight] = "weight"
    columns = tuple(
        Column(name, kinds.get(index, _guessed_kind(layout, index, options)))
        for index, name in enumerate(names)
    )
    features = tuple(index for index, column in enumerate(columns) if column.is_feature)
    return Roles(columns, features, label, weight, frozenset(words), tuple(notes))


def _categorical(origin: str, layout: Layout, options: ReadingOptions) -> set[int]:
    places = options.categorical
    return {find_column(origin, layout, place, "data.categorical") for place in places}


def _guessed_kind(layout: Layout, index: int, options: ReadingOptions) -> Kind:
    """A category if a word is among the column's first cells."""
    missing = frozenset(options.missing)
    for row in layout.rows:
        text = row[index].strip()
        if text not in missing and as_number(text, options.decimal) is None:
            return "category"
    return "number"


def _label_note(origin: str, layout: Layout, label: int, options: ReadingOptions) -> list[str]:
    """What to say if a column has a label's name, and another one was taken without being asked."""
    alike = [index for index, name in enumerate(layout.names) if name.lower() in LABEL_NAMES]
    if options.target != "" or len(alike) != 1 or label in alike:
        return []
    name = layout.names[alike[0]]
    return [
        f"{origin}: the label is in the last column, {layout.describe(label)}, and there is one "
        f"named {name!r}. If that is the label, name it with data.target={name}."
    ]


def find_column(origin: str, layout: Layout, place: Place, key: str) -> int:
    """The index of the column with this name, or at this place from 1, −1 the last.

    Raises DataError if there is none.
    """
    if isinstance(place, str) and place in layout.names:
        return layout.names.index(place)
    if isinstance(place, int) or re.fullmatch(r"[+-]?\d{1,9}", place):
        return _at_place(origin, layout, int(place), key)
    if not layout.names:
        raise DataError(
            f"{origin}: has no header, so {key}={place!r} names no column of it; "
            "give its place from 1."
        )
    raise DataError(
        f"{origin}: has no column named {place!r} ({key}); "
        f"its first line is {names_in_words(layout.names)}."
    )


def _at_place(origin: str, layout: Layout, place: int, key: str) -> int:
    width = layout.width
    if 1 <= place <= width:
        return place - 1
    if -width <= place <= -1:
        return width + place
    raise DataError(
        f"{origin}: has {width:,} columns, so {key}={place} is none of them. "
        f"Places count from 1; -1 is the last."
    )


# The columns of a model, in another file


def match_roles(origin: str, layout: Layout, columns: Sequence[Column], labelled: bool) -> Roles:
    """Where the file has each of these columns: by name if both have names, else by place.

    Rows are `labelled` if they must have the label. Raises DataError if the file lacks columns.
    """
    if layout.names and any(column.name for column in columns):
        places = _by_name(origin, layout, columns)
    else:
        places = _by_place(origin, layout, columns, LABELLED if labelled else UNLABELLED)
    features = [place for column, place in zip(columns, places, strict=True) if column.is_feature]
    others = {column.kind: place for column, place in zip(columns, places, strict=True)}
    return Roles(
        tuple(columns),
        tuple(ABSENT if place is None else place for place in features),
        others.get("label"),
        others.get("weight"),
    )


def _by_name(origin: str, layout: Layout, columns: Sequence[Column]) -> list[int | None]:
    if tuple(column.name for column in columns) == layout.names:
        return list(range(layout.width))
    place_of = {name: index for index, name in enumerate(layout.names) if name}
    needed = [column for column in columns if column.kind in ("number", "category")]
    lacking = [column.name for column in needed if column.name not in place_of]
    if lacking:
        names = names_in_words([name or "one without a name" for name in lacking])
        raise DataError(
            f"{origin}: lacks columns that the model needs: {names}. "
            f"Its own are {names_in_words(layout.names)}."
        )
    return [_place(column, place_of, layout) for column in columns]


def _place(column: Column, place_of: Mapping[str, int], layout: Layout) -> int | None:
    """The place of a column of that name; a label without one, of an old model, is the last."""
    if column.kind == "label" and not column.name:
        return layout.width - 1
    return place_of.get(column.name)


def _by_place(
    origin: str, layout: Layout, columns: Sequence[Column], choices: Sequence[tuple[Kind, ...]]
) -> list[int | None]:
    """The columns in their order, if the file has all of them, or all but some that can lack."""
    widths = []
    for left_out in choices:
        there = [index for index, column in enumerate(columns) if column.kind not in left_out]
        widths.append(len(there))
        if len(there) == layout.width:
            place_of = {index: place for place, index in enumerate(there)}
            return [place_of.get(index) for index in range(len(columns))]
    needed = " or ".join(f"{width:,}" for width in sorted(set(widths)))
    raise DataError(
        f"{origin}: has {layout.width:,} columns, and the model needs {needed}. "
        "Without names in both, columns are matched by their places."
    )
