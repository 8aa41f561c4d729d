"""An error that no known mistake explains is described by where it lies."""

import numpy as np
import pytest

from mlpcli.arrays import Floats
from mlpcli.gradcheck.complex_step import EQUATIONS
from mlpcli.gradcheck.derivation import ForwardPass
from tests.support.backward_passes import (
    Change,
    diagnosis_of,
    verdicts_on,
    with_changed,
    wrong_equations,
)

names = pytest.mark.parametrize("name", EQUATIONS)


def column_1(g: Floats, f: ForwardPass) -> Floats:
    g[:, 1] *= 1.5
    return g


def rows_2_and_3(g: Floats, f: ForwardPass) -> Floats:
    g[2:4] += 0.1
    return g


def swapped_rows(g: Floats, f: ForwardPass) -> Floats:
    return g[[0, 1, 3, 2, *range(4, len(g))]]


def noise(g: Floats, f: ForwardPass) -> Floats:
    return g + np.random.default_rng(0).normal(size=g.shape)


def last_entry(g: Floats, f: ForwardPass) -> Floats:
    g.flat[-1] += 1
    return g


def kept_entry(g: Floats, f: ForwardPass) -> Floats:
    live = (f.case.r[-1] > 0) & (f.slope[-1] > 0)
    g[-1, np.flatnonzero(live)[-1]] += 1
    return g


def not_finite(g: Floats, f: ForwardPass) -> Floats:
    g.flat[0] = np.inf
    g.flat[1] = np.nan
    return g


def where_dropped(g: Floats, f: ForwardPass) -> Floats:
    changed: Floats = g + 0.1 * (f.case.r == 0)
    return changed


def where_flat(g: Floats, f: ForwardPass) -> Floats:
    changed: Floats = g + 0.1 * (f.slope == 0)
    return changed


def where_kept(g: Floats, f: ForwardPass) -> Floats:
    return g + 0.1 * g**2


def where_not_flat(g: Floats, f: ForwardPass) -> Floats:
    changed: Floats = g + 0.1 * (f.slope != 0)
    return changed


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("z", noise, "28 of 28 entries are off, in every part of it."),
        ("W1", noise, "45 of 45 entries are off, in every part of it."),
        ("b1", noise, "9 of 9 entries are off, in every part of it."),
        ("z", column_1, "7 of 28 entries are off, all in column 1."),
        ("W1", column_1, "5 of 45 entries are off, all in column 1."),
        ("W1", rows_2_and_3, "18 of 45 entries are off, all in rows 2, 3."),
        ("W2", rows_2_and_3, "8 of 36 entries are off, all in rows 2, 3."),
        ("b2", last_entry, "1 of 4 entries are off, the first at index 3."),
        ("a", kept_entry, "1 of 63 entries are off, all in row 6."),
        ("W1", swapped_rows, "rows hold other rows' gradients: row 2 holds that of row 3."),
        ("a", swapped_rows, "rows hold other rows' gradients: row 2 holds that of row 3."),
        ("W1", not_finite, "2 of 45 entries are not finite."),
        ("a", where_dropped, "only where units are dropped."),
        ("a", where_flat, "only where φ′(a) is 0."),
        ("a", where_kept, "only where units are kept."),
        ("a", where_not_flat, "only where φ′(a) is not 0."),
    ],
)
def test_the_place_of_an_error_is_described(name: str, change: Change, sentence: str) -> None:
    verdicts = verdicts_on("relu", with_changed(name, change))
    assert wrong_equations(verdicts) == [name]
    ids, description = diagnosis_of(verdicts[name])
    assert ids == ()
    assert description.startswith(f"∂{name} (3.")
    assert description.endswith(sentence)


@names
@pytest.mark.parametrize(
    ("factor", "words"), [(0.37, "0.37"), (-2.5, "-2.5"), (1 + 3e-6, "1 + 3e-06")]
)
def test_a_constant_factor_is_reported(name: str, factor: float, words: str) -> None:
    verdicts = verdicts_on("tanh", with_changed(name, lambda g, f: factor * g))
    ids, sentence = diagnosis_of(verdicts[name])
    assert ids == ()
    assert sentence.endswith(f" is wrong: it is {words} times the right gradient everywhere.")


def test_a_wrong_shape_that_is_no_transpose_is_reported() -> None:
    verdicts = verdicts_on("tanh", with_changed("W1", lambda g, f: g.T + 1))
    _, sentence = diagnosis_of(verdicts["W1"])
    assert sentence.endswith("its shape is (9, 5), and it is not the transpose of the right one.")


@names
def test_rounding_to_float32_is_reported(name: str) -> None:
    def rounded(g: Floats, f: ForwardPass) -> Floats:
        return g.astype(np.float32).astype(np.float64)

    verdicts = verdicts_on("tanh", with_changed(name, rounded))
    assert wrong_equations(verdicts) == [name]
    _, sentence = diagnosis_of(verdicts[name])
    assert sentence.endswith(
        "it is right to the rounding of float32, and not to that of its own type, float64."
    )
