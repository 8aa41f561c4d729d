"""What is said of a wrong gradient that no known mistake explains, and when a known one is not named."""

from collections.abc import Callable

import numpy as np
import pytest

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case
from mlpcli.gradcheck.derivation import Pass, backward
from mlpcli.gradcheck.verdict import Sample, judge, truth_of
from tests.support.backward_passes import (
    ACTIVATIONS,
    Gradients,
    blamed,
    cases,
    heirs,
    said_of,
    sample,
    spoilt,
    verdict,
)

Spoil = Callable[[Floats, Pass], Floats]
names = pytest.mark.parametrize("name", EQUATIONS)


def column(g: Floats, f: Pass) -> Floats:
    g[:, 1] *= 1.5
    return g


def rows_2_and_3(g: Floats, f: Pass) -> Floats:
    g[2:4] += 0.1
    return g


def swapped(g: Floats, f: Pass) -> Floats:
    return g[[0, 1, 3, 2, *range(4, len(g))]]


def nothing_but_the_last_row(g: Floats, f: Pass) -> Floats:
    g[:-1] = 0
    return g


def noise(g: Floats, f: Pass) -> Floats:
    return g + np.random.default_rng(0).normal(size=g.shape)


def entry(g: Floats, f: Pass) -> Floats:
    g.flat[-1] += 1
    return g


def kept_entry(g: Floats, f: Pass) -> Floats:
    g[-1, np.flatnonzero((f.case.r[-1] > 0) & (f.slope[-1] > 0))[-1]] += 1
    return g


def infinite(g: Floats, f: Pass) -> Floats:
    g.flat[0], g.flat[1] = np.inf, np.nan
    return g


@pytest.mark.parametrize(
    ("name", "spoil", "sentence"),
    [
        ("z", noise, "28 of 28 entries are off, in every part of it."),
        ("W1", noise, "45 of 45 entries are off, in every part of it."),
        ("b1", noise, "9 of 9 entries are off, in every part of it."),
        ("z", column, "7 of 28 entries are off, all in column 1."),
        ("W1", column, "5 of 45 entries are off, all in column 1."),
        ("W1", rows_2_and_3, "18 of 45 entries are off, all in rows 2, 3."),
        ("W2", rows_2_and_3, "8 of 36 entries are off, all in rows 2, 3."),
        ("b2", entry, "1 of 4 entries are off, the first at index 3."),
        ("a", kept_entry, "1 of 63 entries are off, all in row 6."),
        ("W1", swapped, "rows hold other rows' gradients: row 2 holds that of row 3."),
        ("a", swapped, "rows hold other rows' gradients: row 2 holds that of row 3."),
        ("W1", infinite, "2 of 45 entries are not finite."),
        ("a", lambda g, f: g + 0.1 * (f.case.r == 0), "only where units are dropped."),
        ("a", lambda g, f: g + 0.1 * (f.slope == 0), "only where φ′(a) is 0."),
        ("a", lambda g, f: g + 0.1 * g**2, "only where units are kept."),
        ("a", lambda g, f: g + 0.1 * (f.slope != 0), "only where φ′(a) is not 0."),
    ],
)
def test_an_unlisted_error_is_said_to_be_where_it_is(
    name: str, spoil: Spoil, sentence: str
) -> None:
    rows = verdict("relu", spoilt(name, spoil))
    assert blamed(rows) == [name]
    ids, said = said_of(rows, name)
    assert ids == ()
    assert said.startswith(f"∂{name} (3.")
    assert said.endswith(sentence)


@names
@pytest.mark.parametrize(
    ("factor", "words"), [(0.37, "0.37"), (-2.5, "-2.5"), (1 + 3e-6, "1 + 3e-06")]
)
def test_a_constant_multiple_is_said_to_be_one(name: str, factor: float, words: str) -> None:
    rows = verdict("tanh", spoilt(name, lambda g, f: factor * g))
    ids, sentence = said_of(rows, name)
    assert ids == ()
    assert sentence.endswith(f" is wrong: it is {words} times the right gradient everywhere.")


@names
@pytest.mark.parametrize(
    ("factor", "id"), [(-1, "wrong-sign"), (7, "sum-instead-of-mean"), (0, "zero-gradient")]
)
def test_a_known_mistake_comes_before_a_constant_multiple(
    name: str, factor: float, id: str
) -> None:
    assert said_of(verdict("tanh", spoilt(name, lambda g, f: factor * g)), name)[0] == (id,)


def test_a_wrong_shape_that_is_no_transpose_is_said_to_be_none() -> None:
    sentence = "its shape is (9, 5), and it is not the transpose of the right one."
    assert said_of(verdict("tanh", spoilt("W1", lambda g, f: g.T + 1)), "W1")[1].endswith(sentence)


