"""What a process may inherit: signals ignored or blocked, closed descriptors, limits, a TMPDIR.

Whatever it is, a run in two processes comes to the same bytes.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.cli import startup
from tests.support.cases import ROOT, Case, wide_case, write_wide_rows
from tests.support.command import read_document
from tests.support.processes import (
    Process,
    Reference,
    default_interrupts,
    killed_at_last,
    outcome,
    run_references,
    wait_for_epochs,
)

pytestmark = pytest.mark.usefixtures("measure_children")

MOST_STACK = 1 << 46  # bytes, for each thread: more than there are addresses


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows for runs in two processes."""
    return write_wide_rows(tmp_path_factory.mktemp("inherited") / "rows.npz")


@pytest.fixture(scope="module")
def reference(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A run in two processes that inherits nothing odd; its final scores take two threads."""
    case = wide_case(rows, "momentum", 1, "--hidden", "512")
    return run_references([case], tmp_path_factory.mktemp("reference") / "run")[0]


def start(case: Case, folder: Path, inherit: Callable[[], object], shell: str = "") -> Process:
    """Start a case in a process that first does `inherit`, and with a shell's redirections."""

    def prepare() -> None:
        default_interrupts()
        inherit()

    command = [sys.executable, "-m", "mlpcli", "train", *case.words, "--out", "run"]
    if shell:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    return subprocess.Popen(
        command,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=prepare,
    )


def ignore(number: int) -> Callable[[], object]:
    """Let a process ignore a signal."""
    return lambda: signal.signal(number, signal.SIG_IGN)


def no_threads() -> None:
    """Let no thread start: none finds room for its stack."""
    os.environ.pop("OPENBLAS_NUM_THREADS", None)  # which the tests set for all
    most = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (MOST_STACK, most))


def block_signals() -> None:
    """Block all signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def no_folder_for_temporary_files() -> None:
    """Name a TMPDIR that is not there."""
    os.environ["TMPDIR"] = "/nowhere"


STATES = {
    "SIGCHLD ignored": ignore(signal.SIGCHLD),
    "SIGPIPE ignored": ignore(signal.SIGPIPE),
    "SIGPIPE not ignored": lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL),
    "SIGINT ignored": ignore(signal.SIGINT),
    "all signals blocked": block_signals,
    "no TMPDIR": no_folder_for_temporary_files,
    "no threads": no_threads,
}


@pytest.mark.parametrize("state", STATES)
def test_a_run_is_the_same_whatever_its_process_inherits(
    state: str, reference: Reference, tmp_path: Path
) -> None:
    with killed_at_last(start(reference.case, tmp_path, STATES[state])) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert outcome(tmp_path / "run") == reference.outcome
    assert stdout.endswith(" -m mlpcli eval run\n")
    assert (startup.NO_THREADS in stderr) == (state == "no threads")


@pytest.mark.parametrize("state", ["SIGCHLD ignored", "all signals blocked", "no TMPDIR"])
@pytest.mark.parametrize(("file", "code"), [("homework_corrected", 0), ("homework_as_printed", 1)])
def test_a_verdict_is_the_same_whatever_its_process_inherits(
    file: str, code: int, state: str, tmp_path: Path
) -> None:
    """It hangs on the exit code of a child process."""
    command = [sys.executable, "-m", "mlpcli", "gradcheck", "--json"]
    done = subprocess.run(
        [*command, "--impl", ROOT / "examples" / f"{file}.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=STATES[state],
    )
    assert done.returncode == code, done.stderr
    assert read_document(done.stdout)["passed"] == (code == 0)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_are_not_taken_by_files_of_the_run(
    closed: str, rows: Path, tmp_path: Path
) -> None:
    endless = wide_case(rows, "momentum", 100_000)
    numbers = {"<": 0, ">": 1, "2": 2}
    with killed_at_last(start(endless, tmp_path, default_interrupts, closed)) as process:
        wait_for_epochs(process, tmp_path / "run")
        for redirection in closed.split():
            number = numbers[redirection[0]]
            assert os.readlink(f"/proc/{process.pid}/fd/{number}") == os.devnull
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143


def test_a_signal_that_was_blocked_is_heard(rows: Path, tmp_path: Path) -> None:
    endless = wide_case(rows, "momentum", 100_000)
    with killed_at_last(start(endless, tmp_path, block_signals)) as process:
        wait_for_epochs(process, tmp_path / "run")
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143


def test_without_threads_a_run_takes_one_process_unless_told_otherwise(
    rows: Path, tmp_path: Path
) -> None:
    words = ("--data", str(rows), "--hidden", "64", "--batch-size", "100", "--epochs", "1")
    case = Case("as many processes as pay", words)
    with killed_at_last(start(case, tmp_path, no_threads)) as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert stderr.startswith(startup.NO_THREADS)
    assert "processes" not in stderr.removeprefix(startup.NO_THREADS)


def test_a_number_of_blas_threads_that_is_set_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.setattr(startup, "can_start", lambda count: False)
    startup.limit_blas()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"


def test_threads_are_tried_and_gone_again() -> None:
    before = len(os.listdir("/proc/self/task"))
    assert startup.can_start(5)
    assert startup.can_start(0)
    assert len(os.listdir("/proc/self/task")) <= before + 5
