"""Right, inheriting or wrong: no right gradient is called wrong, and no wrong one right."""

import json

import numpy as np
import pytest

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case
from mlpcli.gradcheck.derivation import Pass, backward
from mlpcli.gradcheck.verdict import FLOOR, TOLERANCE, judge, relative_errors, truth_of
from tests.support.backward_passes import (
    ACTIVATIONS,
    Gradients,
    blamed,
    cases,
    heirs,
    sample,
    spoilt,
    verdict,
)

activations = pytest.mark.parametrize("activation", ACTIVATIONS)


def test_no_tolerance_is_over_what_is_promised() -> None:
    assert TOLERANCE["float64"] <= 1e-12
    assert TOLERANCE["float32"] <= 20 * np.finfo(np.float32).eps


@activations
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_backward_pass_is_right(activation: str, dtype: type) -> None:
    rows = verdict(
        activation, lambda case: {name: g.astype(dtype) for name, g in backward(Pass(case)).items()}
    )
    assert blamed(rows) == heirs(rows) == []
    assert all(row.max_relative_error <= TOLERANCE[dtype.__name__] for row in rows.values())  # type: ignore[operator]
    assert all(row.diagnosis is None for row in rows.values())


@activations
@pytest.mark.parametrize("trained", [False, True], ids=["fresh", "trained"])
def test_one_entry_of_W1_off_by_a_millionth_is_caught(activation: str, trained: bool) -> None:
    caught = tried = 0
    for seed in range(20):
        case = small_case("any", activation, seed, dropout=0.5, trained=trained)
        truth = truth_of(case)
        for place in np.argwhere(np.abs(truth["W1"]) >= 1e-3 * np.linalg.norm(truth["W1"])):
            W1 = truth["W1"].copy()
            W1[tuple(place)] *= 1 + 1e-6
            row = judge([sample(case, {"W1": W1}, truth)])[EQUATIONS.index("W1")]
            tried += 1
            caught += not row.passed and row.worst_index == tuple(place)
    assert (caught, tried > 300) == (tried, True)


def test_the_entry_that_is_furthest_off_is_pointed_at() -> None:
    def spoil(g: Floats, f: Pass) -> Floats:
        g[3, 2] += 10
        g[1, 1] += 0.1
        return g

    row = verdict("tanh", spoilt("W1", spoil))["W1"]
    assert (row.worst_index, row.shape, row.entries) == ((3, 2), (5, 9), 3 * 45)


def test_what_is_made_rightly_from_a_wrong_gradient_inherits_its_error() -> None:
    def given_by(case: Case) -> Gradients:
        g = backward(Pass(case))
        a = g["a"] + 1
        return g | {"a": a, "W1": case.x.T @ a}

    rows = verdict("tanh", given_by)
    assert blamed(rows) == ["a"]
    assert heirs(rows) == ["W1"]
    assert rows["b1"].passed  # from the right ∂a, which it does not show
    assert rows["W1"].max_relative_error > 1e-3  # type: ignore[operator]


@pytest.mark.parametrize("factor", [1e-6, 1e6, 1e12])
def test_an_heir_of_a_gradient_of_any_size_is_not_blamed(factor: float) -> None:
    def given_by(case: Case) -> Gradients:
        g = backward(Pass(case))
        z = factor * (1 + np.arange(4)) * g["z"]
        a = (z @ case.W2.T) * (1 - np.tanh(case.a) ** 2)  # and without the mask
        return {
            "z": z,
            "W2": Pass(case).h.T @ z,
            "b2": z.sum(axis=0),
            "a": a,
            "W1": case.x.T @ a,
            "b1": a.sum(axis=0),
        }

    rows = verdict("tanh", given_by)
    assert blamed(rows) == ["z", "a"]
    assert heirs(rows) == ["W2", "b2", "W1", "b1"]


def test_single_precision_upstream_is_no_error_to_inherit() -> None:
    def given_by(case: Case) -> Gradients:
        g = backward(Pass(case))
        a = g["a"].astype(np.float32)
        return g | {"a": a, "W1": case.x.T @ a, "b1": a.astype(np.float64).sum(axis=0)}

    rows = verdict("tanh", given_by)
    assert blamed(rows) == heirs(rows) == []


def test_what_was_not_given_is_not_judged() -> None:
    row = verdict("tanh", lambda case: {"W1": backward(Pass(case))["W1"]})["b1"]
    assert row.document() == {
        "name": "b1",
        "homework": "3.4",
        "given": False,
        **dict.fromkeys(("passed", "inherits", "max_relative_error", "worst_index", "diagnosis")),
    }


@activations
def test_a_row_is_json_of_the_promised_types(activation: str) -> None:
    for row in verdict(activation, spoilt("a", lambda g, f: g + 1)).values():
        document = json.loads(json.dumps(row.document(), allow_nan=False))
        kinds = {key: type(value).__name__ for key, value in document.items()}
        assert kinds == {
            "name": "str",
            "homework": "str",
            "given": "bool",
            "passed": "bool",
            "inherits": "bool",
            "max_relative_error": "float",
            "worst_index": "list",
            "diagnosis": "NoneType" if row.passed else "dict",
        }
        assert all(isinstance(index, int) for index in document["worst_index"])
        assert row.passed or list(document["diagnosis"]) == ["ids", "sentence"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("name", EQUATIONS)
def test_what_is_not_finite_is_wrong_and_its_error_is_a_number(name: str, value: float) -> None:
    rows = verdict("tanh", spoilt(name, lambda g, f: np.full_like(g, value)))
    assert name in blamed(rows)
    json.dumps([row.document() for row in rows.values()], allow_nan=False)


def test_a_wrong_shape_is_wrong_by_all_of_it() -> None:
    np.testing.assert_array_equal(
        relative_errors(np.zeros((2, 3)), np.zeros((3, 2)), np.ones((3, 2))), np.ones((3, 2))
    )


def test_an_entry_without_terms_is_measured_against_the_largest() -> None:
    errors = relative_errors(np.array([1e-20, 1.0]), np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(errors, [1e-20 / FLOOR, 0])


def test_a_second_case_can_prove_wrong_what_passed_in_the_first() -> None:
    (one, truth), (other, other_truth), _ = cases("tanh")
    wrong = {"a": other_truth["a"] + 1}
    assert judge([sample(one, {"a": truth["a"]}, truth)])[3].passed
    assert not judge([sample(one, {"a": truth["a"]}, truth), sample(other, wrong, other_truth)])[
        3
    ].passed
