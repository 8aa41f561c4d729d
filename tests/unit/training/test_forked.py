"""Forked processes that add up: the same sum in each, and how each ends when another one does."""

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.arrays import Floats, shared_zeros
from mlpcli.errors import WorkerError
from mlpcli.training import forked
from mlpcli.training.forked import ForkedWorkers
from mlpcli.training.resources import even_slices
from tests.support.processes import children

pytestmark = pytest.mark.usefixtures("measure_children")

STEPS, ROWS, K = 30, 5, 3
SENTENCE = (
    r"^A worker process ended before its time: was it killed, or was the memory used up\? "
    r"Try again with --threads 1, which trains in one process\.$"
)


class Late(ForkedWorkers):
    """Workers that look at a sum a while after it is there; the last one by most."""

    def _wait_for_leader(self) -> None:
        super()._wait_for_leader()
        time.sleep(0.002 * self.rank)


def part(rank: int, step: int, dtype: type) -> Floats:
    """The logits of one process at one step."""
    return np.random.default_rng([rank, step]).normal(size=(ROWS - step % 2, K)).astype(dtype)


def sums(workers: ForkedWorkers, rank: int, seen: Floats, dtype: type) -> None:
    """Add up step by step, and write down what this process is given."""
    for step in range(STEPS):
        z = part(rank, step, dtype)
        workers.allreduce(z)
        seen[rank, step, : len(z)] = z


