"""The catalogue: every mistake is caught and named wherever it can be made, under every activation."""

import numpy as np
import pytest

from mlpcli.gradcheck.complex_step import EQUATIONS, Case
from mlpcli.gradcheck.derivation import Mistake, Pass, backward, derive
from mlpcli.gradcheck.mistakes import BY_ID, CATALOGUE
from tests.support.backward_passes import (
    ACTIVATIONS,
    WEIGHTS,
    blamed,
    cases,
    heirs,
    said_of,
    verdict,
    with_mistake,
)
from tests.support.mistakes import IDLE, IDS

TIES = [{"extra-softmax-jacobian", "squared-error-gradient"}, {"bias-mean", "mean-twice"}]
BELOW = {"z": ["W2", "b2", "a", "W1", "b1"], "a": ["W1", "b1"]}  # what is made from an equation
L2 = 0.01
PLACES = [
    pytest.param(activation, mistake, at, id=f"{activation}-{mistake.id}-{at}-{k}")
    for activation in ACTIVATIONS
    for k, mistake in enumerate(CATALOGUE)
    for at in EQUATIONS
    if mistake.changes(at) and mistake.id not in IDLE[activation]
]
in_every_place = pytest.mark.parametrize(("activation", "mistake", "at"), PLACES)


def idle_at(mistake: Mistake, at: str) -> bool:
    """Whether a change to the decay, or a transpose, is none in this equation."""
    places = {
        "missing-weight-decay": "W",
        "double-weight-decay": "W",
        "bias-weight-decay": "b",
        "transposed": "zWa",
    }
    return at[0] not in places.get(mistake.id, at)


def test_the_catalogue_has_every_id_that_is_promised() -> None:
    assert {mistake.id for mistake in CATALOGUE} == IDS == set(BY_ID)
    assert all(mistake.sentence and mistake.formula for mistake in CATALOGUE)


@in_every_place
def test_a_mistake_is_named_and_blamed_on_its_own_equation(
    activation: str, mistake: Mistake, at: str
) -> None:
    rows = verdict(activation, with_mistake(mistake, at), l2=L2)
    if idle_at(mistake, at):
        assert blamed(rows) == []
        return
    assert blamed(rows) == [at]
    assert set(heirs(rows)) == (set(BELOW.get(at, [])) if mistake.id != "transposed" else set())
    ids, sentence = said_of(rows, at)
    assert mistake.id in ids
    assert len(ids) == 1 or set(ids) in TIES
    assert sentence.startswith(f"∂{at} (3.")
    assert mistake.sentence.split("the last")[0].split("the first")[0] in sentence


@in_every_place
def test_a_mistake_is_named_too_when_only_the_weights_gradients_are_given(
    activation: str, mistake: Mistake, at: str
) -> None:
    rows = verdict(activation, with_mistake(mistake, at), WEIGHTS, L2)
    id = mistake.id
    if idle_at(mistake, at) or (id == "transposed" and at in "za"):
        assert blamed(rows) == []  # nothing that was given is wrong
        return
    assert blamed(rows) == [
        name for name in EQUATIONS if name in WEIGHTS and name in (at, *BELOW.get(at, []))
    ]
    assert heirs(rows) == []
    for name in blamed(rows):
        ids = said_of(rows, name)[0]
        if id == "fresh-mask":
            assert ids == ()  # r′ cannot be read off a sum over rows
        else:
            assert id in ids


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_mistake_that_is_idle_changes_no_number(activation: str) -> None:
    idle = set()
    for mistake in CATALOGUE:
        for case, _ in cases(activation, L2):
            right, f = backward(Pass(case)), Pass(case)
            wrong = [backward(f, mistake, at) for at in EQUATIONS if mistake.changes(at)]
            if any(
                g[n].shape != right[n].shape or not np.allclose(g[n], right[n])
                for g in wrong
                for n in EQUATIONS
            ):
                break
        else:
            idle.add(mistake.id)
    assert idle == IDLE[activation]


@pytest.mark.parametrize(("id", "other"), [sorted(TIES[0]), sorted(TIES[1])])
def test_two_that_tie_are_both_named(id: str, other: str) -> None:
    at = "z" if BY_ID[id].changes("z") and BY_ID[other].changes("z") else "b1"
    ids, sentence = said_of(verdict("tanh", with_mistake(BY_ID[id], at)), at)
    assert set(ids) == {id, other}
    assert "; or as if " in sentence
    assert all(BY_ID[name].sentence in sentence for name in ids)


def test_the_same_function_is_named_when_upstream_was_wrong_already() -> None:
    def given_by(case: Case) -> dict[str, np.ndarray]:
        f = Pass(case)
        g = backward(f, BY_ID["wrong-sign"], "z")
        a = derive(f, "a", g["z"], np.zeros(0), BY_ID["missing-dropout-mask"])
        return g | {"a": a, "W1": derive(f, "W1", g["z"], a), "b1": derive(f, "b1", g["z"], a)}

    rows = verdict("tanh", given_by)
    assert blamed(rows) == ["z", "a"]
    assert said_of(rows, "z")[0] == ("wrong-sign",)
    assert said_of(rows, "a")[0] == ("missing-dropout-mask",)
    assert heirs(rows) == ["W2", "b2", "W1", "b1"]


def test_a_gradient_that_vanishes_but_for_rounding_is_a_zero_gradient() -> None:
    rows = verdict(
        "tanh",
        lambda case: {"a": (Pass(case).p - Pass(case).y).sum(axis=1, keepdims=True) * case.r},
    )
    assert said_of(rows, "a")[0] == ("zero-gradient",)
