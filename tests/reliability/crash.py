"""`python -m tests.reliability.crash N`: N kills of real training processes, each resumed, and every end compared.

`python -m tests.reliability.crash signals N`, `starts N` and `repeats N` do as much for signals, double starts and equal seeds.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, zip_longest
from pathlib import Path
from random import Random

from tests.reliability.test_locks import start_two
from tests.reliability.test_signals import CODES, stop_and_resume
from tests.support.kill_points import LOGGING, SAVING
from tests.support.processes import (
    Ended,
    Reference,
    cases,
    check_files,
    ended,
    outcome,
    start,
    train,
    undisturbed,
    write_wide_rows,
)

RANDOM, LEFT = "at a random time", "at a random time, within a save"
POINTS = SAVING | LOGGING
TURN = [
    point for pair in zip_longest(POINTS, [RANDOM] * 12) for point in pair if point
]  # 25 kills: all points
MOST_KILLS = 4  # of one run
COVERED = 200  # kills from which on every named point must have been hit


@dataclass
class Tally:
    """What was done so far."""

    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    again: int = 0  # runs that were killed before they had a configuration, and started once more
    differing: list[str] = field(default_factory=list)

    @property
    def within_saves(self) -> int:
        """Kills between the first and the last step of a save."""
        return sum(count for point, count in self.kills.items() if point in SAVING or point == LEFT)

    def problems(self, wanted: int) -> list[str]:
        """What must not be."""
        missed = [point for point in POINTS if not self.kills[point]] if wanted >= COVERED else []
        few = [f"only {self.kills.total()} kills"] if self.kills.total() < wanted else []
        few += (
            [f"only {self.within_saves} kills within a save"]
            if 5 * self.within_saves < wanted
            else []
        )
        return [*self.differing, *few, *(f"never killed: {point}" for point in missed)]

    def report(self) -> str:
        """All of it, a line each."""
        lines = [f"{self.kills[point]:6}  {point}" for point in (*POINTS, LEFT, RANDOM)]
        said = f"{self.kills.total()} kills in {self.runs} runs, {self.within_saves} of them within a save"
        ends = f"{self.again} times started again for want of a configuration, {len(self.differing)} runs differ"
        return "\n".join([said, *lines, ends])


class Killing:
    """Kills runs and resumes them, all drawn from one seed."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder, self.chance, self.points, self.tally = (
            folder,
            Random(seed),
            deque(TURN),
            Tally(),
        )

    def until(self, wanted: int, references: Sequence[Reference]) -> Tally:
        """Disturb runs of the references' cases in turn until there were so many kills."""
        for _, reference in zip(range(10 * wanted), cycle(references), strict=False):
            left = wanted - self.tally.kills.total()
            if not left:
                break
            self.tally.runs += 1
            self._one(
                reference,
                self.folder / f"run-{self.tally.runs}",
                min(left, self.chance.randint(1, MOST_KILLS)),
            )
        return self.tally

    def _one(self, reference: Reference, run: Path, kills: int) -> None:
        """Disturb one run, and note what is wrong with it, if anything is: the others are tried all the same."""
        try:
            self._disturb(reference, run, kills)
            check_files(run)
            assert outcome(run) == reference.outcome, "differs from the undisturbed run"
            shutil.rmtree(run)
        except Exception as error:
            self.tally.differing.append(f"{run}, {reference.case.name}: {error!r}")

    def _disturb(self, reference: Reference, run: Path, kills: int) -> None:
        """Start a run, kill it at most so many times, and resume it each time, until it comes to its end."""
        words: list[object] = [*reference.case.words, "--out", run]
        for left in reversed(range(kills + 1)):
            done = (
                self._attempt(words, self.points[0], reference.seconds)
                if left
                else ended(start("train", *words))
            )
            if done.code == 0:
                break
            assert left, f"exit code {done.code}: {done.stderr}"
            assert done.code == -signal.SIGKILL, f"exit code {done.code}: {done.stderr}"
            self._note_kill(run)
            words = self._next_words(reference, run)

    def _attempt(self, words: Sequence[object], point: str, seconds: float) -> Ended:
        """Run the command to where it is killed, or to its end where it comes to that before."""
        if point in POINTS:
            return ended(
                start("train", *words, trap=(point, self.chance.randint(1, POINTS[point])))
            )
        process = start("train", *words)
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.chance.uniform(0.3, 1) * seconds)
        process.kill()
        return ended(process)

    def _note_kill(self, run: Path) -> None:
        """Count it, see that no file is damaged, and go on to the next point."""
        self.tally.kills[_where(self.points[0], run)] += 1
        self.points.rotate(-1)
        check_files(run)

    def _next_words(self, reference: Reference, run: Path) -> list[object]:
        """How to go on: by --resume, or from the start where the run was killed before it had a configuration."""
        if (run / "config.toml").exists():
            return ["--resume", run]
        self.tally.again += 1
        return [*reference.case.words, "--out", run, "--overwrite"]