def ended(pid: int) -> bool:
    """Whether a process runs no more; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until_ended(pids: list[int], seconds: float) -> list[int]:
    """Those of the processes that still run after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not all(map(ended, pids)):
        time.sleep(0.005)
    return [pid for pid in pids if not ended(pid)]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Every test ends without a child, even one that has ended, and with as many open files."""
    before = children(), open_files()
    yield
    assert (children(), open_files()) == before


# Shares


@given(H=st.integers(1, 3000), count=st.integers(1, 64))
def test_the_cuts_cover_every_unit_once_in_order(H: int, count: int) -> None:
    cuts = even_slices(H, count)
    assert len(cuts) == count
    assert [unit for cut in cuts for unit in range(H)[cut]] == list(range(H))


@given(data=st.data(), count=st.integers(1, 64))
def test_the_shares_are_about_equal_and_where_there_are_enough_at_multiples_of_16(
    data: st.DataObject, count: int
) -> None:
    H = data.draw(st.integers(count, 3000))
    cuts = even_slices(H, count)
    aligned = 64 * count <= H
    assert all(abs(cut.stop - cut.start - H / count) <= (32 if aligned else 1) for cut in cuts)
    assert all(cut.start % 16 == 0 for cut in cuts) or not aligned


# The sum


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("kind", [ForkedWorkers, Late], ids=["at once", "late"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_process_is_given_the_same_sum_to_the_bit(
    count: int, kind: type[ForkedWorkers], dtype: type
) -> None:
    seen = shared_zeros(count * STEPS * ROWS * K, dtype).reshape(count, STEPS, ROWS, K)
    workers = kind(count, ROWS * K, dtype)
    workers.start(lambda rank: sums(workers, rank, seen, dtype))
    sums(workers, 0, seen, dtype)
    workers.barrier()
    workers.close()
    for step in range(STEPS):
        expected = part(0, step, dtype)
        for rank in range(1, count):
            expected = expected + part(rank, step, dtype)
        for rank in range(count):
            np.testing.assert_array_equal(seen[rank, step, : len(expected)], expected)


def test_when_settled_all_that_the_others_wrote_after_the_last_sum_is_there() -> None:
    seen = shared_zeros(3, np.float64)
    workers = ForkedWorkers(3, 1, np.float64)

    def work(rank: int) -> None:
        for step in range(5):
            workers.allreduce(np.ones((1, 1)))
            time.sleep(0.002)
            seen[rank] = step + 1

    workers.start(work)
    for step in range(5):
        workers.allreduce(np.ones((1, 1)))
        workers.barrier()
        workers.barrier()  # once more says the same
        assert list(seen[1:]) == [step + 1] * 2
    workers.close()


# Ends


def counting(workers: ForkedWorkers) -> None:
    while True:
        workers.allreduce(np.ones((1, 1)))


@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("moment", ["waiting", "let go, and not yet awake"])
def test_a_worker_that_was_killed_is_told_in_a_sentence(victim: int, moment: str) -> None:
    workers = ForkedWorkers(3, 1, np.float64)
    workers.start(lambda rank: counting(workers))
    try:
        workers.barrier()
        if moment != "waiting":  # what it was told lies unread in its socket
            stop_child(workers.children[victim])
            workers.allreduce(np.ones((1, 1)))
        os.kill(workers.children[victim], signal.SIGKILL)
        os.waitid(os.P_PID, workers.children[victim], os.WEXITED | os.WNOWAIT)
        with pytest.raises(WorkerError, match=SENTENCE):
            counting(workers)
    finally:
        workers.close()


def test_a_worker_that_fails_says_nothing_and_is_told_of_in_the_same_sentence(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def work(rank: int) -> None:
        workers.allreduce(np.ones((1, 1)))
        raise MemoryError

    workers = ForkedWorkers(2, 1, np.float64)
    workers.start(work)
    with pytest.raises(WorkerError, match=SENTENCE):
        counting(workers)
    workers.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sums_before", range(4))
def test_closed_workers_end_at_once_wherever_they_are(sums_before: int) -> None:
    workers = ForkedWorkers(3, 1, np.float64)
    workers.start(lambda rank: counting(workers))
    children_then = workers.children
    for _ in range(sums_before):
        workers.allreduce(np.ones((1, 1)))
    workers.close()
    workers.close()  # there are none left
    assert all(map(ended, children_then))


@pytest.mark.parametrize(
    ("module", "call", "error"),
    [(os, "fork", errno.EAGAIN), (os, "fork", errno.ENOMEM), (socket, "socketpair", errno.EMFILE)],
)
def test_a_process_that_is_refused_is_told_and_those_that_there_are_can_be_dismissed(
    module: ModuleType, call: str, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = ForkedWorkers(3, 1, np.float64)
    allowed = getattr(module, call)

    def only_once() -> Any:
        if workers.children:
            raise OSError(error, os.strerror(error))
        return allowed()

    monkeypatch.setattr(module, call, only_once)
    sentence = f"Only 2 of 3 processes can be started: {os.strerror(error)}. Try again with --th"
    try:
        with pytest.raises(WorkerError, match=sentence):
            workers.start(lambda rank: counting(workers))
        assert len(workers.children) == 1
    finally:
        workers.close()


def stop_child(child: int) -> None:
    """Stop a child, and return when it is stopped."""
    os.kill(child, signal.SIGSTOP)
    os.waitid(os.P_PID, child, os.WSTOPPED | os.WNOWAIT)


@pytest.mark.parametrize("stopped", [[0], [1], [0, 1]])
def test_stopped_workers_are_killed_after_a_moment(
    stopped: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked, "CLOSE_SECONDS", 0.1)
    workers = ForkedWorkers(3, 1, np.float64)
    workers.start(lambda rank: counting(workers))
    for victim in stopped:
        stop_child(workers.children[victim])
    children_then = workers.children
    began = time.monotonic()
    workers.close()
    assert time.monotonic() - began > 0.1
    assert all(map(ended, children_then))


def test_a_worker_that_does_not_look_at_its_socket_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forked, "CLOSE_SECONDS", 0.1)
    workers = ForkedWorkers(2, 1, np.float64)
    workers.start(lambda rank: time.sleep(60))
    (child,) = workers.children
    workers.close()
    assert ended(child)


def test_a_signal_while_workers_are_waited_for_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second Ctrl-C may come while the first one's end is under way."""
    workers = ForkedWorkers(2, 1, np.float64)
    workers.start(lambda rank: time.sleep(60))
    (child,) = workers.children

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            workers.close()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ended(child)


