"""What is measured, as results.json holds it: every time and size, not only their medians."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

PATH = Path(__file__).parent / "results.json"


@dataclass(frozen=True)
class Measurement:
    """The times of one subject: for each round, the seconds of each epoch or pass.

    `about` names the matrix kernels and threads; loss and accuracy are of the validation rows.
    """

    seconds: list[list[float]]
    warm_up: list[float]
    about: str
    loss: float | None = None
    accuracy: float | None = None

    @property
    def by_round(self) -> list[float]:
        """The median seconds of each round."""
        return [median(seconds) for seconds in self.seconds]


Measurements = dict[str, Measurement]  # by the name of the subject


@dataclass(frozen=True)
class EpochCase:
    """The epochs of one network with one optimizer; `shape` is D-H-K."""

    shape: str
    n_rows: int
    n_validation: int
    batch_size: int
    optimizer: str
    lr: float
    dropout: float
    subjects: Measurements


@dataclass(frozen=True)
class CommandRun:
    """The seconds from the command to its end, and the test accuracy, once a round."""

    seconds: list[float]
    accuracy: list[float]


@dataclass(frozen=True)
class Start:
    """The seconds until the first minibatch, once a round, and the peak memory in bytes."""

    seconds: list[float]
    peak: list[int]


@dataclass(frozen=True)
class Digits:
    """The seconds of the whole process, of its epochs, and of the bare imports, once a round."""

    seconds: list[float]
    epochs: list[float]
    imports: list[float]


@dataclass(frozen=True)
class ScoringCase:
    """Passes over so many rows."""

    n_rows: int
    subjects: Measurements


@dataclass(frozen=True)
class ScalingPoint:
    """The epochs of mlpcli where `axis` has this value."""

    axis: str
    value: int
    n_rows: int
    measurement: Measurement


@dataclass(frozen=True)
class Million:
    """One epoch over a million rows: seconds, and the bytes of its peak memory and of the file."""

    seconds: float
    peak: int
    file: int


@dataclass(frozen=True)
class Results:
    """Everything that was measured; a section that was not is None."""

    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    epochs: list[EpochCase] | None = None
    to98: dict[str, CommandRun] | None = None
    start: dict[str, Start] | None = None
    digits: Digits | None = None
    scoring: list[ScoringCase] | None = None
    scaling: list[ScalingPoint] | None = None
    million: Million | None = None


def read(path: Path = PATH) -> Results:
    """The results in a JSON file; raises pydantic's ValidationError if it has another form."""
    from pydantic import TypeAdapter

    return TypeAdapter(Results).validate_json(path.read_bytes())


def write(results: Results, path: Path = PATH) -> None:
    """Write the results as JSON."""
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")
