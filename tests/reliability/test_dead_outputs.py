"""Outputs that die with the signal that stops a run, or take nothing: the run is saved.

Real terminals, `tee`, closed windows, full pipes that nobody reads.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.cases import digits_case
from tests.support.interruptions import resume_to_the_same_end
from tests.support.processes import (
    Process,
    Reference,
    default_interrupts,
    fill_pipe,
    killed_at_last,
    outcome,
    run_references,
    wait_for_epochs,
    wait_until_in,
)
from tests.support.terminal import read_to_end, start_on_terminal

pytestmark = pytest.mark.xdist_group("signals")  # they share a reference

SECONDS = 60  # after which a run hangs
CTRL_C, CTRL_S = b"\x03", b"\x13"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A run on digits of about a second."""
    folder = tmp_path_factory.mktemp("outputs") / "undisturbed"
    return run_references([digits_case("momentum", 120)], folder)[0]


def words(reference: Reference, *more: str) -> list[str]:
    """The command that trains the reference's case in `run`."""
    return [sys.executable, "-m", "mlpcli", "train", *reference.case.words, "--out", "run", *more]


def stopped(folder: Path) -> str:
    """How the run ended, by its own result."""
    document = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return str(document["stopped"])


@contextmanager
def on_terminal(*command: str, cwd: Path, **options: int) -> Iterator[tuple[Process, int]]:
    """A program on a terminal of its own, and that terminal; killed if it is not waited for."""
    process, terminal = start_on_terminal(*command, cwd=cwd, **options)
    with killed_at_last(process):
        yield process, terminal
    with suppress(OSError):  # the test may have closed it
        os.close(terminal)


@pytest.mark.skipif(not shutil.which("bash"), reason="only bash tells the codes of a pipeline")
@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_with_tee_behind(as_json: bool, reference: Reference, tmp_path: Path) -> None:
    command = " ".join(words(reference, *(["--json"] if as_json else [])))
    pipeline = f"{command} 2>&1 | tee log; echo codes ${{PIPESTATUS[@]}}"
    with on_terminal("bash", "-c", pipeline, cwd=tmp_path) as (process, terminal):
        wait_for_epochs(process, tmp_path / "run")
        os.write(terminal, CTRL_C)
        output = read_to_end(terminal).decode()
    assert "codes 130 130\r\n" in output
    assert stopped(tmp_path / "run") == "interrupted"
    resume_to_the_same_end(reference, tmp_path / "run")


def test_the_window_is_closed(reference: Reference, tmp_path: Path) -> None:
    with on_terminal(*words(reference), cwd=tmp_path) as (process, terminal):
        wait_for_epochs(process, tmp_path / "run")
        os.close(terminal)
        assert process.wait(SECONDS) == 143
    assert stopped(tmp_path / "run") == "terminated"
    resume_to_the_same_end(reference, tmp_path / "run")


def test_the_window_of_a_shell_is_closed(reference: Reference, tmp_path: Path) -> None:
    """The shell dies of it, and its end sends SIGHUP a second time."""
    command = " ".join(words(reference))
    with on_terminal("sh", "-c", f"{command}; true", cwd=tmp_path) as (process, terminal):
        wait_for_epochs(process, tmp_path / "run")
        os.close(terminal)
        process.wait(SECONDS)
        result = tmp_path / "run" / "result.json"
        end = time.monotonic() + SECONDS
        while not result.exists() and time.monotonic() < end:
            time.sleep(0.01)
    assert stopped(tmp_path / "run") == "terminated"
    resume_to_the_same_end(reference, tmp_path / "run")


def test_a_run_that_outlives_its_window_comes_to_its_end(
    reference: Reference, tmp_path: Path
) -> None:
    command = " ".join(words(reference, "--json"))
    shell = f"trap '' HUP; {command} > result.json"
    with on_terminal("sh", "-c", f"{shell}; echo $? > code", cwd=tmp_path) as (process, terminal):
        wait_for_epochs(process, tmp_path / "run")
        os.close(terminal)
        process.wait(SECONDS)
    assert (tmp_path / "code").read_text() == "0\n"
    assert stopped(tmp_path) == "finished"
    assert outcome(tmp_path / "run") == reference.outcome


def test_ctrl_s_holds_training_up_and_a_signal_is_heard_all_the_same(
    reference: Reference, tmp_path: Path
) -> None:
    with on_terminal(*words(reference), cwd=tmp_path, stdout=subprocess.DEVNULL) as started:
        process, terminal = started
        wait_for_epochs(process, tmp_path / "run")
        os.write(terminal, CTRL_S)
        wait_until_it_waits(process, tmp_path / "run")
        process.terminate()
        assert process.wait(SECONDS) == 143
    assert stopped(tmp_path / "run") == "terminated"
    resume_to_the_same_end(reference, tmp_path / "run")


@pytest.mark.parametrize("at", ["any time", "a write"])
def test_a_pipe_that_nobody_reads_and_a_signal(
    at: str, reference: Reference, tmp_path: Path
) -> None:
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        words(reference),
        cwd=tmp_path,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=default_interrupts,
    )
    with killed_at_last(process):
        wait_for_epochs(process, tmp_path / "run")
        fill_pipe(theirs)
        if at == "a write":
            wait_until_it_waits(process, tmp_path / "run")
        process.terminate()
        assert process.wait(SECONDS) == 143
    for end in (ours, theirs):
        os.close(end)
    assert stopped(tmp_path / "run") == "terminated"
    resume_to_the_same_end(reference, tmp_path / "run")


def wait_until_it_waits(process: Process, folder: Path) -> None:
    """Return when a run has logged nothing for a while."""
    log = folder / "metrics.jsonl"
    length = -1
    while length != log.stat().st_size:
        length = log.stat().st_size
        time.sleep(0.3)
    assert process.poll() is None


def test_ctrl_c_before_training_with_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    """The command waits to show its plan; it ends at once, though its last words find no room."""
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    fill_pipe(theirs)
    command = [sys.executable, "-m", "mlpcli", "train", "--out", "run", "--json"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=default_interrupts,
    )
    with killed_at_last(process):
        wait_until_in(process, "pipe_write")
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert json.loads(stdout) == {"schema": 1, "error": "stopped."}
    for end in (ours, theirs):
        os.close(end)
