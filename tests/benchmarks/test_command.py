"""The benchmarks of whole processes measure mlpcli's command."""

import sys
from pathlib import Path

import pytest

from benchmarks import command, process_monitor
from benchmarks.inputs import write_random_rows

LINUX = sys.platform == "linux"
MIB = 2**20
OURS = [command.OURS]


def test_the_command_to_98_percent(images: Path, tmp_path: Path) -> None:
    runs = command.measure_to98(images, OURS, tmp_path, n_rounds=1)
    assert list(runs) == ["mlpcli"]
    (seconds,) = runs["mlpcli"].seconds
    (accuracy,) = runs["mlpcli"].accuracy
    assert seconds > 0
    assert 0 <= accuracy <= 1


def test_the_start_and_the_memory(images: Path, tmp_path: Path) -> None:
    starts = command.measure_start(images, OURS, tmp_path, n_rounds=1)
    (seconds,) = starts["mlpcli"].seconds
    (peak,) = starts["mlpcli"].peak
    assert seconds > 0
    if LINUX:
        assert peak > MIB
    else:
        assert peak == 0


def test_digits(tmp_path: Path) -> None:
    digits = command.measure_digits(tmp_path, n_rounds=1, epochs=1)
    (seconds,) = digits.seconds
    (epochs,) = digits.epochs
    (imports,) = digits.imports
    assert 0 < epochs < seconds
    assert imports > 0


def test_many_rows(tmp_path: Path) -> None:
    file = write_random_rows(300, tmp_path / "rows.npz")
    million = command.measure_million(file, tmp_path)
    assert million.file == file.stat().st_size
    assert million.seconds > 0


@pytest.mark.skipif(not LINUX, reason="the memory is measured on Linux alone")
def test_the_memory_of_a_child_counts() -> None:
    child = f"x = b'x' * {100 * MIB}; import time; time.sleep(0.2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    record = process_monitor.run([sys.executable, "-c", parent], memory=True)
    assert record.peak > 100 * MIB
