"""Files in the loaders' formats, made byte by byte, whole and damaged."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from mlpcli.datasets.table import Table
from mlpcli.errors import DataError, UnreadableFileError

many = settings(max_examples=300, deadline=None, derandomize=True)
some = settings(max_examples=60, deadline=None, derandomize=True)

IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def put(path: Path, content: bytes) -> Path:
    """Make a new file: to write over an old one takes some systems a hundred times as long."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """The IDX file of an array, as LeCun describes it: magic number, sizes, numbers; big-endian."""
    code = IDX_CODES[array.dtype.str[1:]]
    header = struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx_folder(folder: Path, **parts: bytes) -> Path:
    """A folder with the given ones of train_images, train_labels, t10k_images, t10k_labels."""
    folder.mkdir(exist_ok=True)
    ndim = {"images": 3, "labels": 1}
    for name, content in parts.items():
        subset, kind = name.split("_")
        put(folder / f"{subset}-{kind}-idx{ndim[kind]}-ubyte", content)
    return folder


def npy(array: ArrayLike) -> bytes:
    """The .npy file of an array."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_header(text: str, data: bytes = b"") -> bytes:
    """A .npy file with this text as its header, right or wrong."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin-1") + data


def npz(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """The zip file of these members, every checksum right."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Random bytes, and a valid file cut short, or with bytes changed, inserted or deleted."""
    offsets = st.integers(0, len(whole) - 1)
    cut = offsets.map(lambda offset: whole[:offset])
    replaced = st.builds(
        lambda offset, length, new: whole[:offset] + new + whole[offset + length :],
        offsets,
        st.integers(0, 4),
        st.binary(max_size=4),
    )
    changed = st.builds(
        lambda offset, mask: whole[:offset] + bytes([whole[offset] ^ mask]) + whole[offset + 1 :],
        offsets,
        st.integers(1, 255),
    )
    return st.binary(max_size=200) | cut | replaced | changed


def table_or_error(read: Callable[[], Table], path: Path) -> None:
    """Whatever the file holds, reading it gives a table, or an error that names the file."""
    try:
        table = read()
    except (DataError, UnreadableFileError) as error:
        sentence = str(error)
        table = None
    if table is None:
        assert str(path) in sentence
        assert sentence.endswith(".")
    else:
        assert len(table.x) == len(table.labels) > 0
        assert table.x.dtype.kind in "buif"
        assert table.labels.indices.dtype.kind == "u"
        assert table.labels.indices.max() < len(table.labels.names)
        assert np.isfinite(table.x).all()
