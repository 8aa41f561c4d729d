"""SIGTERM and Ctrl-C at any moment: the exit code, the way on, the model so far, and the same bytes in the end.

`python -m tests.reliability.crash signals 100` does more of the same.
"""

import json
import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from mlpcli.storage import modelfile
from tests.support.processes import (
    Ended,
    Reference,
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

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
SPREAD = 0.2  # of the time that the undisturbed run takes: the signal comes within so long after the first epoch


def stop_and_resume(
    reference: Reference, run: Path, number: int, chance: Random, again: bool = False
) -> int:
    """Send a signal, or `again` two, to a run after its first epoch, go on, and compare; returns the exit code."""
    process = training(reference.case, run)
    time.sleep(chance.uniform(0, SPREAD * reference.seconds))
    for _ in range(1 + again):
        os.killpg(process.pid, number)  # as a terminal does: to the workers too
    done = ended(process)
    assert "Traceback" not in done.stderr, done.stderr
    _check_what_was_said(done, CODES[signal.Signals(number)], run, again)
    check_files(run)
    assert again or modelfile.load(run / "model.npz")
    resumed = ended(start("train", "--resume", run, "--quiet"))
    assert resumed.code == 0, resumed.stderr
    assert outcome(run) == reference.outcome, "differs from the undisturbed run"
    return done.code


def _check_what_was_said(done: Ended, code: int, run: Path, again: bool) -> None:
    """The right exit code and the way on, unless the run had come to its end when the signal came."""
    if done.code != code:
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
        assert result["stopped"] in ("finished", "early stopping"), done
    elif not again:
        assert f"mlpclitrain--resume{run}" in "".join(done.stdout.split())  # a long path is folded


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A run on digits of a second or so."""
    return undisturbed(
        [digits("momentum", 120)], tmp_path_factory.mktemp("signals") / "undisturbed"
    )[0]


@pytest.mark.parametrize("number", CODES)
def test_a_run_that_was_told_to_stop_goes_on_to_the_same_bytes(
    number: int, reference: Reference, tmp_path: Path
) -> None:
    stop_and_resume(reference, tmp_path / "run", number, Random(number))


def test_a_second_signal_at_once_harms_nothing(reference: Reference, tmp_path: Path) -> None:
    stop_and_resume(reference, tmp_path / "run", signal.SIGTERM, Random(2), again=True)


def test_with_json_the_way_on_is_said_on_stderr(tmp_path: Path) -> None:
    endless = wide(write_wide_rows(tmp_path / "rows.npz"), "momentum", 10_000)
    process = training(endless, tmp_path / "run", "--json", "--quiet")
    process.terminate()
    done = ended(process)
    assert (done.code, json.loads(done.stdout)["stopped"]) == (143, "terminated")
    assert f"mlpcli train --resume {tmp_path / 'run'}\n" in done.stderr


@pytest.mark.parametrize("number", CODES)
def test_a_signal_while_the_command_is_imported_ends_it_without_a_traceback(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "typer.py").write_text(
        f"import os\nos.kill(os.getpid(), {number})\n", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert ended(start("--version")) == Ended(-number, "", "")


def test_a_signal_before_training_ends_the_command_without_a_traceback(tmp_path: Path) -> None:
    process = train(digits("momentum", 10_000), tmp_path / "run")
    time.sleep(0.2)
    process.terminate()
    done = ended(process)
    assert done.code in (-signal.SIGTERM, 143)
    assert "Traceback" not in done.stderr
