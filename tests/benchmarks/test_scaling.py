"""The benchmark of scaling measures mlpcli on each axis."""

from pathlib import Path

from benchmarks import scaling
from benchmarks.scaling import Grid


def test_every_axis_that_has_values_is_measured(images: Path, tmp_path: Path) -> None:
    grid = Grid(n_rows=[150], hidden=[4], batch_size=[], threads=[], default_rows=200)
    points = scaling.measure(images, tmp_path, n_rounds=1, grid=grid)
    assert [(point.axis, point.value, point.n_rows) for point in points] == [
        ("rows", 150, 150),
        ("hidden units", 4, 200),
    ]
    for point in points:
        assert [len(seconds) for seconds in point.measurement.seconds] == [1]