def test_where_the_system_forgets_ended_children_closing_is_no_failure() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        workers = ForkedWorkers(3, 1, np.float64)
        workers.start(lambda rank: counting(workers))
        children_then = workers.children
        workers.allreduce(np.ones((1, 1)))
        workers.close()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert wait_until_ended(children_then, seconds=1) == []


def test_a_forked_process_does_its_work_ignores_signals_and_never_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The life of a worker, looked at in this process."""
    worked: list[int] = []
    ignored: list[tuple[int, object]] = []

    def exited(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(os, "fork", lambda: 0)
    monkeypatch.setattr(os, "_exit", exited)
    monkeypatch.setattr(signal, "signal", lambda *of: ignored.append(of))
    workers = ForkedWorkers(3, 1, np.float64)
    with pytest.raises(SystemExit) as end:
        workers.start(worked.append)
    monkeypatch.undo()
    assert (worked, workers.rank, workers.children, end.value.code) == ([1], 1, [], 0)
    assert set(ignored) == {
        (each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    workers.close()


SCRIPT = """
import signal, sys, time
import numpy as np
from mlpcli.training.forked import ForkedWorkers

heard = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: heard.append(number))
workers = ForkedWorkers(3, 1, np.float64)

def work(rank):
    while True:
        workers.allreduce(np.ones((1, 1)))

workers.start(work)
workers.barrier()  # all ignore signals by now
print(*workers.children, flush=True)
while len(heard) < int(sys.argv[1]):
    workers.allreduce(np.ones((1, 1)))
for _ in range(100):
    z = np.ones((1, 1))
    workers.allreduce(z)
workers.barrier()
print(z[0, 0], flush=True)
workers.close()
"""


@contextlib.contextmanager
def first_process(signals: int) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """A first process with a process group of its own, and the ids of its children."""
    command = [sys.executable, "-c", SCRIPT, str(signals)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout
            yield process, list(map(int, process.stdout.readline().split()))
        finally:
            process.kill()


def test_when_the_first_process_is_killed_the_others_go_too() -> None:
    with first_process(1) as (process, workers):
        assert len(workers) == 2
        assert not any(map(ended, workers))
        process.kill()
        process.wait(timeout=10)
        assert wait_until_ended(workers, seconds=1) == []


def test_signals_to_all_are_left_to_the_first_process_to_decide_about() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with first_process(len(numbers)) as (process, workers):
        for number in numbers[:-1]:
            os.killpg(process.pid, number)
            time.sleep(0.02)
            assert not any(map(ended, workers))
        # The last one that the first process waits for before it adds up once more:
        os.killpg(process.pid, numbers[-1])
        assert process.communicate(timeout=30)[0] == "3.0\n"
        assert process.returncode == 0
        assert wait_until_ended(workers, seconds=1) == []


# Threads

COUNTED = """
import os, sys, threading
from mlpcli.__main__ import main

def count():
    print("threads", len(os.listdir("/proc/self/task")), file=sys.__stderr__)

os.register_at_fork(after_in_parent=count)  # which is when Python 3.12 looks, and warns
if sys.argv.pop(1) == "with one more":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
main()
"""


@pytest.mark.parametrize(("threads", "expected"), [("as it is", 1), ("with one more", 2)])
def test_no_thread_runs_where_training_forks(threads: str, expected: int, tmp_path: Path) -> None:
    """Neither a progress bar's nor, after what the fork itself ends, one of the BLAS."""
    words = ["train", "--hidden", "512", "--batch-size", "64", "--threads", "2", "--epochs", "1"]
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, threads, *words],
        cwd=tmp_path,
        env=os.environ | {"FORCE_COLOR": "1", "TERM": "xterm"},  # a progress bar, as on a terminal
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"threads (\d+)", done.stderr) == [str(expected)]
