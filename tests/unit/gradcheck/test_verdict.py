"""Right, inheriting or wrong: no right gradient is called wrong, and no wrong one right."""

import json

import numpy as np
import pytest

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case, true_gradients
from mlpcli.gradcheck.derivation import ForwardPass, backward
from mlpcli.gradcheck.verdict import MIN_MAGNITUDE, TOLERANCE, judge, relative_errors
from tests.support.backward_passes import (
    ACTIVATIONS,
    Gradients,
    cases,
    inheriting_equations,
    largest_error,
    sample,
    verdicts_on,
    with_changed,
    wrong_equations,
)

activations = pytest.mark.parametrize("activation", ACTIVATIONS)
W1 = EQUATIONS.index("W1")
A = EQUATIONS.index("a")


# Right and wrong


def test_no_tolerance_exceeds_what_is_promised() -> None:
    assert TOLERANCE["float64"] <= 1e-12
    assert TOLERANCE["float32"] <= 20 * np.finfo(np.float32).eps


@activations
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_backward_pass_is_right(activation: str, dtype: type) -> None:
    def backward_pass(case: Case) -> Gradients:
        gradients = backward(ForwardPass(case))
        return {name: gradient.astype(dtype) for name, gradient in gradients.items()}

    verdicts = verdicts_on(activation, backward_pass)
    assert wrong_equations(verdicts) == inheriting_equations(verdicts) == []
    tolerance = TOLERANCE[dtype.__name__]
    assert all(largest_error(verdict) <= tolerance for verdict in verdicts.values())
    assert all(verdict.diagnosis is None for verdict in verdicts.values())


@activations
@pytest.mark.parametrize("trained", [False, True], ids=["fresh", "trained"])
def test_one_entry_of_W1_off_by_a_millionth_is_caught(activation: str, trained: bool) -> None:
    caught = 0
    tried = 0
    for seed in range(20):
        case = small_case("any", activation, seed, dropout=0.5, trained=trained)
        expected = true_gradients(case)
        threshold = 1e-3 * np.linalg.norm(expected["W1"])
        for index in np.argwhere(np.abs(expected["W1"]) >= threshold):
            dW1 = expected["W1"].copy()
            dW1[tuple(index)] *= 1 + 1e-6
            verdict = judge([sample(case, {"W1": dW1}, expected)])[W1]
            tried += 1
            caught += not verdict.passed and verdict.worst_index == tuple(index)
    assert tried > 300
    assert caught == tried


def test_the_entry_with_the_largest_error_is_reported() -> None:
    def change(g: Floats, f: ForwardPass) -> Floats:
        g[3, 2] += 10
        g[1, 1] += 0.1
        return g

    verdict = verdicts_on("tanh", with_changed("W1", change))["W1"]
    assert (verdict.worst_index, verdict.shape, verdict.entries) == ((3, 2), (5, 9), 3 * 45)


def test_a_gradient_that_is_right_in_one_case_and_wrong_in_another_is_wrong() -> None:
    (first, first_expected), (second, second_expected), _ = cases("tanh")
    right = sample(first, {"a": first_expected["a"]}, first_expected)
    wrong = sample(second, {"a": second_expected["a"] + 1}, second_expected)
    assert judge([right])[A].passed
    assert not judge([right, wrong])[A].passed


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("name", EQUATIONS)
def test_what_is_not_finite_is_wrong_and_its_error_is_a_number(name: str, value: float) -> None:
    verdicts = verdicts_on("tanh", with_changed(name, lambda g, f: np.full_like(g, value)))
    assert name in wrong_equations(verdicts)
    documents = [verdict.document() for verdict in verdicts.values()]
    json.dumps(documents, allow_nan=False)


# Inherited errors


def test_a_right_equation_inherits_the_error_of_a_wrong_upstream_gradient() -> None:
    def backward_pass(case: Case) -> Gradients:
        g = backward(ForwardPass(case))
        a = g["a"] + 1
        return g | {"a": a, "W1": case.x.T @ a}

    verdicts = verdicts_on("tanh", backward_pass)
    assert wrong_equations(verdicts) == ["a"]
    assert inheriting_equations(verdicts) == ["W1"]
    assert verdicts["b1"].passed  # it is made from the right ∂a, which was not given
    assert largest_error(verdicts["W1"]) > 1e-3


@pytest.mark.parametrize("factor", [1e-6, 1e6, 1e12])
def test_an_error_is_inherited_from_an_upstream_gradient_of_any_size(factor: float) -> None:
    def backward_pass(case: Case) -> Gradients:
        f = ForwardPass(case)
        z = factor * (1 + np.arange(4)) * backward(f)["z"]
        a = (z @ case.W2.T) * (1 - np.tanh(case.a) ** 2)  # and without the mask
        return {
            "z": z,
            "W2": f.h.T @ z,
            "b2": z.sum(axis=0),
            "a": a,
            "W1": case.x.T @ a,
            "b1": a.sum(axis=0),
        }

    verdicts = verdicts_on("tanh", backward_pass)
    assert wrong_equations(verdicts) == ["z", "a"]
    assert inheriting_equations(verdicts) == ["W2", "b2", "W1", "b1"]


def test_an_upstream_gradient_in_float32_is_no_error_to_inherit() -> None:
    def backward_pass(case: Case) -> Gradients:
        g = backward(ForwardPass(case))
        a = g["a"].astype(np.float32)
        return g | {"a": a, "W1": case.x.T @ a, "b1": a.astype(np.float64).sum(axis=0)}

    verdicts = verdicts_on("tanh", backward_pass)
    assert wrong_equations(verdicts) == inheriting_equations(verdicts) == []


# Documents


def test_an_equation_that_is_not_given_is_not_judged() -> None:
    verdicts = verdicts_on("tanh", lambda case: backward(ForwardPass(case)), names=("W1",))
    assert verdicts["b1"].document() == {
        "name": "b1",
        "homework": "3.4",
        "given": False,
        "passed": None,
        "inherits": None,
        "max_relative_error": None,
        "worst_index": None,
        "diagnosis": None,
    }


@activations
def test_a_document_is_json_of_the_promised_types(activation: str) -> None:
    for verdict in verdicts_on(activation, with_changed("a", lambda g, f: g + 1)).values():
        document = json.loads(json.dumps(verdict.document(), allow_nan=False))
        types = {key: type(value).__name__ for key, value in document.items()}
        assert types == {
            "name": "str",
            "homework": "str",
            "given": "bool",
            "passed": "bool",
            "inherits": "bool",
            "max_relative_error": "float",
            "worst_index": "list",
            "diagnosis": "NoneType" if verdict.passed else "dict",
        }
        assert all(isinstance(index, int) for index in document["worst_index"])
        assert verdict.passed or list(document["diagnosis"]) == ["ids", "sentence"]


# Relative errors


def test_all_errors_of_a_wrong_shape_are_1() -> None:
    errors = relative_errors(np.zeros((2, 3)), np.zeros((3, 2)), np.ones((3, 2)))
    np.testing.assert_array_equal(errors, np.ones((3, 2)))


def test_the_error_of_an_entry_without_terms_is_relative_to_the_largest_magnitude() -> None:
    errors = relative_errors(np.array([1e-20, 1.0]), np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(errors, [1e-20 / MIN_MAGNITUDE, 0])
