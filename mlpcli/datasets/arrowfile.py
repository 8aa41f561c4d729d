"""Parquet, Feather and Arrow files through pyarrow: their columns, read a piece at a time."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from mlpcli.arrays import Floats, Index
from mlpcli.datasets.fitting import number_text
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.preprocessing.columns import Kind
from mlpcli.storage.reading import open_regular

INSTALL = "needs pyarrow to be read. Install it: pip install 'mlpcli-numpy[tables]'"
PIECE = 1 << 16  # rows that are looked at at a time
BUFFER = 1 << 20  # bytes of a Parquet file that are read at a time
TEXTS = ("string", "large_string", "string_view")
PARQUET, ARROW, FEATHER_1 = b"PAR1", b"ARROW1", b"FEA1"  # how files begin
MAX_REASON = 200  # characters of what pyarrow says


class Field(NamedTuple):
    """A column of a file: its name, the kind that its type makes it, and its type in words."""

    name: str
    kind: Kind
    type: str


class Source(Protocol):
    """An open file, whose columns can be read one after another."""

    schema: Any  # pyarrow's
    n_rows: int

    def pieces(self, index: int) -> Iterator[Any]:
        """The arrays of one column, each of at most PIECE rows."""


@dataclass(frozen=True)
class ArrowFile:
    """The columns of an open file."""

    path: Path
    source: Source
    fields: tuple[Field, ...]

    @property
    def n_rows(self) -> int:
        """N."""
        return self.source.n_rows

    @property
    def indexes(self) -> list[str]:
        """The names of the columns that were the index of a data frame."""
        metadata = (self.source.schema.metadata or {}).get(b"pandas", b"{}")
        try:
            columns = json.loads(metadata)["index_columns"]
            return [name for name in columns if isinstance(name, str)]
        except (ValueError, KeyError, TypeError):
            return []

    def pieces(self, index: int) -> Iterator[Any]:
        """The arrays of one column; raises UnreadableFileError where the file is damaged."""
        n_rows = 0
        with _refusing_damage(self.path):
            for array in self.source.pieces(index):
                array.validate(full=True)
                n_rows += len(array)
                yield array
            if n_rows != self.n_rows:
                raise ValueError(f"a column has {n_rows:,} rows of {self.n_rows:,}")


@contextmanager
def open_arrow(path: Path) -> Iterator[ArrowFile]:
    """Open a file of any of these formats, by how it begins.

    Raises DataError without pyarrow, and UnreadableFileError if it is not a whole file.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise DataError(f"{path}: {INSTALL}") from error
    with open_regular(path) as file:
        with _refusing_damage(path):
            source = _open_source(path, file)
            fields = tuple(_field(pa, field) for field in source.schema)
        yield ArrowFile(path, source, fields)


@contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises for a file that is not whole into UnreadableFileError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:MAX_REASON].rstrip(".")
        raise UnreadableFileError(
            path, f"is not a whole Parquet or Arrow file ({reason})", "Write it again."
        ) from error


def _open_source(path: Path, file: BinaryIO) -> Source:
    beginning = file.read(len(ARROW))
    file.seek(0)
    if beginning.startswith(FEATHER_1):
        raise UnreadableFileError(
            path, "is of Feather's version 1", "Write it again with DataFrame.to_feather."
        )
    if beginning.startswith(PARQUET):
        return _Parquet(file)
    return _Arrow(file, beginning == ARROW)


class _Parquet:
    """A Parquet file; texts are read as dictionaries, which take little memory."""

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow.parquet as pq

        schema = pq.ParquetFile(file).schema_arrow
        texts = [field.name for field in schema if str(field.type) in TEXTS]
        self.file = pq.ParquetFile(file, read_dictionary=texts, buffer_size=BUFFER)
        self.schema = schema
        self.n_rows = int(self.file.metadata.num_rows)

    def pieces(self, index: int) -> Iterator[Any]:
        """The arrays of one column."""
        name = self.schema.names[index]
        for batch in self.file.iter_batches(PIECE, columns=[name], use_threads=False):
            yield batch.column(0)


class _Arrow:
    """A file in Arrow's format, which is also Feather's, or a stream in it."""

    def __init__(self, file: BinaryIO, is_file: bool) -> None:
        self.file = file
        self.is_file = is_file
        self.schema = self._reader([]).schema
        self.n_rows = 0
        if len(self.schema):
            self.n_rows = sum(len(array) for array in self.pieces(0))

    def _reader(self, fields: list[int]) -> Any:
        """A reader of these columns alone."""
        import pyarrow.ipc as ipc

        self.file.seek(0)
        options = ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        if self.is_file:
            return ipc.open_file(self.file, options=options)
        return ipc.open_stream(self.file, options=options)

    def pieces(self, index: int) -> Iterator[Any]:
        """The arrays of one column."""
        reader = self._reader([index])
        batches = reader
        if self.is_file:
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        for batch in batches:
            column = batch.column(0)
            for start in range(0, len(column), PIECE):
                yield column.slice(start, PIECE)


# Types


def _field(pa: Any, field: Any) -> Field:
    return Field(field.name, _kind(pa, field.type), str(field.type))


def _kind(pa: Any, type_: Any) -> Kind:
    """What a column of this type is; dates, lists and bytes are of no use."""
    types = pa.types
    if types.is_dictionary(type_):
        return "ignored" if _kind(pa, type_.value_type) == "ignored" else "category"
    if types.is_boolean(type_) or str(type_) in TEXTS:
        return "category"
    checks = (types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    return "number" if any(check(type_) for check in checks) else "ignored"


def as_numbers(array: Any) -> Floats:
    """The numbers of an array (n), NaN for a missing cell."""
    import pyarrow as pa

    numbers: Floats = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def as_texts(array: Any) -> tuple[list[str], Index]:
    """The distinct texts of an array, and the index of each cell's text (n), −1 if missing."""
    import pyarrow as pa

    if pa.types.is_floating(array.type):
        array = array.cast(pa.float64())
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    missing = array.is_null().to_numpy(zero_copy_only=False)
    indices = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
    used, inverse = np.unique(indices[~missing], return_inverse=True)
    texts = [_text(value) for value in array.dictionary.take(pa.array(used)).to_pylist()]
    places = np.full(len(array), -1, np.intp)
    places[~missing] = _places(texts)[inverse]
    return [text for text in texts if text is not None], places


def _places(texts: Sequence[str | None]) -> Index:
    """The index of each text among those that are there, −1 for None."""
    is_there = np.array([text is not None for text in texts], bool)
    return np.where(is_there, np.cumsum(is_there) - 1, -1)


def _text(value: Any) -> str | None:
    """A value as the name of a level; None if it is missing."""
    if value is None or value != value:
        return None
    if isinstance(value, (str, bool)):
        return str(value)
    return number_text(value)
