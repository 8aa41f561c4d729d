"""What mlpcli aims at, each as a ratio, beside what was measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.results import (
    CommandRun,
    Digits,
    EpochCase,
    Measurements,
    Million,
    Results,
    ScalingPoint,
    ScoringCase,
    Start,
)
from benchmarks.statistics import Spread, ratio, relative_time, spread

GOAL = 0.98  # accuracy on the test rows


@dataclass(frozen=True)
class EpochLimit:
    """The most that mlpcli's epoch may take of a library's time, with each optimizer."""

    shape: str
    library: str
    momentum: float
    adam: float

    def by_optimizer(self) -> dict[str, float]:
        """The limits by the optimizer's name."""
        return {"momentum": self.momentum, "adam": self.adam}


EPOCH_LIMITS = (
    EpochLimit("784-512-10", "JAX", 0.80, 1.00),
    EpochLimit("784-512-10", "PyTorch", 0.30, 0.40),
    EpochLimit("784-512-10", "scikit-learn", 0.40, 0.35),
    EpochLimit("784-512-10", "two products", 1.40, 2.00),
    EpochLimit("784-2048-10", "JAX", 0.85, 1.00),
    EpochLimit("64-256-10", "JAX", 0.70, 0.80),
)


@dataclass(frozen=True)
class Target:
    """A ratio, its limit, and what was measured."""

    ratio: str
    limit: float
    measured: Spread
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the median keeps to the limit."""
        if self.at_least:
            return self.measured.median >= self.limit
        return self.measured.median <= self.limit


def targets(results: Results) -> Iterator[Target]:
    """Every target that something was measured for."""
    if results.epochs:
        yield from _epochs(results.epochs)
    if results.to98:
        yield from _to98(results.to98)
    if results.start:
        yield from _start(results.start)
    if results.digits:
        yield _digits(results.digits)
    if results.scoring:
        yield from _scoring(results.scoring)
    if results.scaling:
        yield from _scaling(results.scaling)
    if results.million:
        yield _million(results.million)


def _epochs(cases: Sequence[EpochCase]) -> Iterator[Target]:
    measured = {(case.shape, case.optimizer): case.subjects for case in cases}
    for row in EPOCH_LIMITS:
        for optimizer, limit in row.by_optimizer().items():
            subjects: Measurements = measured.get((row.shape, optimizer), {})
            if row.library in subjects:
                title = f"epoch of {row.shape}, {optimizer}: time / {row.library}"
                yield Target(title, limit, relative_time(subjects, row.library))


def _to98(runs: dict[str, CommandRun]) -> Iterator[Target]:
    peers = accurate_peers(runs)
    if peers:
        best = min(peers, key=lambda name: median(runs[name].seconds))
        title = f"command to 98 % on MNIST: time / fastest peer ({best})"
        yield Target(title, 0.40, ratio(runs["mlpcli"].seconds, runs[best].seconds))


def accurate_peers(runs: dict[str, CommandRun]) -> list[str]:
    """The peers that reached 98 % in every round, or all if none did."""
    peers = [name for name in runs if name != "mlpcli"]
    accurate = [name for name in peers if min(runs[name].accuracy) >= GOAL]
    return accurate or peers


def _start(starts: dict[str, Start]) -> Iterator[Target]:
    peers = [name for name in starts if name != "mlpcli"]
    if peers:
        smallest = min(peers, key=lambda name: min(starts[name].peak))
        title = f"training MNIST: peak memory / smallest peer's ({smallest})"
        yield Target(title, 0.60, ratio(starts["mlpcli"].peak, starts[smallest].peak))


def _digits(digits: Digits) -> Target:
    title = "digits, whole process: time / (bare imports + its epochs)"
    least = []
    for imports, epochs in zip(digits.imports, digits.epochs, strict=True):
        least.append(imports + epochs)
    return Target(title, 1.5, ratio(digits.seconds, least))


def _scoring(cases: Sequence[ScoringCase]) -> Iterator[Target]:
    for case in cases:
        if "scikit-learn" in case.subjects:
            title = f"scoring {case.n_rows:,} rows: rows a second / scikit-learn"
            theirs = case.subjects["scikit-learn"]
            ours = case.subjects["mlpcli"]
            speed = ratio(theirs.by_round, ours.by_round)
            yield Target(title, 1.5, speed, at_least=True)


def _scaling(points: Sequence[ScalingPoint]) -> Iterator[Target]:
    costs = []
    for point in points:
        if point.axis == "rows":
            seconds = median(point.measurement.by_round)
            costs.append(seconds / point.n_rows)
    worst = max(costs) / min(costs)
    title = "time of 1,000 rows in an epoch: longest / shortest, from 7,500 to 60,000 rows"
    yield Target(title, 1.15, Spread(worst, worst, worst))


def _million(million: Million) -> Target:
    title = "a million rows: peak memory / file"
    return Target(title, 1.3, spread([million.peak / million.file]))
