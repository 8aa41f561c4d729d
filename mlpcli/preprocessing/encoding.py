"""The encoding of a table's columns: each raw column fills some places of the network's input x.

    number     the value, scaled; and, if asked for, its quantile bins (piecewise linear)
    category   a place for each level that is frequent enough, 1 for the row's level, and one place
               for all rare levels together; a level that no training row had is 0 in all of them
    missing    0 in all of these, and 1 in a place for missing cells if training rows had any

A bin with the edges l and r is t = (v − l) / (r − l), limited to [0, 1] (Gorishniy et al. 2022).
Every place is x = (t − offset) · scale in the end, where t is the value, the bin, 0 or 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Index, Raw
from mlpcli.preprocessing.scaling import Scaling

NOWHERE = -1  # the place of what does not reach x

Places: TypeAlias = Index | slice


@dataclass(frozen=True)
class Inputs:
    """The places of x that one raw column fills.

    Args:
        value: Of the scaled value.
        edges: The edges of the bins, rising; of n edges there are n − 1 bins, or none.
        bins: Of the first bin; the others follow it.
        levels: Of each level of a category; rare levels share one place.
        missing: 1 where the cell is missing.
    """

    value: int = NOWHERE
    edges: tuple[float, ...] = ()
    bins: int = NOWHERE
    levels: tuple[int, ...] = ()
    missing: int = NOWHERE

    @property
    def places(self) -> list[int]:
        """All places that the column fills."""
        bins = range(self.bins, self.bins + len(self.edges) - 1) if self.edges else ()
        all_places = [self.value, self.missing, *bins, *self.levels]
        return [place for place in all_places if place != NOWHERE]


@dataclass(frozen=True)
class Encoding:
    """How raw rows (n,D_raw) become x (n,D): each column's places, and offset and scale (D)."""

    inputs: tuple[Inputs, ...]
    offset: Floats
    scale: Floats

    @property
    def n_raw(self) -> int:
        """The number of raw columns."""
        return len(self.inputs)

    @property
    def n_inputs(self) -> int:
        """D, the length of a row of x."""
        return len(self.offset)

    @property
    def keeps_zero(self) -> bool:
        """Whether blank borders of images stay blank; columns of tables are no pixels."""
        return False

    def apply(self, raw: Raw, x: Floats) -> None:
        """Write the inputs of raw rows (n,D_raw) into x (n,D)."""
        self._write_values(raw, x)
        self._write_bins(raw, x)
        self._write_gaps(raw, x)
        self._write_levels(raw, x)

    def _write_values(self, raw: Raw, x: Floats) -> None:
        columns, places = self._values
        t = np.take(raw, columns, axis=1).astype(np.float64, copy=False)
        self._write_scaled(t, places, x)

    def _write_bins(self, raw: Raw, x: Floats) -> None:
        columns, places, left, width = self._bins
        t = np.take(raw, columns, axis=1).astype(np.float64, copy=False)
        t -= left
        t /= width
        np.clip(t, 0, 1, out=t)
        self._write_scaled(t, places, x)

    def _write_scaled(self, t: Floats, places: Places, x: Floats) -> None:
        """Write (t − offset) · scale, and 0 where t is missing; t is overwritten."""
        t -= self.offset[places]
        t *= self.scale[places]
        if np.isnan(np.min(t, initial=0)):
            np.nan_to_num(t, copy=False, nan=0.0)
        x[:, places] = t

    def _write_gaps(self, raw: Raw, x: Floats) -> None:
        columns, places = self._gaps
        x[:, places] = np.isnan(raw[:, columns])

    def _write_levels(self, raw: Raw, x: Floats) -> None:
        columns, starts, place_of_level = self._levels
        if not len(columns):
            return
        x[:, self._level_places] = 0
        levels = raw[:, columns]
        is_known = levels >= 0
        rows, which = np.nonzero(is_known)
        index = levels[rows, which].astype(np.intp) + starts[which]
        places = place_of_level[index]
        is_used = places != NOWHERE
        x[rows[is_used], places[is_used]] = 1

    @cached_property
    def _values(self) -> tuple[Index, Places]:
        """Raw columns, and the places of their values."""
        return _pairs((column, inputs.value) for column, inputs in enumerate(self.inputs))

    @cached_property
    def _gaps(self) -> tuple[Index, Places]:
        """Raw columns, and the places of their missing cells."""
        return _pairs((column, inputs.missing) for column, inputs in enumerate(self.inputs))

    @cached_property
    def _bins(self) -> tuple[Index, Places, Floats, Floats]:
        """For each bin its raw column, its place, its left edge and its width."""
        bins = [
            (column, inputs.bins + n, left, right - left)
            for column, inputs in enumerate(self.inputs)
            for n, (left, right) in enumerate(pairwise(inputs.edges))
        ]
        columns, places, left, width = np.array(bins, float).reshape(-1, 4).T
        return columns.astype(np.intp), _as_slice(places.astype(np.intp)), left, width

    @cached_property
    def _levels(self) -> tuple[Index, Index, Index]:
        """The categories' raw columns; where each one's levels start; the place of each level."""
        columns = [column for column, inputs in enumerate(self.inputs) if inputs.levels]
        lengths = [len(self.inputs[column].levels) for column in columns]
        starts = np.cumsum([0, *lengths])[:-1]
        places = [place for column in columns for place in self.inputs[column].levels]
        return np.array(columns, np.intp), starts, np.array(places, np.intp)

    @cached_property
    def _level_places(self) -> Places:
        """All places of levels."""
        _, _, place_of_level = self._levels
        return _as_slice(np.unique(place_of_level[place_of_level != NOWHERE]))

    def unknown_levels(self, raw: Raw) -> NDArray[np.bool_]:
        """Whether each row (n) has a level that no training row had."""
        columns, starts, place_of_level = self._levels
        levels = raw[:, columns]
        is_other = levels < 0
        known = np.where(levels >= 0, levels, 0).astype(np.intp)
        never_trained = place_of_level[known + starts] == NOWHERE
        is_unknown = is_other | (never_trained & (levels >= 0))
        in_row: NDArray[np.bool_] = np.any(is_unknown, axis=1)
        return in_row


# What stands between raw rows and x; both have n_raw, n_inputs, keeps_zero and apply.
Preprocessing: TypeAlias = Scaling | Encoding


def _pairs(pairs: Iterable[tuple[int, int]]) -> tuple[Index, Places]:
    """The columns and the places of those pairs that have a place."""
    kept = [(column, place) for column, place in pairs if place != NOWHERE]
    columns, places = np.array(kept, np.intp).reshape(-1, 2).T
    return columns, _as_slice(places)


def _as_slice(places: Index) -> Places:
    """The places as a slice, which is faster, if each follows the one before."""
    if len(places) and np.all(np.diff(places) == 1):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places
