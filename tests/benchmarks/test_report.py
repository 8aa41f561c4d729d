"""RESULTS.md and epochs.svg come from results.json."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import plot, report, results
from benchmarks.results import CommandRun, EpochCase, Measurement, Results, ScoringCase, Start
from benchmarks.targets import targets


def measurement(seconds: float) -> Measurement:
    return Measurement([[seconds, seconds]], [1.0], "a library of matrix products")


def epoch_case(**seconds: float) -> EpochCase:
    subjects = {name: measurement(time) for name, time in seconds.items()}
    return EpochCase("784-512-10", 90, 10, 32, "adam", 0.001, 0.5, subjects)


def small_results(*cases: EpochCase) -> Results:
    machine = {"processor": "a processor", "cores": "2", "memory": "1 GiB", "system": "Linux"}
    return Results("2000-01-01", machine, {"python": "3.11"}, epochs=list(cases))


def test_the_page_is_what_the_results_give() -> None:
    page = report.PATH.read_text(encoding="utf-8")
    assert page == report.render(results.read())


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = results.read()
    path = tmp_path / "results.json"
    results.write(written, path)
    assert results.read(path) == written


def test_a_ratio_is_mlpclis_time_by_the_others() -> None:
    (target,) = targets(small_results(epoch_case(mlpcli=0.3, JAX=0.2)))
    assert target.measured.median == pytest.approx(1.5)
    assert not target.met


def test_a_library_is_compared_by_its_fastest_subject() -> None:
    case = epoch_case(mlpcli=0.3, JAX=0.2)
    case.subjects["JAX on one core"] = measurement(0.1)
    (target,) = targets(small_results(case))
    assert target.measured.median == pytest.approx(3)


def test_mlpcli_alone_gives_a_page_without_ratios() -> None:
    run = CommandRun(seconds=[1.6], accuracy=[0.98])
    start = Start(seconds=[0.4], peak=[1000])
    scoring = ScoringCase(300, {"mlpcli": measurement(0.1)})
    alone = replace(
        small_results(epoch_case(mlpcli=0.3)),
        to98={"mlpcli": run},
        start={"mlpcli": start},
        scoring=[scoring],
    )
    assert list(targets(alone)) == []
    assert "| mlpcli | 300.0 | 1 |" in report.render(alone)


def test_the_plot_is_drawn_also_where_a_library_was_left_out(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    case = epoch_case(mlpcli=0.3, JAX=0.2)
    other = replace(case, optimizer="momentum")
    path = tmp_path / "plot.svg"
    plot.draw([case, other], path)
    assert "<svg" in path.read_text(encoding="utf-8")
