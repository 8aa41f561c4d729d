"""One process at a time trains in a run folder; a second one is refused and harms nothing.

`python -m tests.reliability.crash starts 50` starts more of them at once.
"""

import signal
from pathlib import Path

import pytest

from mlpcli.errors import OutputError
from mlpcli.storage.locks import locked
from tests.support.cases import Case, digits_case, wide_case, write_wide_rows
from tests.support.interruptions import REFUSAL, start_two
from tests.support.processes import (
    outcome,
    run_references,
    start_mlpcli,
    start_training,
    train_one_epoch,
    wait_for,
)

ENDLESS = 100_000  # epochs


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A case that does not end by itself, of one process or of two."""
    if request.param == "two processes":
        return wide_case(write_wide_rows(tmp_path / "rows.npz"), "momentum", ENDLESS)
    return digits_case("momentum", ENDLESS)


@pytest.mark.parametrize("case", ["one process", "two processes", "once more"], indirect=True)
def test_of_two_that_start_at_once_one_trains_and_the_other_is_refused(
    case: Case, tmp_path: Path
) -> None:
    start_two(case, tmp_path / "run")


@pytest.mark.parametrize("case", ["one process", "two processes"], indirect=True)
def test_the_lock_of_a_process_that_is_killed_is_free_at_once(case: Case, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = train_one_epoch(case, run)
    with pytest.raises(OutputError, match=REFUSAL), locked(run):
        pass
    process.kill()
    assert wait_for(process).code == -signal.SIGKILL
    with locked(run):
        pass


def test_neither_overwriting_nor_resuming_disturbs_a_run_that_trains(tmp_path: Path) -> None:
    case = digits_case("momentum", 150)
    run = tmp_path / "run"
    (reference,) = run_references([case], tmp_path / "undisturbed")
    process = train_one_epoch(case, run)
    process.send_signal(signal.SIGSTOP)  # it holds the lock for as long as the others try
    others = [
        start_training(case, run, "--overwrite"),
        start_training(case, run, "--overwrite", "--seed", "1"),
        start_mlpcli("train", "--resume", run),
    ]
    for other in others:
        refused = wait_for(other)
        assert refused.code == 2
        assert REFUSAL in refused.stderr
    process.send_signal(signal.SIGCONT)
    assert wait_for(process).code == 0
    assert outcome(run) == reference.outcome
