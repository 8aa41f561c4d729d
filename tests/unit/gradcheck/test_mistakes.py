"""Every mistake of the catalogue is caught and named in every equation, with every activation."""

import numpy as np
import pytest

from mlpcli.gradcheck.complex_step import EQUATIONS, Case
from mlpcli.gradcheck.derivation import ForwardPass, Mistake, backward, derive
from mlpcli.gradcheck.mistakes import BY_ID, CATALOGUE
from tests.support.backward_passes import (
    ACTIVATIONS,
    WEIGHTS,
    Gradients,
    cases,
    diagnosis_of,
    inheriting_equations,
    verdicts_on,
    with_mistake,
    wrong_equations,
)
from tests.support.mistakes import IDLE, IDS

# Mistakes that give the same numbers.
TIES = [{"extra-softmax-jacobian", "squared-error-gradient"}, {"bias-mean", "mean-twice"}]
# The equations that are made from ∂z, and from ∂a.
DOWNSTREAM = {"z": ["W2", "b2", "a", "W1", "b1"], "a": ["W1", "b1"]}
# The equations, by their first letter, that a change to the decay or a transpose changes.
CHANGED = {
    "missing-weight-decay": "W",
    "double-weight-decay": "W",
    "bias-weight-decay": "b",
    "transposed": "zWa",
}
L2 = 0.01
PLACES = [
    pytest.param(activation, mistake, at, id=f"{activation}-{mistake.id}-{at}-{k}")
    for activation in ACTIVATIONS
    for k, mistake in enumerate(CATALOGUE)
    for at in EQUATIONS
    if mistake.changes(at) and mistake.id not in IDLE[activation]
]
in_every_place = pytest.mark.parametrize(("activation", "mistake", "at"), PLACES)


def is_idle_at(mistake: Mistake, at: str) -> bool:
    """Whether the mistake changes nothing in this equation."""
    return at[0] not in CHANGED.get(mistake.id, at)


def test_the_catalogue_has_every_id_that_is_promised() -> None:
    assert {mistake.id for mistake in CATALOGUE} == IDS == set(BY_ID)
    assert all(mistake.sentence and mistake.formula for mistake in CATALOGUE)


@in_every_place
def test_a_mistake_is_named_in_its_own_equation(activation: str, mistake: Mistake, at: str) -> None:
    verdicts = verdicts_on(activation, with_mistake(mistake, at), l2=L2)
    if is_idle_at(mistake, at):
        assert wrong_equations(verdicts) == []
        return
    assert wrong_equations(verdicts) == [at]
    downstream = DOWNSTREAM.get(at, [])
    if mistake.id == "transposed":  # its downstream equations use it untransposed
        downstream = []
    assert set(inheriting_equations(verdicts)) == set(downstream)
    ids, sentence = diagnosis_of(verdicts[at])
    assert mistake.id in ids
    assert len(ids) == 1 or set(ids) in TIES
    assert sentence.startswith(f"∂{at} (3.")
    assert mistake.sentence.split("the last")[0].split("the first")[0] in sentence


@in_every_place
def test_a_mistake_is_named_when_only_the_parameters_gradients_are_given(
    activation: str, mistake: Mistake, at: str
) -> None:
    verdicts = verdicts_on(activation, with_mistake(mistake, at), WEIGHTS, L2)
    wrong = wrong_equations(verdicts)
    if is_idle_at(mistake, at) or (mistake.id == "transposed" and at in "za"):
        assert wrong == []  # no gradient that was given is wrong
        return
    changed = (at, *DOWNSTREAM.get(at, []))
    assert wrong == [name for name in EQUATIONS if name in WEIGHTS and name in changed]
    assert inheriting_equations(verdicts) == []
    for name in wrong:
        ids, _ = diagnosis_of(verdicts[name])
        if mistake.id == "fresh-mask":
            assert ids == ()  # a sum over rows does not show the mask
        else:
            assert mistake.id in ids


def changes_a_number(mistake: Mistake, case: Case) -> bool:
    f = ForwardPass(case)
    right = backward(f)
    for at in EQUATIONS:
        if mistake.changes(at):
            wrong = backward(f, mistake, at)
            for name in EQUATIONS:
                same_shape = wrong[name].shape == right[name].shape
                if not same_shape or not np.allclose(wrong[name], right[name]):
                    return True
    return False


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_idle_mistake_changes_no_number(activation: str) -> None:
    idle = set()
    for mistake in CATALOGUE:
        if not any(changes_a_number(mistake, case) for case, _ in cases(activation, L2)):
            idle.add(mistake.id)
    assert idle == IDLE[activation]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_without_weights_and_smoothing_no_mistake_of_theirs_changes_a_number(
    activation: str,
) -> None:
    without, with_both = cases(activation)[0][0], cases(activation)[2][0]
    of_targets = {m.id for m in CATALOGUE if "row-weights" in m.id or "label-smoothing" in m.id}
    assert len(of_targets) == 6
    for mistake in CATALOGUE:
        if mistake.id in of_targets:
            assert not changes_a_number(mistake, without), mistake.id
            assert changes_a_number(mistake, with_both), mistake.id


@pytest.mark.parametrize(
    ("first", "second", "at"),
    [
        ("extra-softmax-jacobian", "squared-error-gradient", "z"),
        ("bias-mean", "mean-twice", "b1"),
    ],
)
def test_two_mistakes_that_give_the_same_numbers_are_both_named(
    first: str, second: str, at: str
) -> None:
    assert {first, second} in TIES
    verdicts = verdicts_on("tanh", with_mistake(BY_ID[first], at))
    ids, sentence = diagnosis_of(verdicts[at])
    assert set(ids) == {first, second}
    assert "; or as if " in sentence
    assert all(BY_ID[id].sentence in sentence for id in ids)


def test_a_second_mistake_is_named_beside_a_wrong_upstream_gradient() -> None:
    def backward_pass(case: Case) -> Gradients:
        f = ForwardPass(case)
        g = backward(f, BY_ID["wrong-sign"], "z")
        a = derive(f, "a", g["z"], np.zeros(0), BY_ID["missing-dropout-mask"])
        W1 = derive(f, "W1", g["z"], a)
        b1 = derive(f, "b1", g["z"], a)
        return g | {"a": a, "W1": W1, "b1": b1}

    verdicts = verdicts_on("tanh", backward_pass)
    assert wrong_equations(verdicts) == ["z", "a"]
    assert diagnosis_of(verdicts["z"])[0] == ("wrong-sign",)
    assert diagnosis_of(verdicts["a"])[0] == ("missing-dropout-mask",)
    assert inheriting_equations(verdicts) == ["W2", "b2", "W1", "b1"]


def test_a_gradient_that_vanishes_but_for_rounding_is_a_zero_gradient() -> None:
    def backward_pass(case: Case) -> Gradients:
        f = ForwardPass(case)
        rounding = (f.p - f.y).sum(axis=1, keepdims=True)
        return {"a": rounding * case.r}

    ids, _ = diagnosis_of(verdicts_on("tanh", backward_pass)["a"])
    assert ids == ("zero-gradient",)
