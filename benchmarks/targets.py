"""What mlpcli aims at, each as a ratio, beside what was measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.statistics import Spread, against, ratio, seconds_of, spread

EPOCHS = [  # shape, peer, the most that mlpcli may take of the peer's time with momentum and with Adam
    ("784-512-10", "JAX", 0.80, 1.00),
    ("784-512-10", "PyTorch", 0.30, 0.40),
    ("784-512-10", "scikit-learn", 0.40, 0.35),
    ("784-512-10", "two products", 1.40, 2.00),
    ("784-2048-10", "JAX", 0.85, 1.00),
    ("64-256-10", "JAX", 0.70, 0.80),
]
GOAL = 0.98  # of the test rows


@dataclass(frozen=True)
class Target:
    """A limit, and what was measured."""

    what: str
    limit: float
    measured: Spread
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the median keeps to the limit."""
        return (
            self.measured.median >= self.limit
            if self.at_least
            else self.measured.median <= self.limit
        )


def targets(results: dict[str, Any]) -> Iterator[Target]:
    """Every target that something was measured for."""
    for section, of_section in SECTIONS.items():
        if section in results:
            yield from of_section(results[section])


def _epochs(contests: list[Any]) -> Iterator[Target]:
    by_place = {
        (contest["shape"], contest["optimizer"]): contest["contestants"] for contest in contests
    }
    for shape, peer, *limits in EPOCHS:
        for optimizer, limit in zip(("momentum", "adam"), limits, strict=True):
            contestants = by_place.get((shape, optimizer), {})
            if peer in contestants:
                yield Target(
                    f"epoch of {shape}, {optimizer}: time / {peer}",
                    limit,
                    against(contestants, peer),
                )


def _to98(contestants: dict[str, Any]) -> Iterator[Target]:
    best = min(there(contestants), key=lambda name: seconds_of(contestants, name))
    what = f"command to 98 % on MNIST: time / quickest peer ({best})"
    yield Target(what, 0.40, ratio(contestants["mlpcli"]["seconds"], contestants[best]["seconds"]))


def there(contestants: dict[str, Any]) -> list[str]:
    """The peers that got to 98 % each time, or all where none did."""
    peers = [name for name in contestants if name != "mlpcli"]
    return [name for name in peers if min(contestants[name]["accuracy"]) >= GOAL] or peers


def _start(contestants: dict[str, Any]) -> Iterator[Target]:
    peaks = {name: answer["peak"] for name, answer in contestants.items()}
    lean = min((name for name in peaks if name != "mlpcli"), key=lambda name: min(peaks[name]))
    what = f"training MNIST: peak memory / leanest peer ({lean})"
    yield Target(what, 0.60, ratio(peaks["mlpcli"], peaks[lean]))


def _scoring(contests: list[Any]) -> Iterator[Target]:
    for contest in contests:
        seconds = {name: answer["seconds"] for name, answer in contest["contestants"].items()}
        what = f"scoring {contest['rows']:,} rows: rows a second / scikit-learn"
        yield Target(what, 1.5, ratio(seconds["scikit-learn"], seconds["mlpcli"]), at_least=True)


def _digits(answer: dict[str, Any]) -> Iterator[Target]:
    bare = [
        imports + epochs
        for imports, epochs in zip(answer["imports"], answer["epochs"], strict=True)
    ]
    yield Target(
        "digits, whole process: time / (bare imports + its epochs)",
        1.5,
        ratio(answer["seconds"], bare),
    )


def _growth(rows: list[Any]) -> Iterator[Target]:
    costs = [
        spread([s / row["rows"] for (s,) in row["seconds"]]).median
        for row in rows
        if row["what"] == "rows"
    ]
    worst = max(costs) / min(costs)
    what = "epoch's cost of 1,000 rows: dearest / cheapest, from 7,500 to 60,000 rows"
    yield Target(what, 1.15, Spread(worst, worst, worst))


def _million(answer: dict[str, Any]) -> Iterator[Target]:
    yield Target(
        "a million rows: peak memory / file", 1.3, spread([answer["peak"] / answer["file"]])
    )


SECTIONS: dict[str, Callable[[Any], Iterator[Target]]] = {
    "epochs": _epochs,
    "to98": _to98,
    "start": _start,
    "digits": _digits,
    "scoring": _scoring,
    "growth": _growth,
    "million": _million,
}
