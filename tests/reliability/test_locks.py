"""One trainer at a time has a run folder, and whoever comes second is told so, and harms nothing.

`python -m tests.reliability.crash starts 50` starts more of them at once.
"""

import signal
import time
from pathlib import Path

import pytest

from mlpcli.errors import OutputError
from mlpcli.storage import modelfile
from mlpcli.storage.runfolder import alone
from tests.support.processes import (
    WAIT,
    Case,
    check_files,
    digits,
    ended,
    outcome,
    start,
    train,
    training,
    undisturbed,
    wide,
    write_wide_rows,
)

REFUSAL = "another mlpcli train is at work there"


def start_two(case: Case, run: Path) -> int:
    """Start two trainers on one folder at once: one trains, the other is refused; returns the latter's exit code."""
    endless = Case(case.name, (*case.words, "--epochs", "100000", "--set", "training.patience=0"))
    both = [train(endless, run, "--overwrite") for _ in range(2)]
    end = time.monotonic() + WAIT
    while all(process.poll() is None for process in both) and time.monotonic() < end:
        time.sleep(0.005)
    loser, winner = sorted(both, key=lambda process: process.poll() is None)
    refused = ended(loser)
    winner.terminate()
    done = ended(winner)
    assert (refused.code, done.code) == (2, 143), (refused, done)
    assert REFUSAL in refused.stderr, refused.stderr
    check_files(run)
    modelfile.load(run / "model.npz")
    return refused.code


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of a run for two processes."""
    return write_wide_rows(tmp_path_factory.mktemp("rows") / "rows.npz")


def test_of_two_that_start_at_once_one_trains_and_the_other_is_told(
    tmp_path: Path, rows: Path
) -> None:
    for n, case in enumerate(
        [digits("momentum", 1), wide(rows, "momentum", 1), digits("momentum", 1)]
    ):
        start_two(case, tmp_path / str(n))


def test_the_lock_of_a_trainer_that_is_killed_is_free_at_once(tmp_path: Path, rows: Path) -> None:
    for case in (digits("momentum", 100_000), wide(rows, "momentum", 100_000)):
        run = tmp_path / case.name
        process = training(case, run)
        with pytest.raises(OutputError, match=REFUSAL), alone(run):
            pass
        process.kill()
        assert ended(process).code == -signal.SIGKILL
        with alone(run):
            pass


def test_neither_overwriting_nor_resuming_disturbs_a_trainer_at_work(tmp_path: Path) -> None:
    case = digits("momentum", 150)
    (reference,) = undisturbed([case], tmp_path / "undisturbed")
    process = training(case, tmp_path / "run")
    process.send_signal(signal.SIGSTOP)  # it holds the lock for as long as the others try
    intruders = [
        train(case, tmp_path / "run", "--overwrite"),
        train(case, tmp_path / "run", "--overwrite", "--seed", "1"),
        start("train", "--resume", tmp_path / "run"),
    ]
    for refused in map(ended, intruders):
        assert refused.code == 2
        assert REFUSAL in refused.stderr
    process.send_signal(signal.SIGCONT)
    assert ended(process).code == 0
    assert outcome(tmp_path / "run") == reference.outcome
