"""Words that were met, found again by their bytes: many cells at once, without strings."""

from collections.abc import Callable
from functools import reduce

import numpy as np

from mlpcli.arrays import Floats, Index
from mlpcli.datasets.csvbytes import Mask, Spans, Words

LONGEST = 32  # bytes of a word that the table holds: four integers of eight
N_PARTS = LONGEST // 8
N_SLOTS = 1 << 18
TO_SLOT = np.uint64(64 - 18)  # the highest 18 bits of a product choose the slot
MAX_ENTRIES = 1 << 16
# Odd numbers without a pattern: for each part of a word, for its key, and for the whole.
FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
)
KEY_FACTOR, LAST_FACTOR = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)


class WordTable:
    """The codes of words in some columns: what is not in its slot is asked for by its text.

    Args:
        code_of: The code of a text in a column.
    """

    def __init__(self, code_of: Callable[[int, str], float]) -> None:
        self.code_of = code_of
        self.slots = np.zeros(N_SLOTS, np.int32)  # the entry of each slot; the first is no word
        self.keys: Index = np.array([-1])  # of each entry, its column and length
        self.parts: list[Words] = [np.zeros(1, np.uint64) for _ in range(N_PARTS)]
        self.codes: Floats = np.array([np.nan])

    def encode(self, cells: Spans, n_columns: int) -> Floats:
        """The code of each cell (n); the cells go from column to column, row by row."""
        lengths = cells.ends - cells.starts
        longest = min(LONGEST, int(lengths.max(initial=1)))
        parts = [cells.words(before) for before in range(0, longest, 8)]
        keys = lengths.reshape(-1, n_columns) * n_columns + np.arange(n_columns)
        keys = keys.ravel()
        slots = _slots(keys, parts)
        entries = self.slots[slots].astype(np.intp)
        codes: Floats = self.codes[entries]
        missed = np.flatnonzero(~self._found(entries, keys, parts))
        if len(missed):
            columns = missed % n_columns
            chosen = [part[missed] for part in parts]
            codes[missed] = self._ask(cells.take(missed), columns, keys[missed], chosen)
        return codes

    def _found(self, entries: Index, keys: Index, parts: list[Words]) -> Mask:
        """Whether each cell is the word of its entry."""
        found: Mask = self.keys[entries] == keys
        for known, part in zip(self.parts, parts, strict=False):
            found &= known[entries] == part
        return found

    def _ask(self, cells: Spans, columns: Index, keys: Index, parts: list[Words]) -> Floats:
        """The codes of cells that are not in their slots; each is put there if the slot is free."""
        asked: dict[tuple[int, str], float] = {}
        codes = np.empty(len(cells))
        new: list[int] = []
        for index, column in enumerate(columns.tolist()):
            word = column, cells[index]
            if word not in asked:
                asked[word] = self.code_of(*word)
                new.append(index)
            codes[index] = asked[word]
        fits = [index for index in new if cells.ends[index] - cells.starts[index] <= LONGEST]
        chosen = np.array(fits, np.intp)
        self._add(keys[chosen], [part[chosen] for part in parts], codes[chosen])
        return codes

    def _add(self, keys: Index, parts: list[Words], codes: Floats) -> None:
        """Put words into their slots, if these are free."""
        slots, first = np.unique(_slots(keys, parts), return_index=True)
        first = first[self.slots[slots] == 0][: MAX_ENTRIES - len(self.codes)]
        slots = _slots(keys, parts)[first]
        self.slots[slots] = len(self.codes) + np.arange(len(first))
        self.keys = np.append(self.keys, keys[first])
        self.codes = np.append(self.codes, codes[first])
        none = np.zeros(len(keys), np.uint64)
        for k in range(N_PARTS):
            part = parts[k] if k < len(parts) else none
            self.parts[k] = np.append(self.parts[k], part[first])


def _slots(keys: Index, parts: list[Words]) -> Index:
    mixed = [part * factor for part, factor in zip(parts, FACTORS, strict=False)]
    whole = reduce(np.bitwise_xor, mixed, keys.view(np.uint64) * KEY_FACTOR)
    slots: Index = ((whole * LAST_FACTOR) >> TO_SLOT).astype(np.intp)
    return slots
