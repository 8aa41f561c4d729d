"""Cells as places in a block of bytes: a million numbers or words are read without a string each.

Eight bytes are loaded as one integer, whose bytes are worked on all at once, as in D. Lemire
(2021), "Number parsing at a gigabyte per second".
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Index

Words: TypeAlias = NDArray[np.uint64]  # eight bytes each
Mask: TypeAlias = NDArray[np.bool_]
PAD = 32  # bytes before the first cell of a buffer, so that what ends there can be loaded
LONGEST = 23  # bytes of a number without its sign that is read without Python
POWERS = 10.0 ** np.arange(23)  # each of them exact
EXACT = np.uint64(1 << 53)  # whole numbers below it are exact as float64
EXTENDED = np.finfo(np.longdouble).nmant == 63  # whether long double is x86's, of 64 bits
LONG_POWERS = np.cumprod([np.longdouble(1)] + [np.longdouble(10)] * 22)
ZERO, DOT, COMMA, MINUS, PLUS = b"0.,-+"
# The last n bytes of eight, for n = 0 … 8.
LAST_BYTES = np.array([(1 << 64) - (1 << (64 - 8 * n)) for n in range(9)], np.uint64)
BYTE, HIGH, TO_TOP = np.uint64(8), np.uint64(7), np.uint64(56)


def _each(byte: int) -> np.uint64:
    """Eight times the same byte."""
    return np.uint64(byte * 0x0101010101010101)


@dataclass(frozen=True)
class Spans:
    """Cells (N) of a buffer, in UTF-8: cell i is buffer[starts[i]:ends[i]], behind the padding."""

    buffer: bytes
    starts: Index
    ends: Index

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> str:
        return self.buffer[self.starts[index] : self.ends[index]].decode()

    def words(self, before: int = 0, flip: int = 0) -> Words:
        """The bytes of each cell, eight at most, that end `before` bytes before its end.

        Each is XORed with `flip`; what is not the cell's is 0.
        """
        every: Words = np.ndarray(len(self.buffer) - 7, "<u8", self.buffer, strides=(1,))
        words = every[self.ends - (8 + before)]
        if flip:
            words ^= _each(flip)
        words &= LAST_BYTES.take(self.ends - self.starts - before, mode="clip")
        return words

    def take(self, indices: Index) -> "Spans":
        """Some of the cells."""
        return Spans(self.buffer, self.starts[indices], self.ends[indices])


def parse_numbers(cells: Spans, decimal: str) -> tuple[Floats, Index]:
    """The numbers that are plain digits, with a sign or a point; and which cells are others.

    Each number is what Python's float makes of the cell, to the last bit. Others are NaN.
    """
    first = np.frombuffer(cells.buffer, np.uint8)[cells.starts]
    negative = first == MINUS
    unsigned = Spans(cells.buffer, cells.starts + (negative | (first == PLUS)), cells.ends)
    lengths = unsigned.ends - unsigned.starts
    point = np.uint64(DOT if decimal == "." else COMMA)
    long = np.flatnonzero(lengths > 8)
    if 2 * len(long) < len(cells):  # it is quicker to try all than to choose
        values, valid = _parse_short(unsigned, lengths, point)
    else:
        values, valid = np.zeros(len(cells)), np.zeros(len(cells), bool)
        short = np.flatnonzero(lengths <= 8)
        values[short], valid[short] = _parse_short(unsigned.take(short), lengths[short], point)
    if len(long):
        values[long], valid[long] = _parse_long(unsigned.take(long), point)
    np.negative(values, out=values, where=negative)
    left = np.flatnonzero(~valid)
    values[left] = np.nan
    return values, left


def _parse_short(cells: Spans, lengths: Index, point: np.uint64) -> tuple[Floats, Mask]:
    """The numbers of up to eight bytes, and which cells are such numbers."""
    digits = cells.words(flip=ZERO)
    points, valid = _find_point(digits, point)
    has_point = points != 0
    whole = _whole_number(np.where(has_point, _closed(digits, points), digits))
    valid &= lengths <= 8
    valid &= lengths > has_point
    return whole / POWERS[_decimals(points)], valid


def _parse_long(cells: Spans, point: np.uint64) -> tuple[Floats, Mask]:
    """The numbers of nine to 23 bytes, and which cells are numbers whose value is certain."""
    parts = [cells.words(before, ZERO) for before in (0, 8, 16)]
    found = [_find_point(part, point) for part in parts]
    points = [where for where, _ in found]
    valid = found[0][1] & found[1][1] & found[2][1]
    valid &= cells.ends - cells.starts <= LONGEST
    valid &= sum((where != 0).astype(np.int8) for where in points) <= 1
    last, middle, first = (_whole_number(part) for part in _close_gap(parts, points))
    decimals = _decimals(points[0])
    decimals += np.where(points[1] != 0, 8 + _decimals(points[1]), 0)
    decimals += np.where(points[2] != 0, 16 + _decimals(points[2]), 0)
    valid &= (first < 1000) & (decimals <= 22)
    decimals[~valid] = 0
    number = (first * np.uint64(10**8) + middle) * np.uint64(10**8) + last
    values = number / POWERS[decimals]
    large = np.flatnonzero(valid & (number >= EXACT))
    if len(large):
        values[large], valid[large] = _divided(number[large], decimals[large])
    return values, valid


def _divided(number: Words, decimals: Index) -> tuple[Floats, Mask]:
    """Numbers of up to 64 bits over powers of ten, and which of them are certain to the last bit.

    x86's long double holds both exactly, so its quotient is right to 64 bits. To round that to 53
    bits is to round once, unless the quotient is just between two float64s.
    """
    if not EXTENDED:
        return np.zeros(len(number)), np.zeros(len(number), bool)
    quotients = number.astype(np.longdouble) / LONG_POWERS[decimals]
    significands = quotients.view(np.uint64)[::2]
    certain = (significands & np.uint64(0x7FF)) != 0x400
    return quotients.astype(np.float64), certain


# Eight bytes at once. In an integer that was loaded with its lowest byte first, the last byte of a
# cell is the highest.


def _find_point(digits: Words, point: np.uint64) -> tuple[Words, Mask]:
    """1 at the lowest bit of the byte that is the point, and whether all others are digits."""
    other = digits ^ (_each(1) * (point ^ np.uint64(ZERO)))
    is_point = ~(((other & _each(0x7F)) + _each(0x7F)) | other | _each(0x7F))
    is_no_digit = ((digits + _each(0x76)) | digits) & _each(0x80)
    points = is_point >> HIGH
    valid = is_no_digit == is_point
    valid &= (points & (points - np.uint64(1))) == 0
    return points, valid


def _closed(digits: Words, points: Words) -> Words:
    """The digits without the point: those before it move up by a byte."""
    before = points - np.uint64(1)
    behind = ~((before << BYTE) | np.uint64(0xFF))
    return ((digits & before) << BYTE) | (digits & behind)


def _close_gap(parts: list[Words], points: list[Words]) -> list[Words]:
    """The same for numbers of three parts, the last eight bytes first."""
    last, middle, first = parts
    in_last, in_middle, in_first = (where != 0 for where in points)
    from_middle, from_first = middle >> TO_TOP, first >> TO_TOP
    closed_middle = _closed(middle, points[1]) | from_first
    moved_middle = (middle << BYTE) | from_first
    closed_first = np.where(in_first, _closed(first, points[2]), first)
    return [
        np.where(in_last, _closed(last, points[0]) | from_middle, last),
        np.where(in_last, moved_middle, np.where(in_middle, closed_middle, middle)),
        np.where(in_last | in_middle, first << BYTE, closed_first),
    ]


def _decimals(points: Words) -> Index:
    """How many bytes are behind the point; 0 without one."""
    behind = (points * np.uint64(0x0706050403020100)) >> TO_TOP
    return behind.astype(np.intp)


def _whole_number(digits: Words) -> Words:
    """The number that eight digits spell: pairs are added, then pairs of pairs (Lemire 2021)."""
    pairs = digits * np.uint64(10) + (digits >> BYTE)
    mask = np.uint64(0x000000FF000000FF)
    high = (pairs & mask) * np.uint64(0x000F424000000064)
    low = ((pairs >> np.uint64(16)) & mask) * np.uint64(0x0000271000000001)
    return (high + low) >> np.uint64(32)
