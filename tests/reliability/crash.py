"""`python -m tests.reliability.crash N`: kill training processes N times, resume, compare bytes.

`python -m tests.reliability.crash signals N`, `starts N` and `repeats N` do as much for signals,
for two processes on one folder, and for equal seeds.
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

from tests.support.cases import crash_cases, write_wide_rows
from tests.support.interruptions import EXIT_CODES, start_two, stop_and_resume
from tests.support.kill_points import POINTS, SAVING
from tests.support.processes import (
    Exited,
    Reference,
    check_files,
    outcome,
    run_references,
    start_mlpcli,
    start_training,
    wait_for,
)

AT_RANDOM = "at a random time"
WITHIN_SAVE = "at a random time, within a save"
MAX_KILLS = 4  # of one run
ALL_POINTS = 200  # from so many kills on, every named point must have been hit


def _sequence() -> list[str]:
    """25 kills: every named point, with random times between them."""
    pairs = zip_longest(POINTS, [AT_RANDOM] * 12)
    return [point for pair in pairs for point in pair if point]


@dataclass
class Results:
    """What came of the kills so far."""

    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    restarts: int = 0  # of runs that were killed before they had a configuration
    failures: list[str] = field(default_factory=list)

    @property
    def within_saves(self) -> int:
        """Kills between the first and the last step of a save."""
        return self.kills[WITHIN_SAVE] + sum(self.kills[point] for point in SAVING)

    def problems(self, wanted: int) -> list[str]:
        """Every reason why this test of `wanted` kills has failed; none if it has passed."""
        found = list(self.failures)
        if self.kills.total() < wanted:
            found.append(f"only {self.kills.total()} kills")
        if 5 * self.within_saves < wanted:
            found.append(f"only {self.within_saves} kills within a save")
        if wanted >= ALL_POINTS:
            found += [f"never killed: {point}" for point in POINTS if not self.kills[point]]
        return found

    def report(self) -> str:
        """The results, one a line."""
        within = f"{self.within_saves} of them within a save"
        lines = [f"{self.kills.total()} kills in {self.runs} runs, {within}"]
        lines += [f"{self.kills[point]:6}  {point}" for point in (*POINTS, WITHIN_SAVE, AT_RANDOM)]
        lines.append(
            f"{self.restarts} runs had no configuration yet and were started again, "
            f"{len(self.failures)} runs failed"
        )
        return "\n".join(lines)


class CrashTest:
    """Kills runs and resumes them; all its random choices come from one seed."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.rng = Random(seed)
        self.points = deque(_sequence())
        self.results = Results()

    def run(self, wanted: int, references: Sequence[Reference]) -> Results:
        """Disturb runs of the references' cases in turn until there were `wanted` kills."""
        for reference in cycle(references):
            left = wanted - self.results.kills.total()
            if left == 0 or self.results.runs == 10 * wanted:
                break
            self.results.runs += 1
            n_kills = min(left, self.rng.randint(1, MAX_KILLS))
            self._try(reference, self.folder / f"run-{self.results.runs}", n_kills)
        return self.results

    def _try(self, reference: Reference, run: Path, n_kills: int) -> None:
        """Disturb one run; if it fails, note it, so that the others are tried too."""
        try:
            self._disturb(reference, run, n_kills)
            check_files(run)
            assert outcome(run) == reference.outcome, "differs from the undisturbed run"
            shutil.rmtree(run)
        except Exception as error:
            self.results.failures.append(f"{run}, {reference.case.name}: {error!r}")

    def _disturb(self, reference: Reference, run: Path, n_kills: int) -> None:
        """Start a run, kill and resume it at most `n_kills` times, then let it end."""
        words: list[object] = [*reference.case.words, "--out", run]
        for _ in range(n_kills):
            exited = self._run_to_kill(words, reference.seconds)
            if exited.code == 0:
                return
            assert exited.code == -signal.SIGKILL, f"exit code {exited.code}: {exited.stderr}"
            self._count_kill(run)
            words = self._words_to_go_on(reference, run)
        exited = wait_for(start_mlpcli("train", *words))
        assert exited.code == 0, f"exit code {exited.code}: {exited.stderr}"

    def _run_to_kill(self, words: Sequence[object], seconds: float) -> Exited:
        """Run the command until it is killed, or to its end if that comes first."""
        point = self.points[0]
        if point in POINTS:
            n = self.rng.randint(1, POINTS[point])
            return wait_for(start_mlpcli("train", *words, kill_at=(point, n)))
        process = start_mlpcli("train", *words)
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.rng.uniform(0.3, 1) * seconds)
        process.kill()
        return wait_for(process)

    def _count_kill(self, run: Path) -> None:
        """Count a kill, check that no file is damaged, and turn to the next point."""
        point = self.points[0]
        if point == AT_RANDOM and any(run.glob(".*.part")):
            point = WITHIN_SAVE
        self.results.kills[point] += 1
        self.points.rotate(-1)
        check_files(run)

    def _words_to_go_on(self, reference: Reference, run: Path) -> list[object]:
        """Resume the run, or start it again if it was killed before it had a configuration."""
        if (run / "config.toml").exists():
            return ["--resume", run]
        self.results.restarts += 1
        return [*reference.case.words, "--out", run, "--overwrite"]


