"""What the user, or a model, says of a table's columns; everything else is found out."""

from dataclasses import dataclass

from mlpcli.config import MISSING, Place
from mlpcli.preprocessing.columns import Column


@dataclass(frozen=True)
class ReadingOptions:
    """How a table is to be read.

    Args:
        target: The label's column; "" for the last one.
        header: Whether the first line names the columns; None to find out.
        ignore: Columns to leave out; None to leave out those that look like ids.
        categorical: Columns to take for categories, whatever is in them.
        missing: The texts of a missing cell.
        weight: The column of the rows' weights; "" for none.
        decimal: The sign before the decimals, "." or ",".
        columns: The columns of the training rows, if these rows are others: kinds are theirs.
    """

    target: Place = ""
    header: bool | None = None
    ignore: tuple[Place, ...] | None = None
    categorical: tuple[Place, ...] = ()
    missing: tuple[str, ...] = MISSING
    weight: Place = ""
    decimal: str = "."
    columns: tuple[Column, ...] = ()
