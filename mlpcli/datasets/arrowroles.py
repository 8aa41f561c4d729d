"""What each column of a Parquet, Feather or Arrow file is for: its type and its name say it."""

from dataclasses import replace

from mlpcli.datasets.arrowfile import ArrowFile, Field
from mlpcli.datasets.csvcells import shown
from mlpcli.datasets.csvlayout import Layout
from mlpcli.datasets.csvroles import Roles, find_roles, match_roles
from mlpcli.datasets.csvrows import Dialect
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError


def layout_of(file: ArrowFile) -> Layout:
    """The columns of a file, as those of a CSV file with a header.

    Raises DataError for names that several columns have.
    """
    names = tuple(field.name for field in file.fields)
    for name in names:
        if names.count(name) > 1:
            raise DataError(
                f"{file.path}: has several columns named {shown(name)}. "
                "Give each a name of its own, or remove all but one."
            )
    if not names:
        raise DataError(f"{file.path}: has no columns.")
    return Layout(Dialect(",", '"', len(names)), 0, names, [])


def find_arrow_roles(
    file: ArrowFile, layout: Layout, options: ReadingOptions, labelled: bool
) -> Roles:
    """What each column is for; its kind is that of its type, if nobody says otherwise.

    Rows are `labelled` if they must have the label. Raises DataError for a column that is not
    there or would have two roles.
    """
    origin = str(file.path)
    if options.columns:
        return match_roles(origin, layout, options.columns, labelled)
    if layout.width < 2:
        raise DataError(f"{origin}: has one column only; it needs features and a label.")
    names = layout.names
    indexes = {names.index(name) for name in file.indexes if name in names}
    roles = find_roles(origin, layout, _with_target(layout, indexes, options))
    columns = list(roles.columns)
    notes = list(roles.notes)
    for index, (column, field) in enumerate(zip(columns, file.fields, strict=True)):
        if column.kind == "number":
            kind = "ignored" if index in indexes else field.kind
        elif column.kind == "category" and field.kind == "ignored":
            kind = "ignored"
        else:
            continue
        columns[index] = replace(column, kind=kind)
        if kind == "ignored":
            where = f"{origin}: {layout.describe(index)}"
            notes.append(f"{where} {_reason(field, index in indexes)}, and is ignored.")
    return replace(roles, columns=tuple(columns), notes=tuple(notes))


def _with_target(layout: Layout, indexes: set[int], options: ReadingOptions) -> ReadingOptions:
    """The options with the last column as the label's that was no index of a data frame."""
    if options.target != "" or layout.width - 1 not in indexes:
        return options
    others = [index for index in range(layout.width) if index not in indexes]
    if not others:
        return options
    return replace(options, target=others[-1] + 1)


def _reason(field: Field, is_index: bool) -> str:
    if is_index:
        return "is the index of a data frame"
    return f"is of type {field.type}"
