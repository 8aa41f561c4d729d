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

from mlpcli.datasets.table import Table
from mlpcli.errors import DataError, UnreadableFileError

many = settings(max_examples=300, deadline=None, derandomize=True)
some = settings(max_examples=60, deadline=None, derandomize=True)

IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def put(path: Path, content: bytes) -> Path:
    """Make a file anew; to write over an old one takes some systems a hundred times as long."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """The IDX file of an array, as LeCun describes it: magic number, sizes, numbers, all big-endian."""
    code = IDX_CODES[array.dtype.str[1:]]
    header = struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx_folder(folder: Path, **parts: bytes) -> Path:
    """A folder with the files train_images, train_labels, t10k_images and t10k_labels that are given."""
    folder.mkdir(exist_ok=True)
    for name, content in parts.items():
        part, kind = name.split("_")
        put(folder / f"{part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte", content)
    return folder


def npy(array: object) -> bytes:
    """The .npy file of an array."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_header(text: str, data: bytes = b"") -> bytes:
    """A .npy file with this text for its header, whatever that may be."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin-1") + data


def npz(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """The zip file of these members, every checksum right."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Random bytes, and a valid file that is cut short, or has some bytes changed, put in or taken out."""
    places = st.integers(0, len(whole) - 1)
    cut = places.map(lambda place: whole[:place])
    replaced = st.builds(
        lambda place, length, new: whole[:place] + new + whole[place + length :],
        places,
        st.integers(0, 4),
        st.binary(max_size=4),
    )
    changed = st.builds(
        lambda place, mask: whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :],
        places,
        st.integers(1, 255),
    )
    return st.binary(max_size=200) | cut | replaced | changed


def table_or_error(read: Callable[[], Table], path: Path) -> None:
    """Whatever the file holds, reading it gives a table or a sentence that names it, and nothing else."""
    try:
        rows = read()
    except (DataError, UnreadableFileError) as error:
        said = str(error)
        rows = None
    if rows is None:
        assert str(path) in said
        assert said.endswith(".")
    else:
        assert len(rows.x) == len(rows.labels) > 0
        assert rows.x.dtype.kind in "buif"
        assert rows.labels.dtype.kind in "iuU"
        assert np.isfinite(rows.x).all()
