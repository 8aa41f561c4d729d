"""Where the errors of a wrong gradient lie, for mistakes that are not in the catalogue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import Case
from mlpcli.gradcheck.derivation import ForwardPass

FLOAT32_TOLERANCE = 2e-6  # of an entry's magnitude: more than what float32 rounds away
MAX_LINES = 5  # rows or columns that a sentence lists

Entries = NDArray[np.bool_]


@dataclass(frozen=True)
class WrongGradient:
    """A gradient that is wrong in one case, beside the right one."""

    case: Case
    given: dict[str, Floats]  # all gradients that the backward pass gave for the case
    value: Floats  # the wrong one among them
    expected: Floats  # the right one, from the upstream gradients that were given
    magnitude: Floats  # of each entry: see complex_step.magnitudes
    tolerance: float  # relative to the magnitude

    def is_explained_by(self, candidate: Floats) -> bool:
        """Whether the candidate equals the wrong gradient, to rounding, and not the right one."""
        largest = self.magnitude.max() + np.abs(candidate).max()
        room = self.tolerance * largest
        is_same = _are_close(candidate, self.value, room)
        return is_same and not _are_close(candidate, self.expected, room)


def _are_close(first: Floats, second: Floats, room: float) -> bool:
    if first.shape != second.shape:
        return False
    difference = np.abs(first - second)
    return bool(difference.max() <= room)


def index_of_largest(values: Floats) -> tuple[int, ...]:
    """The index of the entry with the largest absolute value."""
    indices = np.unravel_index(np.abs(values).argmax(), values.shape)
    return tuple(int(index) for index in indices)


def describe_errors(name: str, wrong: WrongGradient) -> str:
    """A clause on where the errors of an equation's gradient lie, or what they have in common."""
    if wrong.value.shape != wrong.expected.shape:
        return f"its shape is {wrong.value.shape}, and it is not the transpose of the right one"
    n_not_finite = np.count_nonzero(~np.isfinite(wrong.value))
    if n_not_finite:
        return f"{n_not_finite:,} of {wrong.value.size:,} entries are not finite"
    factor = constant_factor(wrong)
    if factor is not None:
        return f"it is {_factor_in_words(factor)} times the right gradient everywhere"
    moved_rows = _moved_rows(wrong)
    if moved_rows:
        return moved_rows
    difference = np.abs(wrong.value - wrong.expected)
    errors = ~(difference <= wrong.tolerance * wrong.magnitude)
    is_widespread = errors.sum() > np.count_nonzero(wrong.expected) / 2
    if is_widespread and np.all(difference <= FLOAT32_TOLERANCE * wrong.magnitude):
        return "it is right to the rounding of float32, and not to that of its own type, float64"
    n_errors = np.count_nonzero(errors)
    place = _locate(name, wrong.case, errors)
    return f"{n_errors:,} of {errors.size:,} entries are off, {place}"


def constant_factor(wrong: WrongGradient) -> float | None:
    """The number c if the gradient is c times the right one everywhere, else None."""
    if wrong.value.shape != wrong.expected.shape:
        return None
    if not np.isfinite(wrong.value).all():
        return None
    largest = index_of_largest(wrong.expected)
    factor = wrong.value[largest] / wrong.expected[largest]
    if wrong.is_explained_by(wrong.expected * factor):
        return float(factor)
    return None


def _factor_in_words(factor: float) -> str:
    if abs(factor - 1) > 1e-4:
        return f"{factor:.6g}"
    return f"1 + {factor - 1:.2g}"


def _moved_rows(wrong: WrongGradient) -> str:
    """A clause if every row is a row of the right gradient, but some are in the wrong place."""
    if wrong.value.ndim == 1:
        return ""
    room = wrong.tolerance * wrong.magnitude.max()
    equal_rows = []
    for row in wrong.value:
        differences = np.abs(row - wrong.expected)
        equal_rows.append(np.all(differences <= room, axis=1))
    is_equal = np.array(equal_rows)  # [i,j]: row i of the gradient equals row j of the right one
    moved = np.flatnonzero(~is_equal.diagonal())
    if not moved.size or not is_equal.any(axis=1).all():
        return ""
    first = moved[0]
    source = is_equal[first].argmax()
    return f"rows hold other rows' gradients: row {first} holds that of row {source}"


def _locate(name: str, case: Case, errors: Entries) -> str:
    """The simplest description of where errors lie: by row, by column, or by mask or slope (∂a)."""
    if name != "a":
        return _rows_or_columns(errors) or "in every part of it"
    kept = case.r > 0
    flat = ForwardPass(case).slope == 0
    narrow = {"only where units are dropped": ~kept, "only where φ′(a) is 0": flat}
    wide = {"only where units are kept": kept, "only where φ′(a) is not 0": ~flat}
    return (
        _containing_region(narrow, errors)
        or _rows_or_columns(errors)
        or _containing_region(wide, errors)
        or "in every part of it"
    )


def _containing_region(regions: dict[str, Entries], errors: Entries) -> str:
    """The name of the first region that holds all errors, unless it is the whole array; or ""."""
    for words, region in regions.items():
        outside = errors & ~region
        if not region.all() and not outside.any():
            return words
    return ""


def _rows_or_columns(errors: Entries) -> str:
    """The rows or columns that hold all errors, if they are at most half of all; or ""."""
    if errors.ndim == 1:
        if errors.all():
            return ""
        return f"the first at index {int(np.argmax(errors))}"
    n_rows, n_columns = errors.shape
    rows = np.flatnonzero(errors.any(axis=1))
    if len(rows) <= n_rows // 2:
        return f"all in {_lines_in_words('row', rows)}"
    columns = np.flatnonzero(errors.any(axis=0))
    if len(columns) <= n_columns // 2:
        return f"all in {_lines_in_words('column', columns)}"
    return ""


def _lines_in_words(kind: str, lines: NDArray[np.intp]) -> str:
    """The indices of rows or columns: "row 2", "columns 0, 1, 2, 3, 4, …"."""
    listed = ", ".join(str(line) for line in lines[:MAX_LINES])
    if len(lines) > MAX_LINES:
        listed += ", …"
    if len(lines) > 1:
        kind += "s"
    return f"{kind} {listed}"
