"""The checker's test of itself."""

from dataclasses import replace

import pytest

from mlpcli.gradcheck import selftest
from mlpcli.gradcheck.mistakes import CATALOGUE
from mlpcli.gradcheck.selftest import Trial, self_test
from mlpcli.gradcheck.verdict import Equation, Sample, judge
from mlpcli.model.activations import ACTIVATIONS
from tests.support.mistakes import IDLE, IDS


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return self_test()


def test_every_mistake_is_caught_and_named_under_every_activation(trials: list[Trial]) -> None:
    assert [
        trial for trial in trials if not trial.idle and not (trial.caught and trial.named)
    ] == []
    assert list(dict.fromkeys(trial.activation for trial in trials)) == list(ACTIVATIONS)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_changes_nothing_is_listed_and_two_that_are_one_are_one(
    activation: str, trials: list[Trial]
) -> None:
    here = [trial for trial in trials if trial.activation == activation]
    assert {trial.id for trial in here if trial.idle} == IDLE[activation]
    assert {trial.id for trial in here} == IDS - {"squared-error-gradient"}
    assert len(here) == len(IDS) - 1
    assert sum(not trial.idle for trial in here) >= 17 or activation != "tanh"


@pytest.mark.parametrize(
    ("hide", "caught", "named"), [("passed", False, False), ("ids", True, False)]
)
def test_a_checker_that_misses_or_mistakes_one_is_found_out(
    hide: str, caught: bool, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(samples: list[Sample]) -> tuple[Equation, ...]:
        rows = judge(samples)
        if hide == "passed":
            return tuple(replace(row, passed=True) for row in rows)
        return tuple(replace(row, diagnosis=None) for row in rows)

    monkeypatch.setattr(selftest, "judge", blind)
    monkeypatch.setattr(selftest, "CATALOGUE", CATALOGUE[:1])
    assert [(t.idle, t.caught, t.named) for t in self_test() if not t.idle] == [
        (False, caught, named)
    ] * 3
