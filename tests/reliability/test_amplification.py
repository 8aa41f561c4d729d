"""Bytes in against bytes of memory: a small file never takes much, whichever loader reads it.

Each file is read in a process that cannot have more than MAX_MEMORY beyond its imports. It is read,
or refused in a sentence of bounded length; that memory ran out is never an answer.
"""

import gzip
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpcli.commands import settings
from mlpcli.commands.data import load_new
from mlpcli.config import allowed, every_key
from mlpcli.datasets import cache
from mlpcli.errors import ConfigError
from mlpcli.model.state import Streams
from mlpcli.storage import checkpoint, modelfile
from mlpcli.storage.runfolder import best_epoch_of
from tests.support.formats import idx, npy, npy_header, npz
from tests.support.malicious_files import Measurement, measure_reading, npy_claiming

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/statm"), reason="the system does not tell how much is used"
)

DIGITS = "0x" + "f" * 5000
MAX_FILE = 200 * 1024  # bytes of each file
MAX_MEMORY = 160 * 2**20  # bytes of address space; what is resident is less
MAX_RESIDENT = 100 * 2**20  # bytes
MAX_MESSAGE = 2500  # characters beside the path


# How each loader reads


def read_data(path: Path) -> object:
    config = settings.load(None, {"data.source": str(path)})
    return load_new(config, Streams.from_seed(0), print)


def read_folder(path: Path) -> object:
    return read_data(path.parent)


def read_settings(path: Path) -> object:
    return settings.load(path, {})


def read_checkpoint(path: Path) -> object:
    return checkpoint.load(path.parent)


def read_cached(path: Path) -> object:
    os.environ["MLPCLI_CACHE"] = str(path.parent)
    return cache.load(path.stem, "data")


def measured(read: Callable[[Path], object], path: Path, content: bytes) -> Measurement:
    assert len(content) <= MAX_FILE
    path.write_bytes(content)
    measurement = measure_reading(read, path, MAX_MEMORY)
    assert measurement.exit_code in (0, 2), measurement.stderr
    assert measurement.memory < MAX_RESIDENT
    assert len(measurement.stderr.replace(str(path), "")) < MAX_MESSAGE
    return measurement


# CSV


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1," + b"a" * 32_000 + b"\n" + b"2,b\n" * 37_000, "line 1 has a label of 32,000 char"),
        (b"1," + b"a" * 1000 + b"\n" + b"2,b\n3,a\n" * 20_000, ""),
        (b"1," + b"a" * 1000 + b"\n" + b"2,b\n3,a\n" * 200, "too few rows to be split"),
        ("".join(f"1,n{n}\n" for n in range(22_000)).encode(), "'n0' (1), 'n1' (1)"),
        (b"1," * 100_000 + b"a\n", "has one class only ('a')"),
        (b"a," * 100_000 + b"a\n", "has a header and no rows"),
        (b"," * 100_000 + b"a\n" + b"1,2\n" * 3, "line 1 is no header of these rows"),
        (b'1,"' + b"a\n" * 80_000 + b'"\n', "cannot be read as CSV"),
        (b"1,a\n" + b"1" * 190_000 + b",b\n", "cannot be read as CSV"),
        (b"1,a\n" + b"x" * 100_000 + b",b\n", "'a' (1), 'b' (1)"),
        (b"1,a\n2,b\n" + b"\n" * 190_000, "'a' (1), 'b' (1)"),
    ],
    ids=[
        "label",
        "allowed",
        "too few",
        "classes",
        "cells",
        "names",
        "empty",
        "quoted",
        "digits",
        "cell",
        "blank",
    ],
)
def test_a_csv_file(content: bytes, said: str, tmp_path: Path) -> None:
    measurement = measured(read_data, tmp_path / "rows.csv", content)
    assert said in measurement.stderr


# Archives


def packed(**arrays: bytes) -> bytes:
    return npz({f"{name}.npy": data for name, data in arrays.items()}, zipfile.ZIP_DEFLATED)


def rows_of(n_rows: int, kind: str = "u1") -> bytes:
    return npy(np.zeros(n_rows, kind))


