"""CSV files and streams: one row a line, with a header or without, numbers and words."""

from pathlib import Path

from mlpcli.datasets.csvlayout import ONE_COLUMN, check_head, find_layout, looks_like_a_header
from mlpcli.datasets.csvreading import Reading
from mlpcli.datasets.csvroles import Roles, find_roles, match_roles
from mlpcli.datasets.csvstream import Block as Block
from mlpcli.datasets.csvstream import stream as stream
from mlpcli.datasets.csvtext import file_blocks, take_head
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table
from mlpcli.errors import DataError


def read(path: Path, options: ReadingOptions) -> Table:
    """The rows of the file, with labels.

    With `options.columns`, a model's, the columns of x are those, with their levels; else they are
    the file's own.

    Raises DataError naming the line of the first bad row, and UnreadableFileError if it is no
    regular file or too large for the memory.
    """
    origin = str(path)
    head, _, is_whole = take_head(file_blocks(path))
    check_head(path, head)
    layout = find_layout(origin, head, options, is_whole)
    if layout.width < 2:
        raise DataError(f"{origin}: {ONE_COLUMN}")
    if options.columns:
        roles = match_roles(origin, layout, options.columns, labelled=True)
    else:
        roles = find_roles(origin, layout, options)
    if roles.label is None:
        raise DataError(f"{origin}: has no column for the label{_label_name(roles)}.")
    if not layout.rows or (not layout.names and looks_like_a_header(layout.rows, options)):
        raise DataError(f"{origin}: has a header and no rows.")
    return Reading(path, layout, roles, options).table()


def _label_name(roles: Roles) -> str:
    names = [column.name for column in roles.columns if column.kind == "label" and column.name]
    return f", {names[0]!r}" if names else ""
