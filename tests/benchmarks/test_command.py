"""The benchmarks of whole processes measure mlpcli's command."""

import sys
from pathlib import Path

import pytest

from benchmarks import command, process_monitor
from benchmarks.inputs import write_random_rows

LINUX = sys.platform == "linux"
OURS = [command.OURS]


def test_the_command_to_98_percent(images: Path, tmp_path: Path) -> None:
    runs = command.measure_to98(images, OURS, tmp_path, n_rounds=1)
    assert list(runs) == ["mlpcli"]
    assert runs["mlpcli"].seconds[0] > 0
    assert 0 <= runs["mlpcli"].accuracy[0] <= 1


def test_the_start_and_the_memory(images: Path, tmp_path: Path) -> None:
    starts = command.measure_start(images, OURS, tmp_path, n_rounds=1)
    assert starts["mlpcli"].seconds[0] > 0
    assert (starts["mlpcli"].peak[0] > 2**20) == LINUX


def test_digits(tmp_path: Path) -> None:
    digits = command.measure_digits(tmp_path, n_rounds=1, epochs=1)
    assert 0 < digits.epochs[0] < digits.seconds[0]
    assert digits.imports[0] > 0


def test_many_rows(tmp_path: Path) -> None:
    file = write_random_rows(300, tmp_path / "rows.npz")
    million = command.measure_million(file, tmp_path)
    assert million.file == file.stat().st_size
    assert million.seconds > 0


@pytest.mark.skipif(not LINUX, reason="only Linux tells the memory of a process")
def test_the_memory_of_a_child_counts() -> None:
    child = "x = b'x' * (100 << 20); import time; time.sleep(0.2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    record = process_monitor.run([sys.executable, "-c", parent], memory=True)
    assert record.peak > 100 << 20
