"""How the time of mlpcli's epoch scales with rows, hidden units, minibatch and threads."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.harness import Subject, rounds, started
from benchmarks.inputs import write_first_rows
from benchmarks.peers.protocol import Settings, notify
from benchmarks.results import ScalingPoint


@dataclass(frozen=True)
class Grid:
    """The values that are measured on each axis, and the number of rows on the other axes."""

    n_rows: Sequence[int] = (7_500, 15_000, 30_000, 60_000)
    hidden: Sequence[int] = (128, 256, 512, 1024, 2048)
    batch_size: Sequence[int] = (16, 32, 64, 128, 256, 512)
    threads: Sequence[int] = (1, 2)
    default_rows: int = 15_000


@dataclass(frozen=True)
class _Point:
    """One value of an axis: what is trained, and the environment of its process."""

    value: int
    n_rows: int
    settings: Settings
    environment: dict[str, str] = field(default_factory=dict)


def measure(mnist: Path, folder: Path, n_rounds: int, grid: Grid) -> list[ScalingPoint]:
    """Measure one axis after another, in `n_rounds` rounds.

    What is not on the axis is 784-512-10, minibatches of 128, and the grid's default rows.
    """
    found = []
    for axis, points in _axes(mnist, folder, grid).items():
        if points:
            notify(f"scaling with {axis}")
            found += _measure_axis(axis, points, folder, n_rounds)
    return found


def _axes(mnist: Path, folder: Path, grid: Grid) -> dict[str, list[_Point]]:
    """The points of each axis, by the name of the axis."""
    n = grid.default_rows
    default = _settings(mnist, folder, n)
    by_rows = [_Point(N, N, _settings(mnist, folder, N)) for N in grid.n_rows]
    by_hidden = [_Point(H, n, replace(default, hidden=H)) for H in grid.hidden]
    by_batch = [_Point(B, n, replace(default, batch_size=B)) for B in grid.batch_size]
    by_threads = [_Point(t, n, default, {"OPENBLAS_NUM_THREADS": str(t)}) for t in grid.threads]
    return {
        "rows": by_rows,
        "hidden units": by_hidden,
        "rows in a minibatch": by_batch,
        "threads": by_threads,
    }


def _settings(mnist: Path, folder: Path, n_rows: int) -> Settings:
    path = write_first_rows(mnist, n_rows, folder)
    return Settings(str(path), 512, 128, "momentum", 0.05)


def _measure_axis(
    axis: str, points: Sequence[_Point], folder: Path, n_rounds: int
) -> list[ScalingPoint]:
    with started([_subject(axis, point, folder) for point in points]) as processes:
        measurements = rounds(processes, n_rounds, count=1)
    found = []
    for point in points:
        measurement = measurements[str(point.value)]
        found.append(ScalingPoint(axis, point.value, point.n_rows, measurement))
    return found


def _subject(axis: str, point: _Point, folder: Path) -> Subject:
    scratch = folder / f"scaling-{axis}-{point.value}"
    return Subject(
        name=str(point.value),
        module="peers.mlpcli_",
        arguments=("-", point.settings.text(), scratch),
        environment=point.environment,
    )
