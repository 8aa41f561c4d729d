"""The self-test passes for the checker as it is, and fails for one that misses a mistake."""

from dataclasses import replace

import pytest

from mlpcli.gradcheck import selftest
from mlpcli.gradcheck.mistakes import CATALOGUE
from mlpcli.gradcheck.selftest import Trial, document, self_test
from mlpcli.gradcheck.verdict import EquationVerdict, Sample, judge
from mlpcli.model.activations import ACTIVATIONS
from tests.support.mistakes import IDLE, IDS


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return self_test()


def test_every_mistake_is_caught_and_named_with_every_activation(trials: list[Trial]) -> None:
    effective = [trial for trial in trials if not trial.idle]
    assert [trial for trial in effective if not (trial.caught and trial.named)] == []
    assert list(dict.fromkeys(trial.activation for trial in trials)) == list(ACTIVATIONS)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_distinct_mistake_has_one_trial_and_idle_ones_are_listed(
    activation: str, trials: list[Trial]
) -> None:
    here = [trial for trial in trials if trial.activation == activation]
    assert {trial.id for trial in here if trial.idle} == IDLE[activation]
    assert {trial.id for trial in here} == IDS - {"squared-error-gradient"}
    assert len(here) == len(IDS) - 1
    assert sum(not trial.idle for trial in here) >= 17 or activation != "tanh"


def judge_all_right(samples: list[Sample]) -> tuple[EquationVerdict, ...]:
    return tuple(replace(verdict, passed=True) for verdict in judge(samples))


def judge_without_diagnosis(samples: list[Sample]) -> tuple[EquationVerdict, ...]:
    return tuple(replace(verdict, diagnosis=None) for verdict in judge(samples))


@pytest.mark.parametrize(
    ("broken_judge", "caught"), [(judge_all_right, False), (judge_without_diagnosis, True)]
)
def test_a_checker_that_misses_a_mistake_or_its_name_fails(
    broken_judge: object, caught: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "judge", broken_judge)
    monkeypatch.setattr(selftest, "CATALOGUE", CATALOGUE[:1])
    effective = [trial for trial in self_test() if not trial.idle]
    assert len(effective) == 3
    assert [(trial.caught, trial.named) for trial in effective] == [(caught, False)] * 3


def test_the_document_counts_mistakes_that_are_not_idle() -> None:
    trials = [
        Trial("relu", "one", False, True, True),
        Trial("relu", "two", False, True, False),
        Trial("relu", "three", False, False, False),
        Trial("relu", "four", True, False, False),
    ]
    summary = document(trials)
    assert not summary["passed"]
    assert (summary["caught"], summary["named"], summary["of"]) == (2, 1, 3)
    assert summary["trials"][3] == {
        "activation": "relu",
        "id": "four",
        "idle": True,
        "caught": False,
        "named": False,
    }
    assert document(trials[:1])["passed"]
