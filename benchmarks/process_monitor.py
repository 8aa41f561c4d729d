"""A command run from its start to its end: when its lines came, and the memory of its processes."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import ROOT, environment

INTERVAL = 0.02  # seconds between two samples of the memory
EPOCH_LINE = re.compile(
    r"epoch \d+ "  # the scripts'
    r"|Iteration \d+,"  # scikit-learn's
    r"|\s+\d+\s+\d+\.\d+"  # mlpcli's
)
PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True)
class ProcessRecord:
    """How long a command took, when each of its lines came, and its peak memory.

    `peak` is in bytes, of the process and all its descendants; 0 if it was not measured.
    """

    seconds: float
    lines: list[tuple[float, str]]
    peak: int

    @property
    def epoch_ends(self) -> list[float]:
        """When each epoch's line came, in seconds from the start."""
        return [when for when, line in self.lines if EPOCH_LINE.match(line)]


def run(command: Sequence[object], memory: bool = False, **variables: str) -> ProcessRecord:
    """Run the command to its end; raises CalledProcessError if it fails."""
    lines = []
    monitor = None
    began = time.perf_counter()
    with _start(command, variables) as process:
        if memory:
            monitor = MemoryMonitor(process.pid)
        assert process.stdout
        for line in process.stdout:
            lines.append((time.perf_counter() - began, line.rstrip()))
        code = process.wait()
    seconds = time.perf_counter() - began
    peak = monitor.stop() if monitor else 0
    if code:
        output = "\n".join(line for _, line in lines)
        raise subprocess.CalledProcessError(code, [*map(str, command)], output)
    return ProcessRecord(seconds, lines, peak)


def _start(command: Sequence[object], variables: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - a script below this folder, or mlpcli
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment(PYTHONUNBUFFERED="1", **variables),
    )


class MemoryMonitor(threading.Thread):
    """Samples the memory of a process and its descendants until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0
        self.stopped = threading.Event()
        self.start()

    def run(self) -> None:
        """Sample at every interval."""
        self._sample()
        while not self.stopped.wait(INTERVAL):
            self._sample()

    def _sample(self) -> None:
        self.peak = max(self.peak, tree_memory(self.pid))

    def stop(self) -> int:
        """Stop, and return the largest sample in bytes."""
        self.stopped.set()
        self.join()
        return self.peak


def tree_memory(pid: int) -> int:
    """The bytes of a process and its descendants, shared pages counted once (PSS).

    0 on a system other than Linux; a process that has exited counts as 0.
    """
    return sum(_memory(member) for member in _tree(pid))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _tree(child)


def _children(pid: int) -> list[int]:
    """The children of every thread of a process."""
    children: list[int] = []
    try:
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            children += map(int, path.read_text().split())
    except OSError:  # the process exited meanwhile
        pass
    return children


def _memory(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    match = PSS.search(text)
    return int(match[1]) * 1024 if match else 0
