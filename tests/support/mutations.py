"""Changes that a fuzzer makes to a file: to its bytes, its text, or the members of an archive."""

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
from tests.support.odd_values import ARRAYS, COUNTS, JSON_VALUES, MEMBER_NAMES, NUMBERS, WORDS

Mutation = Callable[[bytes, Random], bytes]
Members = dict[str, bytes]

TOKEN = re.compile(rb"[A-Za-z_]+|-?[0-9.]+(?:[eE][+-]?[0-9]+)?|\s+|[^\sA-Za-z0-9]")
NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
LONGEST_HEADER = 60_000  # bytes; a .npy file writes the length in two
NPY_START = 10  # bytes of a .npy file before its header


def mutate_bytes(content: bytes, rng: Random) -> bytes:
    """Flip a bit, cut, take out, put in, double, or write a number over some bytes."""
    index = rng.randrange(len(content) + 1)
    head, tail = content[:index], content[index:]
    length = rng.choice((1, 2, 4, 8, 30))
    count = rng.choice(COUNTS)
    changed: tuple[Callable[[], bytes], ...] = (
        lambda: head + bytes(byte ^ 1 << rng.randrange(8) for byte in tail[:1]) + tail[1:],
        lambda: head,
        lambda: head + tail[length:],
        lambda: head + rng.randbytes(length) + tail,
        lambda: head + tail[:length] * 2 + tail[length:],
        lambda: head + struct.pack(">I", count % 2**32) + tail[4:],
        lambda: head + struct.pack("<I", count % 2**32) + tail[4:],
        lambda: head + struct.pack("<Q", count) + tail[8:],
        lambda: head + bytes([count % 256]) + tail[1:],
    )
    return rng.choice(changed)()


def mutate_text(content: bytes, rng: Random) -> bytes:
    """Put another number or word in a number's or token's place, or mutate bytes or lines."""
    kind = rng.randrange(4)
    if kind == 0:
        return _replace(content, NUMBER, rng.choice(NUMBERS), rng)
    if kind == 1:
        return _replace(content, TOKEN, rng.choice(WORDS + NUMBERS), rng)
    if kind == 2:
        return mutate_bytes(content, rng)
    return _mutate_lines(content, rng)


def _replace(content: bytes, pattern: "re.Pattern[bytes]", word: str, rng: Random) -> bytes:
    spans = [match.span() for match in pattern.finditer(content)] or [(0, 0)]
    start, end = rng.choice(spans)
    return content[:start] + word.encode("utf-8", "surrogatepass") + content[end:]


def _mutate_lines(content: bytes, rng: Random) -> bytes:
    """Move, double or take out a line."""
    lines = content.splitlines(keepends=True) or [b""]
    to = rng.randrange(len(lines) + 1)
    line = lines.pop(rng.randrange(len(lines)))
    lines.insert(to, line * rng.randrange(3))
    return b"".join(lines)


def mutate_gzip(content: bytes, rng: Random) -> bytes:
    """Mutate what a gzip file holds, and pack it again."""
    try:
        unpacked = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return mutate_bytes(content, rng)
    return gzip.compress(mutate_bytes(unpacked, rng), 1, mtime=0)


def mutate_archive(content: bytes, rng: Random) -> bytes:
    """Mutate a member of an archive, and write the archive anew with every checksum right."""
    members = read_members(content)
    if not members:
        return mutate_bytes(content, rng)
    _mutate_members(members, rng)
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return npz(members, rng.choice(methods))


def mutate_sealed(content: bytes, rng: Random) -> bytes:
    """Mutate a member of an archive, and seal it again."""
    return seal(mutate_archive(content, rng))


def _mutate_members(members: Members, rng: Random) -> None:
    name = rng.choice(list(members))
    if "header.npy" in members and rng.randrange(2):
        name = "header.npy"
    kind = rng.randrange(10)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[rng.choice(MEMBER_NAMES)] = members.pop(name)
    elif kind == 2:
        members[name] = members[rng.choice(list(members))]
    elif kind == 3:
        members[name] = npy(rng.choice(ARRAYS))
    elif name == "header.npy":
        members[name] = _mutate_json(members[name], rng)
    else:
        members[name] = mutate_npy(members[name], rng)


def mutate_npy(content: bytes, rng: Random) -> bytes:
    """Mutate the header of a .npy file, and correct its length, or mutate its data."""
    end = _header_end(content)
    header, data = content[NPY_START:end], content[end:]
    kind = rng.randrange(3)
    if kind == 0:
        header = mutate_text(header, rng)[:LONGEST_HEADER]
    elif kind == 1:
        data = _of_length(mutate_bytes(data, rng), len(data))
    else:
        return mutate_bytes(content, rng)
    return npy_header(header.decode("latin-1"), data)


def _header_end(npy_file: bytes) -> int:
    return NPY_START + int.from_bytes(npy_file[8:NPY_START], "little")


def _of_length(data: bytes, length: int) -> bytes:
    return data[:length].ljust(length, b"\xff")


def _mutate_json(content: bytes, rng: Random) -> bytes:
    """Mutate a JSON text in a .npy file, as text or as a document, and correct its length."""
    text = content[_header_end(content) :]
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _npy_of_text(mutate_text(text, rng))
    changed = json.dumps(_mutate_document(document, rng)).encode()
    if rng.randrange(2):
        return _npy_of_text(changed)
    return _npy_of_text(mutate_text(text, rng))


def _npy_of_text(text: bytes) -> bytes:
    return npy(np.frombuffer(text, np.uint8))


def _mutate_document(document: Any, rng: Random) -> Any:
    """The document with one of its values replaced or deleted."""
    if not isinstance(document, dict | list) or not document or not rng.randrange(4):
        return rng.choice(JSON_VALUES)
    keys = range(len(document)) if isinstance(document, list) else list(document)
    key = rng.choice(keys)
    if rng.randrange(8):
        document[key] = _mutate_document(document[key], rng)
    else:
        del document[key]
    return document


def read_members(content: bytes) -> Members:
    """The members of an archive, or none if it cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {member.filename: archive.read(member) for member in archive.infolist()}
    except Exception:  # a damaged archive makes zipfile fail in many ways
        return {}


def seal(content: bytes) -> bytes:
    """An archive without a comment, sealed as write_npz does it, since a malicious file may be."""
    comment_length = struct.pack("<H", len(SEAL) + DIGEST)
    sealed = content[:-2] + comment_length + SEAL
    return sealed + hashlib.sha256(sealed).hexdigest().encode()
