"""Classes: their names in order, labels as indices among them, and what may be wrong with them."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from mlpcli.arrays import Floats, Labels
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words

MANY_NAMES, ROWS_EACH = 20, 5  # more labels, of fewer rows each, are hardly classes
TRUTHS = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0}
# What may stand for a label that is missing; in small letters.
NO_LABEL = ("-", "--", ".", "*", "??", "n.a.", "missing", "unknown", "undefined", "unlabeled",
            "unlabelled", "-99", "-999", "-9999")  # fmt: skip


def class_names(table: Table) -> tuple[str, ...]:
    """The names of the classes, in numerical order if all are numbers, else in alphabetical order.

    Raises DataError if there is one class only.
    """
    names = table.labels.names
    if len(names) < 2:
        name = names[0]
        raise DataError(
            f"{table.origin}: has one class only ({name!r}); a classifier needs at least two."
        )
    try:
        return tuple(sorted(names, key=int))
    except ValueError:
        return names


def encode(table: Table, classes: tuple[str, ...], reference: str) -> Labels:
    """The index in `classes` of each label (N).

    Raises DataError for a label that is none of the classes, which are those of `reference`.
    """
    index_of = {name: index for index, name in enumerate(classes)}
    indices: list[int] = []
    for name in table.labels.names:
        if name not in index_of:
            raise DataError(
                f"{table.origin}: has the label {name!r}, which {reference} never saw. "
                f"The known classes are {names_in_words(classes)}.{_advice(name, classes)}"
            )
        indices.append(index_of[name])
    index_of_label = np.array(indices, np.intp)
    encoded: Labels = index_of_label[table.labels.indices]
    return encoded


def plain(name: str) -> str:
    """A label without what people write in different ways: capitals, and signs at its ends."""
    return name.casefold().strip(" .,;:'\"") or name


def _advice(name: str, classes: tuple[str, ...]) -> str:
    """What to do about a label that is none of the classes."""
    alike = [each for each in classes if plain(each) == plain(name)]
    if alike:
        return f" Write it as {alike[0]!r}, as there."
    return " Leave out such rows."


# What is no label, or not what it seems


def check_quantity(table: Table) -> None:
    """Raise DataError if labels are many numbers or dates, with few rows each."""
    names = table.labels.names
    if len(names) < MANY_NAMES or len(names) * ROWS_EACH <= table.n_rows:
        return
    if all(name.lstrip("-").isdigit() for name in names):
        found = "whole numbers"
    elif all(name[:1].isdigit() and not any(map(str.isalpha, name)) for name in names):
        found = "numbers or dates"
    else:
        return
    raise DataError(
        f"{table.origin}: the label is {len(names):,} different {found} in {table.n_rows:,} rows, "
        "which looks like a quantity; this tool tells classes apart. Make classes of its "
        "ranges, or name another column with data.target."
    )


def check_one_hot(table: Table) -> None:
    """Raise DataError if the label and columns beside it are 0 or 1, and sum to 1."""
    truths = [TRUTHS.get(name.lower(), np.nan) for name in table.labels.names]
    kinds = [column.kind for column in table.columns]
    if "label" not in kinds or set(truths) != {0.0, 1.0}:
        return
    label = left = right = kinds.index("label")
    total: Floats = np.array(truths)[table.labels.indices]
    for step in (-1, 1):  # columns before the label, then those behind it as well
        here = label + step
        while (truth := _truths(table, here)) is not None and (total + truth).max() <= 1:
            total = total + truth
            left, right = min(left, here), max(right, here)
            if np.all(total == 1):
                raise DataError(
                    f"{table.origin}: the columns {left + 1:,} to {right + 1:,} are 0 or 1 and "
                    "sum to 1 in every row, as a label in one-hot form does. "
                    "Write one column with the name of the class."
                )
            here += step


def _truths(table: Table, place: int) -> Floats | None:
    """The cells (N) of the column at this place as 0 and 1; None if it has others."""
    if not 0 <= place < len(table.columns):
        return None
    column = table.columns[place]
    if column.kind not in ("number", "category"):
        return None
    index = sum(each.is_feature for each in table.columns[:place])
    truths: Floats = table.x[:, index].astype(np.float64)
    if column.kind == "category" and not np.isnan(truths).any():
        of_levels = [TRUTHS.get(level.lower(), np.nan) for level in column.levels]
        truths = np.array(of_levels)[truths.astype(np.intp)]
    return truths if np.isin(truths, (0, 1)).all() else None


def label_notes(table: Table) -> Iterator[str]:
    """What may be wrong with the classes: the same but for their spelling, or no class."""
    names = table.labels.names
    spellings = Counter(map(plain, names))
    alike = [name for name in names if spellings[plain(name)] > 1]
    if alike:
        yield (
            f"The classes {names_in_words(alike)} differ in capitals or signs alone, and are "
            "classes of their own. If they are the same, write them alike."
        )
    gaps = [name for name in names if name.lower() in NO_LABEL]
    if gaps and any(map(str.isalnum, "".join(set(names) - set(gaps)))):
        yield (
            f"{names_in_words(list(map(repr, gaps)))} is taken for a class. If it means that the "
            "label is missing, name it in data.missing."
        )
