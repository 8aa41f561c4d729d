"""A wrong gradient is explained by a known mistake if one gives the same numbers."""

import numpy as np
import pytest

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case, true_gradients
from mlpcli.gradcheck.derivation import ForwardPass, backward
from mlpcli.gradcheck.diagnosis import Diagnosis
from mlpcli.gradcheck.verdict import Sample, judge
from tests.support.backward_passes import (
    ACTIVATIONS,
    Change,
    Gradients,
    cases,
    diagnosis_of,
    inheriting_equations,
    sample,
    verdicts_on,
    with_changed,
    wrong_equations,
)

names = pytest.mark.parametrize("name", EQUATIONS)


def judged(samples: list[Sample]) -> list[Diagnosis]:
    """The diagnoses of all equations that have one."""
    return [verdict.diagnosis for verdict in judge(samples) if verdict.diagnosis]


def only_last_row(g: Floats, f: ForwardPass) -> Floats:
    g[:-1] = 0
    return g


def without_unit_4(g: Floats, f: ForwardPass) -> Floats:
    changed: Floats = g * (np.arange(9) != 4)
    return changed


# Known mistakes


@names
@pytest.mark.parametrize(
    ("factor", "id"), [(-1, "wrong-sign"), (7, "sum-instead-of-mean"), (0, "zero-gradient")]
)
def test_a_known_mistake_comes_before_a_constant_factor(name: str, factor: float, id: str) -> None:
    verdicts = verdicts_on("tanh", with_changed(name, lambda g, f: factor * g))
    ids, _ = diagnosis_of(verdicts[name])
    assert ids == (id,)


def test_a_hint_has_the_right_equation_beside_the_wrong_one() -> None:
    def without_slope(case: Case) -> Gradients:
        f = ForwardPass(case)
        da = (f.w * (f.p - f.y) / f.B) @ case.W2.T * case.r
        return {"W1": case.x.T @ da}

    diagnosis = verdicts_on("tanh", without_slope)["W1"].diagnosis
    assert diagnosis
    assert diagnosis.ids == ("missing-activation-derivative",)
    assert diagnosis.hint == "right: ∂a = (∂z W2ᵀ) ⊙ r ⊙ φ′(a)    looks like: ∂a = (∂z W2ᵀ) ⊙ r"


def test_without_a_known_mistake_the_hint_is_the_right_equation() -> None:
    diagnosis = verdicts_on("tanh", with_changed("W1", lambda g, f: g + 1))["W1"].diagnosis
    assert diagnosis
    assert diagnosis.hint == "right: ∂W1 = xᵀ ∂a"


def test_the_mistake_that_concerns_fewer_equations_comes_first() -> None:
    case = small_case("dropout", "tanh", 1, dropout=0.5)
    given = backward(ForwardPass(case))
    given["b2"] = given["z"].mean(axis=0)
    tolerance = dict.fromkeys(EQUATIONS, 1e-14)
    (diagnosis,) = judged([Sample(case, given, true_gradients(case), tolerance)])
    assert diagnosis.ids == ("bias-mean", "mean-twice")
    assert diagnosis.hint.startswith("right: ∂b2 = Σ_rows ∂z")


def test_a_factor_that_differs_from_case_to_case_is_reported_for_one_case() -> None:
    samples = []
    for seed, dropout in ((1, 0.5), (2, 0.2)):
        case = small_case(f"dropout {dropout}", "tanh", seed, dropout=dropout)
        dW2 = backward(ForwardPass(case))["W2"]
        given = {"W2": dW2 * (1 + dropout)}
        samples.append(Sample(case, given, true_gradients(case), {"W2": 1e-14}))
    (diagnosis,) = judged(samples)
    assert diagnosis.sentence.endswith(
        "it is 1.5 times the right gradient everywhere in the case 'dropout 0.5', "
        "but not in all cases."
    )


# Upstream gradients


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_wrong_gradient_says_nothing_of_those_not_given(activation: str) -> None:
    for name in EQUATIONS:
        wrong = with_changed(name, lambda g, f: g + 1)
        verdicts = verdicts_on(activation, wrong, names=(name,))
        assert wrong_equations(verdicts) == [name]
        not_given = [other for other in EQUATIONS if not verdicts[other].given]
        assert not_given == [other for other in EQUATIONS if other != name]


def test_an_equations_own_error_is_separated_from_the_one_that_it_inherits() -> None:
    def backward_pass(case: Case) -> Gradients:
        f = ForwardPass(case)
        dz = 3 * backward(f)["z"]
        da = 0.37 * (dz @ case.W2.T) * case.r * f.slope
        return backward(f) | {"z": dz, "a": da, "W1": case.x.T @ da}

    verdicts = verdicts_on("tanh", backward_pass)
    assert wrong_equations(verdicts) == ["z", "a"]
    _, sentence = diagnosis_of(verdicts["a"])
    assert sentence.endswith("it is 0.37 times the right gradient everywhere.")
    assert inheriting_equations(verdicts) == ["W1"]


def test_a_right_gradient_beside_a_wrong_upstream_one_is_right() -> None:
    verdicts = verdicts_on("tanh", with_changed("a", lambda g, f: np.zeros_like(g)))
    assert wrong_equations(verdicts) == ["a"]  # ∂W1 and ∂b1 are not made from it


def test_an_upstream_gradient_of_zeros_explains_nothing() -> None:
    def backward_pass(case: Case) -> Gradients:
        return {"a": np.zeros_like(case.r), "W1": np.ones_like(case.W1)}

    verdicts = verdicts_on("tanh", backward_pass)
    assert wrong_equations(verdicts) == ["a", "W1"]
    _, sentence = diagnosis_of(verdicts["W1"])
    assert sentence.endswith("45 of 45 entries are off, in every part of it.")


# A mask of the file's own


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_mask_of_another_pattern_and_scale_is_a_fresh_mask(activation: str) -> None:
    def backward_pass(case: Case) -> Gradients:
        f = ForwardPass(case)
        fresh = np.random.default_rng(5).integers(0, 2, case.r.shape) * 3.5
        return {"a": f.w * (f.p - f.y) / f.B @ case.W2.T * fresh * f.slope}

    ids, _ = diagnosis_of(verdicts_on(activation, backward_pass)["a"])
    assert ids == ("fresh-mask",)


@pytest.mark.parametrize("change", [only_last_row, without_unit_4])
def test_zeros_are_no_fresh_mask_if_all_units_that_r_drops_are_dropped(change: Change) -> None:
    ids, _ = diagnosis_of(verdicts_on("tanh", with_changed("a", change))["a"])
    assert ids == ()


def test_zeros_everywhere_are_no_fresh_mask_without_dropout() -> None:
    case, expected = cases("tanh")[1]
    (diagnosis,) = judged([sample(case, {"a": np.zeros_like(case.r)}, expected)])
    assert diagnosis.ids == ("zero-gradient",)


def test_ones_everywhere_are_no_fresh_mask() -> None:
    verdicts = verdicts_on("relu", with_changed("a", lambda g, f: np.ones_like(g)))
    ids, sentence = diagnosis_of(verdicts["a"])
    assert ids == ()
    assert "entries are off" in sentence
