"""SIGTERM and Ctrl-C at any moment: exit code, next command, model so far, equal bytes at the end.

`python -m tests.reliability.crash signals 100` does more of the same.
"""

import json
import os
import re
import signal
import time
from pathlib import Path
from random import Random

import pytest

from tests.support.cases import Case, digits_case, wide_case, write_wide_rows
from tests.support.interruptions import EXIT_CODES, stop_and_resume
from tests.support.processes import (
    Exited,
    Process,
    Reference,
    killed_at_last,
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


PRESSES = 0.3  # seconds between two signals that are meant as two


@pytest.fixture
def endless(tmp_path: Path) -> Case:
    """A run in two processes without an end."""
    return wide_case(write_wide_rows(tmp_path / "rows.npz"), "momentum", 100_000)


def stop_worker(process: Process) -> int:
    """Stop the worker of a run in two processes as soon as there is one; returns its id."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (listed := children.read_text(encoding="ascii")):
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(int(listed), signal.SIGSTOP)
    return int(listed)


@pytest.mark.parametrize("number", EXIT_CODES)
def test_a_stopped_worker_holds_up_the_first_signal_and_not_the_second(
    number: signal.Signals, endless: Case, tmp_path: Path
) -> None:
    saved = r"stopped at once\. The run was saved \d+ s ago\. To go on from there: "
    started = train_one_epoch(endless, tmp_path / "run", "--json", "--quiet")
    with killed_at_last(started) as process:
        worker = stop_worker(process)
        for _ in range(2):
            time.sleep(PRESSES)
            assert process.poll() is None
            process.send_signal(number)
        process.wait(timeout=10)
        check_last_words(wait_for(process), EXIT_CODES[number], saved, tmp_path)
    assert (tmp_path / "run" / "checkpoint.npz").exists()
    assert not Path(f"/proc/{worker}").exists(), "a stopped worker outlived the run"


def test_a_second_signal_before_the_first_save_says_that_nothing_is_saved(
    endless: Case, tmp_path: Path
) -> None:
    slow = Case(endless.name, (*endless.words, "--hidden", "1024"))
    said = r"stopped at once, before the run was first saved\. To begin it again: "
    with killed_at_last(start_training(slow, tmp_path / "run", "--json", "--quiet")) as process:
        stop_worker(process)
        for _ in range(2):
            time.sleep(PRESSES)
            process.terminate()
        check_last_words(wait_for(process), 143, said, tmp_path)


def test_a_stopped_worker_that_goes_on_lets_the_first_signal_save(
    endless: Case, tmp_path: Path
) -> None:
    started = train_one_epoch(endless, tmp_path / "run", "--json", "--quiet")
    with killed_at_last(started) as process:
        worker = stop_worker(process)
        process.terminate()
        time.sleep(PRESSES)
        os.kill(worker, signal.SIGCONT)
        exited = wait_for(process)
    assert (exited.code, json.loads(exited.stdout)["stopped"]) == (143, "terminated")


def check_last_words(exited: Exited, code: int, said: str, folder: Path) -> None:
    """One line on stderr, and the same in the document: what was saved, and how to go on."""
    sentence = json.loads(exited.stdout)["error"]
    assert (exited.code, exited.stderr) == (code, f"mlpcli: {sentence}\n")
    command = r"(\S+ -m )?" + re.escape(f"mlpcli train --resume {folder / 'run'}")
    assert re.fullmatch(said + command, sentence)


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
    assert exited.code in (-signal.SIGTERM, 143)  # while the command is imported, or later
    assert exited.stderr == ("mlpcli: stopped.\n" if exited.code == 143 else "")
