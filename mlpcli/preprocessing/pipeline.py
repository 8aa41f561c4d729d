"""What is learnt of the columns from the training rows alone: from raw rows to the input x."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlpcli.arrays import Floats, Index, Raw
from mlpcli.preprocessing.columns import Column, unnamed_numbers
from mlpcli.preprocessing.encoding import NOWHERE, Encoding, Inputs, Preprocessing
from mlpcli.preprocessing.scaling import learn as learn_scaling


@dataclass(frozen=True)
class Settings:
    """How columns are encoded.

    Args:
        scaling: Of numbers: "none", "unit" or "standard".
        bins: Quantile bins for each number, beside its value; 0 for none.
        rare: A level of fewer training rows than this joins the other rare ones.
    """

    scaling: str
    bins: int
    rare: int


@dataclass(frozen=True)
class Number:
    """What is learnt of a number: offset and scale, the edges and means of its bins, gaps."""

    offset: float
    scale: float
    edges: tuple[float, ...]
    means: tuple[float, ...]
    has_gaps: bool


@dataclass(frozen=True)
class Category:
    """What is learnt of a category: the group of each level, −1 for none; groups from 0; gaps."""

    group: tuple[int, ...]
    n_groups: int
    has_gaps: bool


def learn(
    columns: Sequence[Column], x: Raw, index: Index, settings: Settings, together: bool
) -> Preprocessing:
    """Learn the preprocessing of raw rows x (N,D_raw) from the rows `index`.

    Columns that are numbers without gaps, and no more is asked for, are scaled alone. Otherwise
    each column is encoded, and those that are ignored or constant in these rows fill no place.
    `together` is as for scaling.learn. `columns` are those of x, or () if all are numbers.
    """
    kinds = {column.kind for column in columns}
    is_plain = kinds <= {"number"} and not settings.bins
    if is_plain and not _has_gaps(x):
        return learn_scaling(settings.scaling, x, index, together)
    if not columns:
        columns = unnamed_numbers(x.shape[1])
    learnt = [_learn(column, x[index, j], settings) for j, column in enumerate(columns)]
    return _placed(learnt)


def _has_gaps(x: Raw) -> bool:
    return x.dtype.kind == "f" and bool(np.isnan(np.min(x)))


def _learn(column: Column, cells: Raw, settings: Settings) -> Number | Category | None:
    """What is learnt of one column from its cells (n) in the training rows."""
    match column.kind:
        case "number":
            return _learn_number(cells.astype(np.float64), settings)
        case "category":
            return _learn_category(cells, len(column.levels), settings.rare)
    return None


def _learn_number(cells: Floats, settings: Settings) -> Number:
    present = cells[~np.isnan(cells)]
    n_gaps = len(cells) - len(present)
    has_gaps = 0 < n_gaps < len(cells)
    if not len(present):
        return Number(0.0, 0.0, (), (), has_gaps)
    all_rows = np.arange(len(present))
    scaling = learn_scaling(settings.scaling, present[:, np.newaxis], all_rows, together=False)
    offset, scale = float(scaling.offset[0]), float(scaling.scale[0])
    if not settings.bins or not scale:
        return Number(offset, scale, (), (), has_gaps)
    edges = quantile_edges(present, settings.bins)
    return Number(offset, scale, tuple(edges.tolist()), _bin_means(present, edges), has_gaps)


def quantile_edges(values: Floats, bins: int) -> Floats:
    """The edges of bins that hold equal shares of the values (n), without duplicates.

    Of at most bins + 1 distinct values, each is an edge.
    """
    distinct: Floats = np.unique(values)
    if len(distinct) <= bins + 1:
        return distinct
    shares = np.linspace(0, 1, bins + 1)
    edges: Floats = np.unique(np.quantile(values, shares))
    return edges


def _bin_means(values: Floats, edges: Floats) -> tuple[float, ...]:
    """The mean of t over the values, for each bin."""
    means: list[float] = []
    for left, right in pairwise(edges):
        t = (values - left) / (right - left)
        means.append(float(np.clip(t, 0, 1).mean()))
    return tuple(means)


def _learn_category(cells: Raw, n_levels: int, rare: int) -> Category:
    levels = cells[cells >= 0].astype(np.intp)
    n_gaps = int(np.isnan(cells).sum())
    has_gaps = 0 < n_gaps < len(cells)
    counts = np.bincount(levels, minlength=n_levels)
    group = np.full(n_levels, NOWHERE)
    frequent = np.flatnonzero(counts >= rare)
    others = np.flatnonzero((counts > 0) & (counts < rare))
    group[frequent] = np.arange(len(frequent))
    group[others] = len(frequent)
    n_groups = len(frequent) + bool(len(others))
    if n_groups < 2:  # constant but for its gaps
        return Category((), 0, has_gaps)
    return Category(tuple(group.tolist()), n_groups, has_gaps)


def _placed(learnt: Sequence[Number | Category | None]) -> Encoding:
    """The encoding: values first, then bins, then missing cells, then levels."""
    places = _Places()
    numbers = {j: each for j, each in enumerate(learnt) if isinstance(each, Number)}
    categories = {j: each for j, each in enumerate(learnt) if isinstance(each, Category)}
    values = {j: places.take([n.offset], [n.scale]) for j, n in numbers.items() if n.scale}
    bins = {j: places.take(n.means, [1.0] * len(n.means)) for j, n in numbers.items() if n.edges}
    gaps = {j: places.take([0.0], [1.0]) for j, each in enumerate(learnt) if each and each.has_gaps}
    groups = {
        j: places.take([0.0] * c.n_groups, [1.0] * c.n_groups)
        for j, c in categories.items()
        if c.n_groups
    }
    inputs: list[Inputs] = []
    for j, each in enumerate(learnt):
        missing = gaps.get(j, NOWHERE)
        if isinstance(each, Number):
            first_bin = bins.get(j, NOWHERE)
            inputs.append(Inputs(values.get(j, NOWHERE), each.edges, first_bin, (), missing))
        elif isinstance(each, Category):
            inputs.append(Inputs(levels=_levels(each, groups.get(j, 0)), missing=missing))
        else:
            inputs.append(Inputs())
    return Encoding(tuple(inputs), np.array(places.offset), np.array(places.scale))


def _levels(category: Category, first: int) -> tuple[int, ...]:
    """The place of each level, whose groups begin at the place `first`."""
    return tuple(NOWHERE if group == NOWHERE else first + group for group in category.group)


class _Places:
    """Gives out places of x one after another, and keeps the offset and scale of each."""

    def __init__(self) -> None:
        self.offset: list[float] = []
        self.scale: list[float] = []

    def take(self, offset: Sequence[float], scale: Sequence[float]) -> int:
        """Take as many places; returns the first."""
        first = len(self.offset)
        self.offset += offset
        self.scale += scale
        return first
