"""Subjects, each a process of its own, and rounds in which each one is measured in turn."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks.peers.protocol import Reply, notify
from benchmarks.results import Measurement, Measurements

ROOT = Path(__file__).parents[1]
NOT_INHERITED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # would choose kernels for some subjects
PAUSE = 0.1  # seconds between two measurements: a thread pool goes on spinning for a while

T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """One way to do the work that is measured.

    `module` does it, below `benchmarks`; `packages` are what it imports beside mlpcli's own
    dependencies. A subject whose packages are not installed is left out.
    """

    name: str
    module: str
    packages: tuple[str, ...] = ()
    arguments: tuple[object, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


class SubjectError(RuntimeError):
    """A subject's process ended before it replied."""


class SubjectProcess:
    """A process that does as many epochs or passes as are requested, and waits in between."""

    def __init__(self, subject: Subject) -> None:
        self.name = subject.name
        arguments = [str(argument) for argument in subject.arguments]
        self.process = subprocess.Popen(  # noqa: S603 - one of the modules below this folder
            [sys.executable, "-m", f"benchmarks.{subject.module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(**subject.environment),
        )
        try:
            self.warm_up = self._receive()
        except BaseException:
            self.close()
            raise

    def measure(self, count: int) -> Reply:
        """Request `count` epochs or passes, and wait for the reply."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"count": count}) + "\n")
        self.process.stdin.flush()
        return self._receive()

    def _receive(self) -> Reply:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise SubjectError(f"{self.name} ended with exit code {code}; its message is above")
        return Reply(**json.loads(line))

    def close(self) -> None:
        """Close the process's stdin, at which it exits, and wait until it has exited."""
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):  # it has exited already
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def environment(**more: str) -> dict[str, str]:
    """The environment variables of every process that is measured."""
    variables = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return variables | more


def installed(subjects: Sequence[Subject]) -> list[Subject]:
    """The subjects whose packages are installed; prints a message about each of the others."""
    for subject in subjects:
        if subject.missing:
            packages = " and ".join(subject.missing)
            notify(f"  {subject.name} is left out: {packages} is not installed")
    return [subject for subject in subjects if not subject.missing]


@contextmanager
def started(subjects: Sequence[Subject]) -> Iterator[list[SubjectProcess]]:
    """Start and warm up the processes of the subjects that are installed, one after another.

    A subject that needs a package and fails is left out: torch.compile, for one, needs a C++
    compiler. Raises SubjectError if any other fails.
    """
    processes: list[SubjectProcess] = []
    try:
        for subject in installed(subjects):
            notify(f"  {subject.name} warms up")
            try:
                processes.append(SubjectProcess(subject))
            except SubjectError as error:
                if not subject.packages:
                    raise
                notify(f"  {subject.name} is left out: {error}")
        yield processes
    finally:
        for process in processes:
            process.close()


def rounds(processes: Sequence[SubjectProcess], n_rounds: int, count: int) -> Measurements:
    """Measure every process in rounds of `count` epochs or passes."""
    replies: dict[str, list[Reply]] = {process.name: [] for process in processes}
    for number in range(n_rounds):
        for process in rotated(processes, number):
            time.sleep(PAUSE)
            replies[process.name].append(process.measure(count))
    return {
        process.name: _measurement(process.warm_up, replies[process.name]) for process in processes
    }


def rotated(items: Sequence[T], number: int) -> list[T]:
    """The items in the order of this round: each round begins with the next item."""
    first = number % len(items)
    return [*items[first:], *items[:first]]


def _measurement(warm_up: Reply, replies: list[Reply]) -> Measurement:
    last = replies[-1]
    return Measurement(
        seconds=[reply.seconds for reply in replies],
        warm_up=warm_up.seconds,
        about=last.about,
        loss=last.loss,
        accuracy=last.accuracy,
    )
