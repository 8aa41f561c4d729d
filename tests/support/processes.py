"""Real training processes: how they are started, waited for and compared."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpcli.storage.reading import check_seal, read_npz
from tests.support.cases import ROOT, Case

TIMEOUT = 120  # seconds after which a process is taken to hang
WORKERS_TIMEOUT = 5  # seconds after a process's end in which its workers must have ended
TIMES = ("seconds", "rows_per_second")  # what equal runs may log differently

Process = subprocess.Popen[str]
Outcome = tuple[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Exited:
    """How a process ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Reference:
    """What comes of a case that nothing disturbs, and how long that takes."""

    case: Case
    outcome: Outcome
    seconds: float


def start_mlpcli(*words: object, kill_at: tuple[str, int] | None = None) -> Process:
    """Start `mlpcli`; with `kill_at`, it is killed when it reaches that point the n-th time."""
    module = ["mlpcli"]
    if kill_at:
        module = ["tests.support.kill_points", *map(str, kill_at)]
    return start_python("-m", *module, *map(str, words))


def start_python(*words: str) -> Process:
    """Start Python in a process group of its own, with Ctrl-C as a terminal has it."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=default_interrupts,
    )


def default_interrupts() -> None:
    """Undo that SIGINT is ignored, as it is in what a shell starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start_training(case: Case, folder: Path, *words: object) -> Process:
    """Start a case."""
    return start_mlpcli("train", *case.words, "--out", folder, *words)


def train_one_epoch(case: Case, folder: Path, *words: object) -> Process:
    """Start a case, and return when its first epoch is done."""
    process = start_training(case, folder, *words)
    wait_for_epochs(process, folder)
    return process


def wait_for_epochs(process: Process, folder: Path, count: int = 1) -> None:
    """Return when a run has logged so many epochs."""
    log = folder / "metrics.jsonl"
    end = time.monotonic() + TIMEOUT
    while not (log.exists() and log.read_bytes().count(b"\n") >= count):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "a run logs no epoch"
        time.sleep(0.005)


@contextmanager
def killed_at_last(process: Process) -> Iterator[Process]:
    """A process with a process group of its own; kills what is left of the group at the end."""
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def wait_until_in(process: Process, call: str) -> None:
    """Return when a process waits in a call of Linux with that in its name."""
    waits_in = Path(f"/proc/{process.pid}/wchan")
    while call not in waits_in.read_text(encoding="ascii"):
        assert process.poll() is None
        time.sleep(0.01)


def fill_pipe(pipe: int) -> None:
    """Fill a pipe to the last byte, with dots."""
    # An open file of its own: that it does not block is then not so of the pipe's other users.
    descriptor = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(descriptor, b"." * size)
    os.close(descriptor)


def wait_for(process: Process) -> Exited:
    """Wait for a process and its workers, which hold its streams open as long as they run."""
    try:
        code = process.wait(TIMEOUT)
        return Exited(code, *process.communicate(timeout=WORKERS_TIMEOUT))
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise AssertionError("a process hung, or a worker outlived it") from error


def run_references(cases: Sequence[Case], folder: Path) -> list[Reference]:
    """Run each case to its end; the first one once before, so that no time includes a download."""
    wait_for(start_training(cases[0], folder))
    return [_timed(case, folder) for case in cases]


def _timed(case: Case, folder: Path) -> Reference:
    start = time.perf_counter()
    exited = wait_for(start_training(case, folder, "--overwrite"))
    assert exited.code == 0, exited.stderr
    return Reference(case, outcome(folder), time.perf_counter() - start)


def outcome(folder: Path) -> Outcome:
    """The hash of a run's model, and its log without times."""
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    log = [json.loads(line) for line in text.splitlines()]
    for entry in log:
        for name in TIMES:
            del entry[name]
    return hashlib.sha256((folder / "model.npz").read_bytes()).hexdigest(), log


def check_files(folder: Path) -> None:
    """Read every file of a run, whole and sealed; raises the first error."""
    for path in folder.glob("[!.]*.npz"):
        check_seal(path)
        read_npz(path)
    for path in folder.glob("config.toml"):
        tomllib.loads(path.read_text(encoding="utf-8"))
    for path in folder.glob("result.json"):
        json.loads(path.read_text(encoding="utf-8"))


def half_written(folder: Path) -> list[Path]:
    """The temporary files that a folder holds."""
    return list(folder.glob(".*.part"))


def children() -> set[int]:
    """The ids of this process's children, with those that have ended and were not waited for."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return {int(word) for word in listed.split()}