def _where(point: str, run: Path) -> str:
    """The point of a kill; a random time was within a save where a file is left half-written."""
    return LEFT if point == RANDOM and any(run.glob(".*.part")) else point


def kills(wanted: int, folder: Path, references: list[Reference]) -> list[str]:
    """The long version of test_crash.py."""
    tally = Killing(folder).until(wanted, references)
    print(tally.report())
    return tally.problems(wanted)


def signals(wanted: int, folder: Path, references: list[Reference]) -> list[str]:
    """The long version of test_signals.py."""
    chance = Random(0)

    def stop(n: int) -> int:
        number = list(CODES)[n % len(CODES)]
        return stop_and_resume(
            references[n % len(references)], folder / f"run-{n}", number, chance, again=n % 5 == 0
        )

    return _each(stop, wanted, "exit codes")


def starts(wanted: int, folder: Path, references: list[Reference]) -> list[str]:
    """The long version of test_locks.py."""

    def start_at_once(n: int) -> int:
        return start_two(references[n % len(references)].case, folder / f"run-{n}")

    return _each(start_at_once, wanted, "exit codes of those refused")


def repeats(wanted: int, folder: Path, references: list[Reference]) -> list[str]:
    """The long version of test_repeats.py."""

    reference = next(
        reference for reference in references if "two processes" in reference.case.name
    )

    def repeat(n: int) -> str:
        done = ended(train(reference.case, folder / "again", "--overwrite"))
        assert done.code == 0, done.stderr
        assert outcome(folder / "again") == reference.outcome
        return reference.outcome[0]

    return _each(repeat, wanted, "hashes of model.npz")


def _each(trial: Callable[[int], object], wanted: int, what: str) -> list[str]:
    """Try so often, and count what comes of it; returns what went wrong."""
    counts: Counter[object] = Counter()
    problems = []
    for n in range(wanted):
        try:
            counts[trial(n)] += 1
        except Exception as error:
            problems.append(f"{n}: {error!r}")
    print(f"{wanted} times, {len(problems)} not as they should be; {what}: {dict(counts)}")
    return problems


def main(words: Sequence[str]) -> int:
    """Do what the command line asks for; 1 where anything is not as it should be, whose files are kept."""
    what, wanted = words if len(words) == 2 else ("kills", *words)
    folder = Path(tempfile.mkdtemp(prefix="mlpcli-crash-"))
    os.environ["MLPCLI_CACHE"] = str(folder / "cache")
    began = time.perf_counter()
    rows = write_wide_rows(folder / "rows.npz")
    references = undisturbed(cases(rows), folder / "undisturbed")
    problems = LONG[what](int(wanted), folder, references)
    print(f"{(time.perf_counter() - began) / 60:.1f} minutes")
    if not problems:
        shutil.rmtree(folder)
        return 0
    print("\n".join([*problems, f"See {folder}"]))
    return 1


LONG = {"kills": kills, "signals": signals, "starts": starts, "repeats": repeats}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
