"""Medians, spreads and ratios from the raw numbers of results.json."""

from dataclasses import dataclass
from statistics import median
from typing import Any

Numbers = list[Any]  # of floats, one a round, or of lists of them, one a turn


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, with the smallest and the largest."""

    median: float
    least: float
    most: float

    def text(self, digits: int = 2, unit: str = "") -> str:
        """As it stands in a table: 0.71 (0.68 to 0.75)."""
        if self.least == self.most:
            return f"{self.median:,.{digits}f}{unit}"
        return (
            f"{self.median:,.{digits}f}{unit} ({self.least:,.{digits}f} to {self.most:,.{digits}f})"
        )


def spread(values: list[float]) -> Spread:
    """Of numbers, one a round."""
    return Spread(median(values), min(values), max(values))


def by_round(seconds: Numbers) -> list[float]:
    """One number a round: the median of the turn."""
    return [median(turn) if isinstance(turn, list) else float(turn) for turn in seconds]


def ratio(mine: Numbers, others: Numbers) -> Spread:
    """Mine by the other's, within each round, and of these the median."""
    return spread([a / b for a, b in zip(by_round(mine), by_round(others), strict=True)])


def seconds_of(contestants: dict[str, Any], name: str) -> float:
    """A contestant's median over the rounds."""
    return median(by_round(contestants[name]["seconds"]))


def quickest(contestants: dict[str, Any], peer: str) -> str:
    """The quickest of a peer's ways, whose names all begin with its own."""
    return min(
        (name for name in contestants if name.startswith(peer)),
        key=lambda n: seconds_of(contestants, n),
    )


def against(contestants: dict[str, Any], peer: str) -> Spread:
    """Seconds of mlpcli by those of the peer's quickest way."""
    return ratio(
        contestants["mlpcli"]["seconds"], contestants[quickest(contestants, peer)]["seconds"]
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first are numbers."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
