"""Changes that a fuzzer makes to a file: to its bytes, to the words of its text, to the members of an archive."""

import gzip
import hashlib
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from mlpcli.storage.reading import DIGEST, SEAL
from tests.support.formats import npy, npy_header, npz

Change = Callable[[bytes, Random], bytes]
Members = dict[str, bytes]

COUNTS = [
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
]
NUMBERS = [
    "0",
    "-1",
    "1",
    "2",
    "255",
    "2147483648",
    "18446744073709551616",
    "1e999",
    "-1e-999",
    "nan",
    "inf",
    "0.5",
]
NUMBERS += ["9" * 5000, "1_0", "0x10", "1L", "٣", "True", "-0.0", "1e308", "4.9e-324"]
WORDS = [
    "",
    '"',
    "'",
    '"""',
    ",",
    ";",
    "\t",
    "\n",
    "\r\n",
    " ",
    "\0",
    "\ufeff",
    "null",
    "true",
    "[]",
    "{}",
    "=",
    "#",
]
WORDS += [
    "()",
    "a" * 300,
    "\ud800",
    "\\ud800",
    "\\",
    "é",
    "(" * 300,
    "[" * 3000,
    "{'a':" * 300,
    "<f8",
    "|O",
    "S0",
]
TOKEN = re.compile(rb"[A-Za-z_]+|-?[0-9.]+(?:[eE][+-]?[0-9]+)?|\s+|[^\sA-Za-z0-9]")
NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


def change_bytes(content: bytes, stream: Random) -> bytes:
    """Flip a bit, cut, take out, put in, double, or write a number over some bytes."""
    place = stream.randrange(len(content) + 1)
    head, tail = content[:place], content[place:]
    length = stream.choice((1, 2, 4, 8, 30))
    number = stream.choice(COUNTS)
    some = (
        lambda: head + bytes(byte ^ 1 << stream.randrange(8) for byte in tail[:1]) + tail[1:],
        lambda: head,
        lambda: head + tail[length:],
        lambda: head + stream.randbytes(length) + tail,
        lambda: head + tail[:length] * 2 + tail[length:],
        lambda: head + struct.pack(">I", number % 2**32) + tail[4:],
        lambda: head + struct.pack("<I", number % 2**32) + tail[4:],
        lambda: head + struct.pack("<Q", number) + tail[8:],
        lambda: head + bytes([number % 256]) + tail[1:],
    )
    return stream.choice(some)()


def change_text(content: bytes, stream: Random) -> bytes:
    """Put another number or word in a number's or a token's place, or move, double or take out a line."""
    kind = stream.randrange(4)
    if kind == 0:
        return _put(content, NUMBER, stream.choice(NUMBERS), stream)
    if kind == 1:
        return _put(content, TOKEN, stream.choice(WORDS + NUMBERS), stream)
    if kind == 2:
        return change_bytes(content, stream)
    lines = content.splitlines(keepends=True) or [b""]
    lines.insert(
        stream.randrange(len(lines) + 1),
        lines.pop(stream.randrange(len(lines))) * stream.randrange(3),
    )
    return b"".join(lines)


def _put(content: bytes, pattern: "re.Pattern[bytes]", word: str, stream: Random) -> bytes:
    places = [match.span() for match in pattern.finditer(content)] or [(0, 0)]
    start, end = stream.choice(places)
    return content[:start] + word.encode("utf-8", "surrogatepass") + content[end:]


def change_packed(content: bytes, stream: Random) -> bytes:
    """Change what a gzip file holds, and pack it again."""
    try:
        inside = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return change_bytes(content, stream)
    return gzip.compress(change_bytes(inside, stream), 1, mtime=0)


def change_archive(content: bytes, stream: Random) -> bytes:
    """Change a member of an archive, and write the archive anew with every checksum right."""
    members = read_members(content)
    if not members:
        return change_bytes(content, stream)
    _change_members(members, stream)
    packing = stream.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    return npz(members, packing)


def change_sealed(content: bytes, stream: Random) -> bytes:
    """Change a member of an archive, and seal it again."""
    return seal(change_archive(content, stream))


def _change_members(members: Members, stream: Random) -> None:
    with_header = "header.npy" in members and stream.randrange(2)
    name = "header.npy" if with_header else stream.choice(list(members))
    kind = stream.randrange(10)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[stream.choice(["../x.npy", "/x.npy", "", "x", "\0.npy", "é.npy"])] = members.pop(
            name
        )
    elif kind == 2:
        members[name] = members[stream.choice(list(members))]
    elif kind == 3:
        members[name] = npy(stream.choice(OTHERS))
    elif name == "header.npy":
        members[name] = _change_json(members[name], stream)
    else:
        members[name] = change_npy(members[name], stream)


OTHERS: list[Any] = [
    *(
        np.float64(1),
        np.zeros(0),
        np.zeros((1, 1, 1, 1)),
        np.zeros((3, 2), "f2"),
        np.zeros(4, ">f4"),
    ),
    *(
        np.full(3, np.nan),
        np.full((2, 2), np.inf),
        np.full(4, 1e300),
        np.array([2**63], "u8"),
        np.zeros(3, complex),
    ),
    *(
        np.array(["a", "é"]),
        np.array(["\ud800"]),
        np.array([b"\xff"]),
        np.array([None]),
        np.zeros(2, "M8[s]"),
    ),
]


def change_npy(content: bytes, stream: Random) -> bytes:
    """Change the header of a .npy file, whose length is put right again, or its data."""
    end = 10 + int.from_bytes(content[8:10], "little")
    text, data = content[10:end], content[end:]
    kind = stream.randrange(3)
    if kind == 0:
        text = change_text(text, stream)[:60_000]
    elif kind == 1:
        data = _same_length(change_bytes(data, stream), len(data))
    else:
        return change_bytes(content, stream)
    return npy_header(text.decode("latin-1"), data)


def _same_length(data: bytes, length: int) -> bytes:
    return data[:length].ljust(length, b"\xff")


def _change_json(content: bytes, stream: Random) -> bytes:
    """Change a JSON text in a .npy file, as text or as a document, and put its length right."""
    text = content[10 + int.from_bytes(content[8:10], "little") :]
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return npy(np.frombuffer(change_text(text, stream), np.uint8))
    changed = json.dumps(_change_document(document, stream)).encode()
    return npy(
        np.frombuffer(changed if stream.randrange(2) else change_text(text, stream), np.uint8)
    )


VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    10**400,
    1e308,
    float("nan"),
    "",
    "\ud800",
    "relu",
    [],
    [[]],
    {},
]


def _change_document(document: Any, stream: Random) -> Any:
    """The document with another value, or none, somewhere in it."""
    if not isinstance(document, dict | list) or not document or not stream.randrange(4):
        return stream.choice(VALUES)
    key = (
        stream.choice(list(document))
        if isinstance(document, dict)
        else stream.randrange(len(document))
    )
    if stream.randrange(8):
        document[key] = _change_document(document[key], stream)
    else:
        del document[key]
    return document


def read_members(content: bytes) -> Members:
    """The members of an archive, or none where it cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {member.filename: archive.read(member) for member in archive.infolist()}
    except Exception:  # a damaged archive makes zipfile fail in many ways
        return {}


def seal(content: bytes) -> bytes:
    """An archive without a comment, sealed as write_npz does it: a hostile file may be."""
    sealed = content[:-2] + struct.pack("<H", len(SEAL) + DIGEST) + SEAL
    return sealed + hashlib.sha256(sealed).hexdigest().encode()