def kills(wanted: int, folder: Path, references: list[Reference]) -> list[str]:
    """The long version of test_crash.py."""
    results = CrashTest(folder).run(wanted, references)
    print(results.report())
    return results.problems(wanted)


def signals(wanted: int, folder: Path, references: list[Reference]) -> list[str]:
    """The long version of test_signals.py."""
    rng = Random(0)
    numbers = list(EXIT_CODES)

    def stop(n: int) -> int:
        reference = references[n % len(references)]
        number = numbers[n % len(numbers)]
        return stop_and_resume(reference, folder / f"run-{n}", number, rng, twice=n % 5 == 0)

    return _repeat(stop, wanted, "exit codes")


def starts(wanted: int, folder: Path, references: list[Reference]) -> list[str]:
    """The long version of test_locks.py."""

    def start(n: int) -> int:
        return start_two(references[n % len(references)].case, folder / f"run-{n}")

    return _repeat(start, wanted, "exit codes of those refused")


def repeats(wanted: int, folder: Path, references: list[Reference]) -> list[str]:
    """The long version of test_repeats.py."""
    reference = next(each for each in references if "two processes" in each.case.name)

    def repeat(n: int) -> str:
        exited = wait_for(start_training(reference.case, folder / "again", "--overwrite"))
        assert exited.code == 0, exited.stderr
        assert outcome(folder / "again") == reference.outcome
        return reference.outcome[0]

    return _repeat(repeat, wanted, "hashes of model.npz")


def _repeat(trial: Callable[[int], object], wanted: int, what: str) -> list[str]:
    """Make so many trials, print how often each result came, and return what went wrong."""
    counts: Counter[object] = Counter()
    problems = []
    for n in range(wanted):
        try:
            counts[trial(n)] += 1
        except Exception as error:
            problems.append(f"{n}: {error!r}")
    print(f"{wanted} trials, {len(problems)} failed; {what}: {dict(counts)}")
    return problems


def main(words: Sequence[str]) -> int:
    """Run the test that the command line asks for; returns 1, and keeps the files, if it fails."""
    name, wanted = words if len(words) == 2 else ("kills", *words)
    folder = Path(tempfile.mkdtemp(prefix="mlpcli-crash-"))
    os.environ["MLPCLI_CACHE"] = str(folder / "cache")
    start = time.perf_counter()
    cases = crash_cases(write_wide_rows(folder / "rows.npz"))
    problems = TESTS[name](int(wanted), folder, run_references(cases, folder / "undisturbed"))
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes")
    if problems:
        print("\n".join([*problems, f"See {folder}"]))
        return 1
    shutil.rmtree(folder)
    return 0


TESTS = {"kills": kills, "signals": signals, "starts": starts, "repeats": repeats}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
