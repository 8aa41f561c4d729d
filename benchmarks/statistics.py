"""Medians, spreads and ratios of what was measured in rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.results import Measurements


@dataclass(frozen=True)
class Spread:
    """The median, the smallest and the largest of some numbers."""

    median: float
    smallest: float
    largest: float

    def text(self, digits: int = 2) -> str:
        """The spread in a table: '0.71 (0.68 to 0.75)', or '0.71' if all numbers are equal."""
        middle = f"{self.median:,.{digits}f}"
        if self.smallest == self.largest:
            return middle
        return f"{middle} ({self.smallest:,.{digits}f} to {self.largest:,.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """The spread of some numbers, one a round."""
    return Spread(median(values), min(values), max(values))


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """The spread of the ratios, each taken within one round."""
    ratios = []
    for numerator, denominator in zip(numerators, denominators, strict=True):
        ratios.append(numerator / denominator)
    return spread(ratios)


def fastest(subjects: Measurements, library: str) -> str:
    """The fastest of a library's subjects, whose names all begin with the library's."""
    names = [name for name in subjects if name.startswith(library)]
    return min(names, key=lambda name: median(subjects[name].by_round))


def relative_time(subjects: Measurements, library: str) -> Spread:
    """The time of mlpcli as a multiple of the library's fastest subject."""
    other = subjects[fastest(subjects, library)]
    return ratio(subjects["mlpcli"].by_round, other.by_round)
