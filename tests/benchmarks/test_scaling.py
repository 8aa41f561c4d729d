"""The benchmark of scaling measures mlpcli on each axis."""

from pathlib import Path

from benchmarks import scaling
from benchmarks.scaling import Grid


def test_every_axis_that_has_values_is_measured(images: Path, tmp_path: Path) -> None:
    grid = Grid(n_rows=[150], hidden=[4], batch_size=[], threads=[], default_rows=200)
    points = scaling.measure(images, tmp_path, n_rounds=1, grid=grid)
    by_rows, by_hidden = points
    assert (by_rows.axis, by_rows.value, by_rows.n_rows) == ("rows", 150, 150)
    assert (by_hidden.axis, by_hidden.value, by_hidden.n_rows) == ("hidden units", 4, 200)
    for point in points:
        (round_seconds,) = point.measurement.seconds
        assert len(round_seconds) == 1
