"""Files made to do harm, and a process that measures how the command handles them."""

import importlib
import multiprocessing
import os
import pkgutil
import resource
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

import mlpcli
from mlpcli.cli.app import app
from mlpcli.errors import MlpcliError
from tests.support.formats import npy, npy_header, npz
from tests.support.mutations import Members

TIMEOUT = 60  # seconds; no command here takes one on a quiet machine
KIB = 1024 if sys.platform != "darwin" else 1  # the unit of ru_maxrss, in bytes

for module in pkgutil.walk_packages(mlpcli.__path__, "mlpcli."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)


@dataclass(frozen=True)
class Measurement:
    """How the command ended, its messages, and the memory that it took beyond its imports."""

    exit_code: int
    stderr: str
    memory: int


def measure(folder: Path, words: list[str]) -> Measurement:
    """Run the command in a folder, in a process of its own that has imported everything before."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, folder, words))
    process.start()
    try:
        assert ours.poll(TIMEOUT), f"mlpcli {' '.join(words)} hangs"
        return Measurement(*ours.recv())
    finally:
        process.join(TIMEOUT)
        process.kill()


def _run(answer: Connection, folder: Path, words: list[str]) -> None:
    os.chdir(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = CliRunner().invoke(app, words)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code = -1
    if isinstance(result.exception, SystemExit | None):
        code = result.exit_code
    answer.send((code, result.stderr + repr(result.exception), (after - before) * KIB))


# A bomb: a zip file whose members share their bytes

LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"  # the signatures of a zip file's records
DEFLATED = 8
DATE = 0x21  # 1 January 1980
NAME_LENGTH = 8


@cache
def bomb(copies: int = 10_000, nbytes: int = 64 * 2**20) -> bytes:
    """A zip file of 600 KB whose members are all the same 64 KB, which unpack to 64 MiB each."""
    content = npy_claiming(f"({nbytes // 4},)", b"") + bytes(nbytes)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    sizes = (zlib.crc32(content), len(packed), len(content))
    fields = struct.pack("<3H3L", DEFLATED, 0, DATE, *sizes)
    local = struct.pack("<4s2H", LOCAL, 20, 0) + fields + struct.pack("<2H", 1, 0) + b"x" + packed
    entry = struct.pack("<4s3H", CENTRAL, 20, 20, 0) + fields
    entry += struct.pack("<5H2L", NAME_LENGTH, 0, 0, 0, 0, 0, 0)
    entries = b"".join(entry + b"%0*d" % (NAME_LENGTH, n) for n in range(copies))
    counts = (0, 0, copies, copies, len(entries), len(local), 0)
    return local + entries + struct.pack("<4s4H2LH", END, *counts)


# Archives

Edit = Callable[[Members, str], Members]  # takes members and the name of their largest array


def npy_claiming(shape: str, data: bytes = bytes(96), kind: str = "<f4") -> bytes:
    """A .npy file that claims a shape, whatever it holds."""
    return npy_header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n", data)


def claims_more(members: Members, largest: str) -> Members:
    """The largest array claims to be much larger."""
    return members | {f"{largest}.npy": npy_claiming("(1000000, 1000)")}


def overflows(members: Members, largest: str) -> Members:
    """The dimensions' product is larger than any machine's integer."""
    return members | {f"{largest}.npy": npy_claiming("(4294967296, 4294967296, 4294967297)")}


def holds_objects(members: Members, largest: str) -> Members:
    """An array of Python objects, which only unpickling would give."""
    return members | {f"{largest}.npy": npy(np.array([None, {}]))}


def has_paths(members: Members, largest: str) -> Members:
    """Names that lead out of the archive."""
    return {f"../{name}": content for name, content in members.items()}


def with_header(text: bytes) -> Edit:
    """A header with this text."""
    header = npy(np.frombuffer(text, np.uint8))
    return lambda members, largest: members | {"header.npy": header}


def packed_zeros(members: Members, largest: str) -> bytes:
    """An archive with a true array of 96 MiB of zeros, packed to a thousandth."""
    zeros = npy(np.zeros(24 * 2**20, "f4"))
    return npz(members | {f"{largest}.npy": zeros}, zipfile.ZIP_DEFLATED)


# Amplification: what a loader takes of memory for a small file


def measure_reading(read: Callable[[Path], object], path: Path, at_most: int) -> Measurement:
    """Read a file in a process of its own, which cannot have more memory than that.

    The exit code is 0 for what was read, 2 for what was refused in a sentence, else -1.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    process = context.Process(target=_read, args=(theirs, read, path, at_most))
    process.start()
    try:
        assert ours.poll(TIMEOUT), f"reading {path} hangs"
        return Measurement(*ours.recv())
    finally:
        process.join(TIMEOUT)
        process.kill()


def _read(answer: Connection, read: Callable[[Path], object], path: Path, at_most: int) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + at_most
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code, message = 0, ""
    try:
        read(path)
    except MlpcliError as error:
        code, message = 2, str(error)
    except BaseException as error:
        code, message = -1, repr(error)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer.send((code, message, (after - before) * KIB))