X = npy(np.zeros((4, 1), "u1"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packed(x=npy(np.zeros((6_000_000, 1), "u1")), y=rows_of(6_000_000)), "less than a bit"),
        (packed(x=npy(np.zeros((20_000_000, 1), "u1")), y=rows_of(20_000_000)), "unpacks from"),
        (packed(x=X, y=npy(np.array(["a", "b", "a", "b"], "U1000000"))), "all are constant"),
        (packed(x=X, y=npy(np.array([b"a", b"b", b"a", b"b"], "S4000000"))), "all are constant"),
        (packed(x=X, y=npy(np.array(["a" * 10**6, "b", "a", "b"]))), "has 1,000,000 characters"),
        (packed(x=npy(np.zeros((4, 2_000_000), "f2", "F")), y=npy(np.arange(4) % 2)), "of memory"),
        (packed(x=X, y=npy_claiming("(0,)", b"", "<U500000000")), "and 0 labels"),
        (packed(x=X, y=npy_claiming("(4,)", b"", "<U500000000")), "claims 8,000,000,000 bytes"),
        (packed(x=npy_claiming("(2, 2)", b"", "('<f8', (10000000,))"), y=X), "no readable .npy"),
        (packed(x=b"\x93NUMPY\2\0" + struct.pack("<L", 16_000_000) + b" " * 16_000_000), "header"),
        (packed(x=npy_header("(" * 9000)), "no readable .npy header"),
        (npz({f"{n}": b"" for n in range(2000)}), "no readable .npy header"),
        (npz({f"{n:0>9000}.npy": X for n in range(10)}), "has no array 'x'"),
    ],
    ids=[
        "rows", "unpacked", "wide text", "wide bytes", "label", "columns first", "nothing wide",
        "claim", "nested type", "long header", "deep header", "members", "long names",
    ],
)  # fmt: skip
def test_an_archive(content: bytes, said: str, tmp_path: Path) -> None:
    measurement = measured(read_data, tmp_path / "rows.npz", content)
    assert said in measurement.stderr


@pytest.mark.parametrize(
    "read", [modelfile.load, read_checkpoint, read_cached], ids=["model", "checkpoint", "cache"]
)
def test_an_archive_that_this_tool_writes_does_not_unpack_far(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    zeros = npy(np.zeros(5_000_000, "f4"))
    names = ("header", "weights", "theta", "x", "labels", "seal")
    content = packed(**dict.fromkeys(names, zeros))
    measured(read, tmp_path / "checkpoint.npz", content)


# IDX


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(idx(np.zeros((15_000_000, 1, 1), "u1"))), "less than a bit"),
        (gzip.compress(idx(np.zeros((60_000_000, 1, 1), "u1"))), "unpacks from"),
        (gzip.compress(struct.pack(">4B3I", 0, 0, 0xE, 3, 2**31, 2**10, 1)), "more than the file"),
        (gzip.compress(idx(np.zeros((1, 1000, 2000), "f8"))), "rows of features"),
    ],
    ids=["rows", "unpacked", "claim", "byte order"],
)
def test_a_packed_idx_file(content: bytes, said: str, tmp_path: Path) -> None:
    labels = idx(np.zeros(2, "u1"))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels)
    measurement = measured(read_folder, tmp_path / "train-images-idx3-ubyte.gz", content)
    assert said in measurement.stderr


# Settings and logs


@pytest.mark.parametrize(
    "content",
    [
        b"a = " + b"[" * 100_000,
        b"training.patience = 0x" + b"f" * 100_000,
        b"[" + b"a." * 900 + b"b]\n",
        b"data.source = [" + b"{}," * 60_000 + b"]",
        b"".join(b"a%d = 1\n" % n for n in range(15_000)),
    ],
    ids=["depth", "digits", "tables", "list", "keys"],
)
def test_a_configuration(content: bytes, tmp_path: Path) -> None:
    assert measured(read_settings, tmp_path / "s.toml", content).exit_code == 2


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 190_000,
        b'{"epoch": 1e999, "validation_loss": 0}\n',
        b'{"epoch": 1}\n' * 9000,
        b"\xff",
    ],
    ids=["depth", "infinity", "lines", "no text"],
)
def test_a_log(content: bytes, tmp_path: Path) -> None:
    assert measured(best_epoch_of, tmp_path / "metrics.jsonl", content).exit_code == 0


@pytest.mark.parametrize("value", [DIGITS, f"[{DIGITS}]", f'"{"a" * 100_000}"'])
@pytest.mark.parametrize("key", [key for key, _ in every_key()])
def test_a_value_of_thousands_of_digits_or_letters(key: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(f"{key} = {value}", encoding="utf-8")
    takes_text = "a text" in allowed(dict(every_key())[key])
    if takes_text and value.startswith('"'):
        settings.load(file, {}, [f"{key}={value}"])
        return
    with pytest.raises(ConfigError, match=key) as from_file:
        settings.load(file, {})
    with pytest.raises(ConfigError, match=key) as from_set:
        settings.load(None, {}, [f"{key}={value}"])
    for caught in (from_file, from_set):
        assert len(str(caught.value).replace(str(file), "")) < MAX_MESSAGE


def test_a_patience_has_an_upper_bound() -> None:
    assert settings.load(None, {"training.patience": 2**24}).training.patience == 2**24
    with pytest.raises(ConfigError, match="at most 16,777,216"):
        settings.load(None, {"training.patience": 2**24 + 1})


@pytest.mark.parametrize("read", [read_settings, best_epoch_of], ids=["settings", "log"])
def test_a_file_of_512_mib_without_a_line_s_end(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "s.toml"
    path.touch()
    os.truncate(path, 2**29)
    measurement = measure_reading(read, path, MAX_MEMORY)
    assert measurement.exit_code in (0, 2)
    assert measurement.memory < MAX_RESIDENT


def test_a_device_is_no_configuration() -> None:
    measurement = measure_reading(read_settings, Path("/dev/zero"), MAX_MEMORY)
    assert measurement.exit_code == 2
    assert "is not a regular file" in measurement.stderr
