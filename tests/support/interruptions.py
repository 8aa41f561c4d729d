"""What may happen to a run at any moment: signals, and a second process on the same folder."""

import json
import os
import signal
import time
from pathlib import Path
from random import Random

from mlpcli.storage import modelfile
from tests.support.cases import Case
from tests.support.processes import (
    TIMEOUT,
    Exited,
    Reference,
    check_files,
    outcome,
    start_mlpcli,
    start_training,
    train_one_epoch,
    wait_for,
)

EXIT_CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
LATEST = 0.2  # of the reference's time: a signal comes within so long after the first epoch
REFUSAL = "another mlpcli train is at work there"


def stop_and_resume(
    reference: Reference, run: Path, number: int, rng: Random, twice: bool = False
) -> int:
    """Stop a run after its first epoch, by one signal or two; resume it; compare its files.

    Returns the exit code of the run that was stopped.
    """
    process = train_one_epoch(reference.case, run)
    time.sleep(rng.uniform(0, LATEST * reference.seconds))
    for _ in range(2 if twice else 1):
        os.killpg(process.pid, number)  # as a terminal does: to the workers too
    exited = wait_for(process)
    assert "Traceback" not in exited.stderr, exited.stderr
    _check_messages(exited, EXIT_CODES[signal.Signals(number)], run, twice)
    check_files(run)
    if not twice:
        modelfile.load(run / "model.npz")
    resume_to_the_same_end(reference, run)
    return exited.code


def resume_to_the_same_end(reference: Reference, run: Path) -> None:
    """Resume a run; its model and its log must be those of the undisturbed run."""
    resumed = wait_for(start_mlpcli("train", "--resume", run, "--quiet"))
    assert resumed.code == 0, resumed.stderr
    assert outcome(run) == reference.outcome, "differs from the undisturbed run"


def _check_messages(exited: Exited, code: int, run: Path, twice: bool) -> None:
    """The exit code and the next command, unless the run had ended when the signal came."""
    if exited.code != code:
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
        assert result["stopped"] in ("finished", "early stopping"), exited
    elif not twice:
        unwrapped = "".join(exited.stdout.split())  # a long path is wrapped
        assert f"mlpclitrain--resume{run}" in unwrapped


def start_two(case: Case, run: Path) -> int:
    """Start two processes on one folder at once: one trains, the other is refused.

    Returns the exit code of the one that is refused.
    """
    endless = Case(case.name, (*case.words, "--epochs", "100000", "--set", "training.patience=0"))
    both = [start_training(endless, run, "--overwrite") for _ in range(2)]
    end = time.monotonic() + TIMEOUT
    while all(process.poll() is None for process in both) and time.monotonic() < end:
        time.sleep(0.005)
    second, first = sorted(both, key=lambda process: process.poll() is None)
    refused = wait_for(second)
    first.terminate()
    stopped = wait_for(first)
    assert (refused.code, stopped.code) == (2, 143), (refused, stopped)
    assert REFUSAL in refused.stderr, refused.stderr
    check_files(run)
    modelfile.load(run / "model.npz")
    return refused.code
