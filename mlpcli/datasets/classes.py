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
    names = [str(name) for name in np.unique(table.labels)]
    if len(names) < 2:
        raise DataError(
            f"{table.origin}: has one class only ({names[0]!r}); a classifier needs at least two."
        )
    try:
        return tuple(sorted(names, key=int))
    except ValueError:
        return tuple(names)


def encode(table: Table, classes: tuple[str, ...], reference: str) -> Labels:
    """The index in `classes` of each label (N).

    Raises DataError for a label that is none of the classes, which are those of `reference`.
    """
    found, inverse = np.unique(table.labels, return_inverse=True)
    index_of = {name: index for index, name in enumerate(classes)}
    names = [str(label) for label in found]
    unknown = [name for name in names if name not in index_of]
    if unknown:
        raise DataError(
            f"{table.origin}: has the label {unknown[0]!r}, which {reference} never saw. "
            f"The known classes are {names_in_words(classes)}."
        )
    indices = np.array([index_of[name] for name in names], np.intp)
    return indices[inverse.reshape(-1)]
