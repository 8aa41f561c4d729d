"""Words that were met, found again by their bytes: many cells at once, without strings."""

from collections.abc import Callable

import numpy as np

from mlpcli.arrays import Floats, Index
from mlpcli.datasets.csvbytes import Mask, Spans, Words

LONGEST = 32  # bytes of a word that the table holds: four integers of eight
N_PARTS = LONGEST // 8
N_SLOTS = 1 << 16
MAX_ENTRIES = 1 << 15
TO_SLOT = np.uint64(48)  # the highest 16 bits of a product choose the slot
FACTORS = np.array(  # odd numbers without a pattern
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
)


class WordTable:
    """The codes of words: each word has a slot; what is not in its slot is asked for by its text.

    Args:
        code_of: The code of a text.
    """

    def __init__(self, code_of: Callable[[str], float]) -> None:
        self.code_of = code_of
        self.slots = np.zeros(N_SLOTS, np.int32)  # the entry of each slot; the first is no word
        self.words: Words = np.full((1, N_PARTS), np.uint64(2**64 - 1))
        self.codes: Floats = np.array([np.nan])

    def encode(self, cells: Spans) -> Floats:
        """The code of each cell (n)."""
        parts = self._parts(cells)
        slots = _slots(parts)
        entries = self.slots[slots].astype(np.intp)
        found = self._found(entries, parts, cells)
        codes: Floats = self.codes[entries]
        missed = np.flatnonzero(~found)
        if len(missed):
            codes[missed] = self._ask(cells.take(missed), [part[missed] for part in parts])
        return codes

    def _parts(self, cells: Spans) -> list[Words]:
        """As many integers of eight bytes as the longest cell needs, from the last byte on."""
        longest = min(LONGEST, int((cells.ends - cells.starts).max(initial=1)))
        return [cells.words(before) for before in range(0, longest, 8)]

    def _found(self, entries: Index, parts: list[Words], cells: Spans) -> Mask:
        """Whether each cell is the word of its entry."""
        found: Mask = cells.ends - cells.starts <= LONGEST
        for k in range(N_PARTS):
            part = parts[k] if k < len(parts) else np.uint64(0)
            found &= self.words[:, k][entries] == part
        return found

    def _ask(self, cells: Spans, parts: list[Words]) -> Floats:
        """The codes of cells that are not in their slots; each is put there if the slot is free."""
        code_of_text: dict[str, float] = {}
        codes = np.empty(len(cells))
        new: list[int] = []
        for index in range(len(cells)):
            text = cells[index]
            if text not in code_of_text:
                code_of_text[text] = self.code_of(text)
                new.append(index)
            codes[index] = code_of_text[text]
        fresh = np.array(new, np.intp)
        self._add(cells.take(fresh), [part[fresh] for part in parts], codes[fresh])
        return codes

    def _add(self, cells: Spans, parts: list[Words], codes: Floats) -> None:
        slots = _slots(parts)
        _, first = np.unique(slots, return_index=True)
        fits = (cells.ends - cells.starts <= LONGEST)[first]
        first = first[fits & (self.slots[slots[first]] == 0)]
        first = first[: MAX_ENTRIES - len(self.codes)]
        words = np.zeros((len(first), N_PARTS), np.uint64)
        for k, part in enumerate(parts):
            words[:, k] = part[first]
        self.slots[slots[first]] = len(self.codes) + np.arange(len(first))
        self.words = np.concatenate([self.words, words])
        self.codes = np.concatenate([self.codes, codes[first]])


def _slots(parts: list[Words]) -> Index:
    mixed = parts[0] * FACTORS[0]
    for part, factor in zip(parts[1:], FACTORS[1:], strict=False):
        mixed ^= part * factor
    slots: Index = ((mixed * FACTORS[0]) >> TO_SLOT).astype(np.intp)
    return slots
