"""A command watched from its start to its end: when its lines came, and the memory of all its processes."""

import re
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.harness import ROOT, environment

EVERY = 0.02  # seconds between two looks at the memory
EPOCH_LINE = re.compile(
    r"epoch \d+ |Iteration \d+,|\s+\d+\s+\d+\.\d+"
)  # the scripts', scikit-learn's, mlpcli's


@dataclass(frozen=True)
class Watched:
    """How long the command took, when each line came, what it printed last, and the most memory it had."""

    seconds: float
    lines: list[tuple[float, str]]
    peak: int  # bytes: the proportional set size of the whole process tree; 0 where it was not looked at

    @property
    def epochs(self) -> list[float]:
        """When each epoch's end was told, in seconds from the start."""
        return [when for when, line in self.lines if EPOCH_LINE.match(line)]


def watch(command: Sequence[object], memory: bool = False, **more: str) -> Watched:
    """Run the command to its end; raises CalledProcessError where it fails."""
    began, lines = time.perf_counter(), []
    with subprocess.Popen(  # noqa: S603 - a script beside this one, or mlpcli
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        env=environment(PYTHONUNBUFFERED="1", **more),
    ) as process:  # fmt: skip
        looker = Looker(process.pid) if memory else None
        assert process.stdout
        for line in process.stdout:
            lines.append((time.perf_counter() - began, line.rstrip()))
        code = process.wait()
    seconds = time.perf_counter() - began
    if code:
        raise subprocess.CalledProcessError(code, command, "\n".join(line for _, line in lines))
    return Watched(seconds, lines, looker.most() if looker else 0)


class Looker(threading.Thread):
    """Looks at the memory of a process and all below it until it has ended."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process, self.peak = psutil.Process(pid), 0
        self.start()

    def run(self) -> None:
        """Look again and again."""
        while memory := tree_memory(self.process):
            self.peak = max(self.peak, memory)
            time.sleep(EVERY)

    def most(self) -> int:
        """The most that was seen, once the process has ended."""
        self.join()
        return self.peak


def tree_memory(process: psutil.Process) -> int:
    """Bytes of the process and all below it, shared pages counted once (PSS); 0 when it has ended."""
    try:
        return sum(_pss(each.pid) for each in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


def _pss(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    match = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
