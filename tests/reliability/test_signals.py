"""SIGTERM and Ctrl-C at any moment: exit code, next command, model so far, equal bytes at the end.

`python -m tests.reliability.crash signals 100` does more of the same.
"""

import json
import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from tests.support.cases import digits_case, wide_case, write_wide_rows
from tests.support.interruptions import EXIT_CODES, stop_and_resume
from tests.support.processes import (
    Exited,
    Reference,
    run_references,
    start_mlpcli,
    start_training,
    train_one_epoch,
    wait_for,
)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A run on digits of about a second."""
    folder = tmp_path_factory.mktemp("signals") / "undisturbed"
    return run_references([digits_case("momentum", 120)], folder)[0]


@pytest.mark.parametrize("number", EXIT_CODES)
def test_a_run_that_is_stopped_goes_on_to_the_same_bytes(
    number: int, reference: Reference, tmp_path: Path
) -> None:
    stop_and_resume(reference, tmp_path / "run", number, Random(number))


def test_a_second_signal_at_once_harms_nothing(reference: Reference, tmp_path: Path) -> None:
    stop_and_resume(reference, tmp_path / "run", signal.SIGTERM, Random(2), twice=True)


def test_with_json_the_next_command_is_on_stderr(tmp_path: Path) -> None:
    endless = wide_case(write_wide_rows(tmp_path / "rows.npz"), "momentum", 10_000)
    process = train_one_epoch(endless, tmp_path / "run", "--json", "--quiet")
    process.terminate()
    exited = wait_for(process)
    assert (exited.code, json.loads(exited.stdout)["stopped"]) == (143, "terminated")
    assert f"mlpcli train --resume {tmp_path / 'run'}\n" in exited.stderr


@pytest.mark.parametrize("number", EXIT_CODES)
def test_a_signal_while_the_command_is_imported_ends_it_without_a_traceback(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"import os\nos.kill(os.getpid(), {number})\n"
    (tmp_path / "typer.py").write_text(program, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert wait_for(start_mlpcli("--version")) == Exited(-number, "", "")


def test_a_signal_before_training_ends_the_command_without_a_traceback(tmp_path: Path) -> None:
    process = start_training(digits_case("momentum", 10_000), tmp_path / "run")
    time.sleep(0.2)
    process.terminate()
    exited = wait_for(process)
    assert exited.code in (-signal.SIGTERM, 143)
    assert "Traceback" not in exited.stderr
