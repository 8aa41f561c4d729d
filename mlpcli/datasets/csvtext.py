"""The text of a CSV file or stream: blocks of whole lines in UTF-8, however they were written.

Gzip, a byte-order mark, UTF-16 and the ends of lines are dealt with here, and nowhere else.
"""

import codecs
import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np

from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.messages import size_in_words
from mlpcli.storage.reading import check_unpacked, open_regular

SIZE = 1 << 18  # bytes of a block, or a line if that is longer
MAX_LINE = 1 << 26  # bytes
GZIP = b"\x1f\x8b"  # how a gzip file begins, and no text in UTF-8 does
HEAD_LINES = 50  # lines that the first look needs, if they are no longer than
HEAD_SIZE = 1 << 23  # bytes in all; then three are enough
(NEWLINE,) = b"\n"
UNPACK = "Unpack it first, with gunzip."


def file_blocks(path: Path) -> Iterator[bytes]:
    """The text of a file, plain or gzipped.

    Raises DataError for what is no text, and UnreadableFileError for what is no regular file, or
    unpacks to more than data does.
    """
    with _file_pieces(path) as pieces:
        yield from _checked(str(path), pieces)


def file_size(path: Path) -> tuple[int, int]:
    """The lines of a file's text, and its bytes; the text is not checked."""
    n_lines = n_bytes = 0
    with _file_pieces(path) as pieces:
        for piece in _with_newlines(_as_utf8(str(path), pieces)):
            n_lines += count_lines(piece)
            n_bytes += len(piece)
    return n_lines + 1, n_bytes + 1  # the last line may have no end


@contextmanager
def _file_pieces(path: Path) -> Iterator[Iterator[bytes]]:
    """The bytes of a file, unpacked."""
    with open_regular(path) as file:
        is_packed = file.read(2) == GZIP
        file.seek(0)
        yield _unpacked(path, file) if is_packed else _pieces(file.read)


def stream_blocks(stream: TextIO, name: str) -> Iterator[bytes]:
    """The text of a stream that cannot be read twice; raises DataError for what is no text."""
    buffer = getattr(stream, "buffer", None)
    pieces = _encoded(stream) if buffer is None else _pieces(buffer.read)
    return _checked(name, pieces)


def take_head(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes], bool]:
    """The first blocks, for a first look; all blocks; and whether the first ones are all."""
    head = b""
    for block in blocks:
        head += block
        n_lines = count_lines(head)
        if n_lines >= HEAD_LINES or (n_lines > 2 and len(head) > HEAD_SIZE):
            break
    following = next(blocks, b"")
    if not following:
        return head, iter([head] if head else []), True
    return head, chain([head, following], blocks), False


def without_lines(blocks: Iterator[bytes], n_lines: int) -> Iterator[bytes]:
    """The text without its first lines, which all stand in the first block."""
    if not n_lines:
        yield from blocks
        return
    first = next(blocks)
    end = 0
    for _ in range(n_lines):
        end = first.index(b"\n", end) + 1
    if first[end:]:
        yield first[end:]
    yield from blocks


def _checked(origin: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks of whole lines, each of which ends in a newline; raises DataError for bad text."""
    line = 1
    waiting: list[bytes] = []
    for piece in _with_newlines(_as_utf8(origin, pieces)):
        end = piece.rfind(b"\n") + 1
        if end:
            block = b"".join([*waiting, piece[:end]])
            _check_text(origin, block, line)
            yield block
            line += count_lines(block)
            waiting = []
        waiting.append(piece[end:])
        if sum(map(len, waiting)) > MAX_LINE:
            raise DataError(
                f"{origin}: line {line:,} is longer than {size_in_words(MAX_LINE)}. "
                "A row must stand on a line of its own."
            )
    rest = b"".join(waiting)
    if rest:
        _check_text(origin, rest, line)
        yield rest + b"\n"


def count_lines(block: bytes) -> int:
    """How many lines end in a block."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == NEWLINE))


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    return iter(partial(read, SIZE), b"")


def _encoded(stream: TextIO) -> Iterator[bytes]:
    for text in iter(partial(stream.read, SIZE), ""):
        yield text.encode("utf-8", "surrogatepass")


def _unpacked(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """What a gzip file holds, as long as that is not out of all proportion to its size."""
    packed = os.fstat(file.fileno()).st_size
    done = 0
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            for piece in _pieces(stream.read):
                done += len(piece)
                check_unpacked(path, packed, done, UNPACK)
                yield piece
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFileError(
            path, f"is not a whole gzip file ({error})", "Fetch it again."
        ) from error


def _as_utf8(origin: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The text without its byte-order mark; UTF-16 is recognised by that mark."""
    first = next(pieces, b"")
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        yield decoder.decode(first).encode()
        for piece in pieces:
            yield decoder.decode(piece).encode()
        decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{origin}: begins as UTF-16, and is not ({error.reason}). Save it as UTF-8."
        ) from error


def _with_newlines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    r"""The text with \n at the end of each line, in place of \r\n or \r."""
    held = b""
    for piece in pieces:
        text = held + piece
        held = b""
        if text.endswith(b"\r"):  # the next piece may begin with \n
            text, held = text[:-1], b"\r"
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield text
    if held:
        yield b"\n"


def _check_text(origin: str, block: bytes, line: int) -> None:
    """Check that a block is UTF-8 text; `line` is the number of its first line."""
    if b"\0" in block:
        at = line + block.count(b"\n", 0, block.index(b"\0"))
        raise DataError(
            f"{origin}: line {at:,} has a NUL byte: this is not UTF-8 text. Save it as UTF-8."
        )
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        at = line + block.count(b"\n", 0, error.start)
        raise DataError(
            f"{origin}: line {at:,} is not UTF-8 ({error.reason}). Save it as UTF-8."
        ) from error
