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
    found = np.unique(table.labels)
    names = [str(label) for label in found]
    if len(names) < 2:
        name = names[0]
        raise DataError(
            f"{table.origin}: has one class only ({name!r}); a classifier needs at least two."
        )
    try:
        return tuple(sorted(names, key=int))
    except ValueError:
        return tuple(names)


def encode(table: Table, classes: tuple[str, ...], reference: str) -> Labels:
    """The index in `classes` of each label (N).

    Raises DataError for a label that is none of the classes, which are those of `reference`.
    """
    index_of = {name: index for index, name in enumerate(classes)}
    found, inverse = np.unique(table.labels, return_inverse=True)
    indices: list[int] = []
    for label in found:
        name = str(label)
        if name not in index_of:
            known = names_in_words(classes)
            raise DataError(
                f"{table.origin}: has the label {name!r}, which {reference} never saw. "
                f"The known classes are {known}."
            )
        indices.append(index_of[name])
    index_of_found = np.array(indices, np.intp)
    return index_of_found[inverse.reshape(-1)]
