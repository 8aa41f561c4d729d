"""Classes: their names in order, and labels as indices among them."""

import numpy as np

from mlpcli.arrays import Labels
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError
from mlpcli.messages import names_in_words


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
            known = names_in_words(classes)
            raise DataError(
                f"{table.origin}: has the label {name!r}, which {reference} never saw. "
                f"The known classes are {known}."
            )
        indices.append(index_of[name])
    index_of_label = np.array(indices, np.intp)
    encoded: Labels = index_of_label[table.labels.indices]
    return encoded
