"""Files made to do harm, and a process that measures what one run of the command makes of them."""

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
from tests.support.formats import npy, npy_header, npz
from tests.support.mutations import Members

HANGS = 20  # seconds; no command here takes one
KIB = 1024 if sys.platform != "darwin" else 1  # the unit of ru_maxrss, in bytes

for module in pkgutil.walk_packages(mlpcli.__path__, "mlpcli."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)


@dataclass(frozen=True)
class Measured:
    """How a run of the command ended, what it said, and how much memory it took beyond its imports."""

    exit_code: int
    stderr: str
    memory: int


def measured(folder: Path, words: list[str]) -> Measured:
    """Run the command in a folder, in a process of its own that has imported all there is; ends one that hangs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, folder, words))
    process.start()
    try:
        assert ours.poll(HANGS), f"mlpcli {' '.join(words)} hangs"
        return Measured(*ours.recv())
    finally:
        process.join(HANGS)
        process.kill()


def _run(answer: Connection, folder: Path, words: list[str]) -> None:
    os.chdir(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = CliRunner().invoke(app, words)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code = result.exit_code if isinstance(result.exception, SystemExit | None) else -1
    answer.send((code, result.stderr + repr(result.exception), (after - before) * KIB))


# Archives


def npy_claiming(shape: str, data: bytes = bytes(96), kind: str = "<f4") -> bytes:
    """A .npy file that claims a shape, whatever it holds."""
    return npy_header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n", data)


@cache
def bomb(copies: int = 10_000, nbytes: int = 64 * 2**20) -> bytes:
    """A zip file of 600 KB whose members are all the same 64 KB, which unpack to 64 MiB each."""
    head = npy_claiming(f"({nbytes // 4},)", b"")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(head + bytes(nbytes)) + packer.flush()
    fixed = struct.pack(
        "<3H3L", 8, 0, 0x21, zlib.crc32(head + bytes(nbytes)), len(packed), len(head) + nbytes
    )
    local = (
        struct.pack("<4s2H", b"PK\3\4", 20, 0) + fixed + struct.pack("<2H", 1, 0) + b"x" + packed
    )
    entries = b"".join(
        struct.pack("<4s3H", b"PK\1\2", 20, 20, 0)
        + fixed
        + struct.pack("<5H2L", 8, 0, 0, 0, 0, 0, 0)
        + b"%08d" % n
        for n in range(copies)
    )
    return (
        local
        + entries
        + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, copies, copies, len(entries), len(local), 0)
    )


Spoil = Callable[
    [Members, str], Members
]  # of an archive's members and the name of its largest array


def claims_more(members: Members, largest: str) -> Members:
    """The largest array claims to be much larger."""
    return members | {f"{largest}.npy": npy_claiming("(1000000, 1000)")}


def past_counting(members: Members, largest: str) -> Members:
    """Dimensions whose product no machine's integer holds."""
    return members | {f"{largest}.npy": npy_claiming("(4294967296, 4294967296, 4294967297)")}


def of_objects(members: Members, largest: str) -> Members:
    """An array of Python objects, which only unpickling would give."""
    return members | {f"{largest}.npy": npy(np.array([None, {}]))}


def with_paths(members: Members, largest: str) -> Members:
    """Names that lead out of the archive."""
    return {f"../{name}": content for name, content in members.items()}


def header_of(text: bytes) -> Spoil:
    """A header with this text."""
    return lambda members, largest: members | {"header.npy": npy(np.frombuffer(text, np.uint8))}


def zeros_packed(members: Members, largest: str) -> bytes:
    """An archive with an honest array of 96 MiB of zeros, packed a thousandfold."""
    return npz(members | {f"{largest}.npy": npy(np.zeros(24 * 2**20, "f4"))}, zipfile.ZIP_DEFLATED)
