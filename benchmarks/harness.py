"""Contestants, each a process of its own, and rounds in which they are measured in turn."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).parents[1]
NOT_INHERITED = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)  # they would choose the kernels of some and not of others
REST = 0.1  # seconds between turns: the thread pools of the one before go on spinning for a while

Answer: TypeAlias = dict[str, Any]


def environment(**more: str) -> dict[str, str]:
    """What every child gets."""
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED} | more


class Contestant:
    """A process that does as many epochs, or passes, as it is asked for, and blocks on its stdin in between."""

    def __init__(self, name: str, module: str, *arguments: object, **more: str) -> None:
        self.name = name
        command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
        self.process = subprocess.Popen(  # noqa: S603 - one of the modules beside this one
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(**more),
        )
        self.warm_up = self._answer()

    def turn(self, count: int) -> Answer:
        """Ask for `count` epochs or passes and wait for the answer."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"go": count}) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Answer:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"{self.name} ended with code {self.process.wait()}; its stderr says why"
            )
        return dict(json.loads(line))

    def close(self) -> None:
        """Let it go: it exits where nobody asks any more."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def started(
    entries: Sequence[tuple[str, str, Sequence[object], dict[str, str]]],
) -> Iterator[list[Contestant]]:
    """Contestants of these names, modules, arguments and variables, warmed up one after another."""
    contestants: list[Contestant] = []
    try:
        for name, module, arguments, variables in entries:
            tell(f"  {name} warms up")
            try:
                contestants.append(Contestant(name, module, *arguments, **variables))
            except RuntimeError as error:  # torch.compile, for one, needs a C++ compiler
                tell(f"  left out: {error}")
        yield contestants
    finally:
        for contestant in contestants:
            contestant.close()


def rounds(contestants: list[Contestant], count: int, each: int) -> dict[str, Answer]:
    """So many rounds of `each` epochs for everybody; who begins moves on by one each round.

    Returns for each name the seconds, a list for each round, and the rest of its last answer.
    """
    results: dict[str, Answer] = {
        one.name: one.warm_up | {"warm_up": one.warm_up["seconds"]} for one in contestants
    }
    seconds: dict[str, list[list[float]]] = {one.name: [] for one in contestants}
    for number in range(count):
        first = number % len(contestants)
        for contestant in contestants[first:] + contestants[:first]:
            time.sleep(REST)
            answer = contestant.turn(each)
            seconds[contestant.name].append(answer.pop("seconds"))
            results[contestant.name] |= answer
    return {name: results[name] | {"seconds": seconds[name]} for name in results}


def tell(text: str) -> None:
    """Say on stderr what goes on."""
    print(text, file=sys.stderr, flush=True)