@names
def test_what_is_right_to_the_rounding_of_float32_is_said_to_be(name: str) -> None:
    rows = verdict("tanh", spoilt(name, lambda g, f: g.astype(np.float32).astype(np.float64)))
    assert blamed(rows) == [name]
    sentence = "it is right to the rounding of float32, and not to that of its own type, float64."
    assert said_of(rows, name)[1].endswith(sentence)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_wrong_gradient_alone_has_nothing_to_do_with_the_next(activation: str) -> None:
    for name in EQUATIONS:
        rows = verdict(activation, lambda case, name=name: {name: backward(Pass(case))[name] + 1})
        assert blamed(rows) == [name]
        assert [n for n in EQUATIONS if not rows[n].given] == [n for n in EQUATIONS if n != name]


def test_an_error_of_an_heir_is_told_from_what_it_inherits() -> None:
    def given_by(case: Case) -> Gradients:
        f = Pass(case)
        g = backward(f)
        z = 3 * g["z"]
        a = 0.37 * (z @ case.W2.T) * case.r * f.slope
        return g | {"z": z, "a": a, "W1": case.x.T @ a}

    rows = verdict("tanh", given_by)
    assert blamed(rows) == ["z", "a"]
    assert said_of(rows, "a")[1].endswith("it is 0.37 times the right gradient everywhere.")
    assert heirs(rows) == ["W1"]


def test_a_mask_of_another_pattern_and_scale_is_a_fresh_mask() -> None:
    def given_by(case: Case) -> Gradients:
        f = Pass(case)
        fresh = np.random.default_rng(5).integers(0, 2, case.r.shape) * 3.5
        return {"a": (f.p - f.y) / f.B @ case.W2.T * fresh * f.slope}

    for activation in ACTIVATIONS:
        assert said_of(verdict(activation, given_by), "a")[0] == ("fresh-mask",)


@pytest.mark.parametrize("spoil", [nothing_but_the_last_row, lambda g, f: g * (np.arange(9) != 4)])
def test_zeros_where_r_keeps_are_no_fresh_mask_unless_it_keeps_what_r_drops(spoil: Spoil) -> None:
    assert said_of(verdict("tanh", spoilt("a", spoil)), "a")[0] == ()


def test_zeros_alone_are_no_fresh_mask_where_nothing_is_dropped() -> None:
    case, truth = cases("tanh")[1]
    row = judge([sample(case, {"a": np.zeros_like(case.r)}, truth)])[EQUATIONS.index("a")]
    assert row.diagnosis
    assert row.diagnosis.ids == ("zero-gradient",)


def test_a_stub_of_the_mask_is_no_fresh_mask() -> None:
    ids, sentence = said_of(verdict("relu", spoilt("a", lambda g, f: np.ones_like(g))), "a")
    assert ids == ()
    assert "entries are off" in sentence


def test_a_wrong_upstream_gradient_of_zeros_does_no_harm() -> None:
    rows = verdict("tanh", lambda case: backward(Pass(case)) | {"a": np.zeros_like(case.r)})
    assert blamed(rows) == ["a"]  # what is made from it was not, and is right
    rows = verdict("tanh", lambda case: {"a": np.zeros_like(case.r), "W1": np.ones_like(case.W1)})
    assert blamed(rows) == ["a", "W1"]
    assert said_of(rows, "W1")[1].endswith("45 of 45 entries are off, in every part of it.")


def test_a_hint_has_the_right_equation_beside_the_wrong_one() -> None:
    rows = verdict(
        "tanh",
        lambda case: {"W1": case.x.T @ (((Pass(case).p - Pass(case).y) / 7) @ case.W2.T * case.r)},
    )
    diagnosis = rows["W1"].diagnosis
    assert diagnosis
    assert diagnosis.ids == ("missing-activation-derivative",)
    assert diagnosis.hint == "right: ∂a = (∂z W2ᵀ) ⊙ r ⊙ φ′(a)    looks like: ∂a = (∂z W2ᵀ) ⊙ r"
    rows = verdict("tanh", spoilt("W1", noise))
    assert rows["W1"].diagnosis
    assert rows["W1"].diagnosis.hint == "right: ∂W1 = xᵀ ∂a"


def test_a_factor_that_differs_from_case_to_case_is_said_to() -> None:
    samples = []
    for seed, dropout in ((1, 0.5), (2, 0.2)):
        case = small_case(f"dropout {dropout}", "tanh", seed, dropout=dropout)
        g = backward(Pass(case))
        samples.append(
            Sample(
                case,
                {"W2": g["W2"] * (1 + dropout)},
                truth_of(case),
                dict.fromkeys(EQUATIONS, 1e-14),
            )
        )
    (said,) = (row.diagnosis.sentence for row in judge(samples) if row.diagnosis)
    assert said.endswith(
        "it is 1.5 times the right gradient everywhere in the case 'dropout 0.5', but not in all cases."
    )


def test_the_more_particular_mistake_comes_first() -> None:
    case = small_case("dropout", "tanh", 1, dropout=0.5)
    g = backward(Pass(case))
    given = g | {"b2": g["z"].mean(axis=0)}
    rows = judge([Sample(case, given, truth_of(case), dict.fromkeys(EQUATIONS, 1e-14))])
    (diagnosis,) = (row.diagnosis for row in rows if row.diagnosis)
    assert diagnosis.ids == ("bias-mean", "mean-twice")
    assert diagnosis.hint.startswith("right: ∂b2 = Σ_rows ∂z")
