"""`python -m benchmarks.bench`: its sections, and what it prints."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks import bench
from benchmarks.results import Million, Results


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, words)])
    bench.main()


def test_every_section_has_its_place_in_the_results(tmp_path: Path) -> None:
    args = argparse.Namespace(mnist=tmp_path, quick=True, rounds=1, epochs=None)
    assert tuple(bench.sections(args, tmp_path)) == bench.SECTIONS
    assert {field.name for field in fields(Results)} == {
        "date",
        "machine",
        "versions",
        *bench.SECTIONS,
    }


def test_chosen_sections_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = {"million": lambda: Million(seconds=1.5, peak=3 << 20, file=2 << 20)}
    monkeypatch.setattr(bench, "sections", lambda args, folder: sections)
    call(monkeypatch, "--mnist", tmp_path, "--only", "million")
    assert "| 2 | 3 | 1.5 |" in capsys.readouterr().out


def test_a_missing_folder_of_mnist_is_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        call(monkeypatch, "--quick", "--mnist", tmp_path / "absent")
    assert "there is no such folder" in capsys.readouterr().err
