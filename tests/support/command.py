"""The command in tests: how it is run, a run that is small, and rows for it to train on."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SMALL = ("--epochs", "2", "--hidden", "8")  # a run of milliseconds, where its score does not matter
EPOCH_LINE = re.compile(r"^ +(\d) +[\d.]+ +[\d.]+ +[\d.]+ %", re.MULTILINE)

Completed = subprocess.CompletedProcess[str]
Run = Callable[..., Completed]
Command = Callable[..., Any]  # returns an object with exit_code, stdout and stderr


def run_command(*words: str | Path, **options: object) -> Completed:
    """Run the real command in a process of its own."""
    command = [sys.executable, "-m", "mlpcli", *map(str, words)]
    settings = {"capture_output": True, "text": True, "timeout": 120} | options
    return subprocess.run(command, **settings)  # type: ignore[call-overload, no-any-return]


def epochs_shown(stderr: str) -> list[int]:
    """The epochs that have a line in the progress table."""
    return [int(number) for number in EPOCH_LINE.findall(stderr)]


def read_document(stdout: str) -> dict[str, Any]:
    """The one JSON document on stdout; NaN and Infinity are no JSON."""
    document: dict[str, Any] = json.loads(stdout, parse_constant=_refuse_constant)
    assert document["schema"] == 1
    return document


def _refuse_constant(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def folder_contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write_csv(
    path: Path, classes: Sequence[str] = ("a", "b"), rows: int = 60, features: int = 3
) -> Path:
    """Write rows around one centre for each class, the classes in turn; the label comes last."""
    rng = np.random.default_rng(0)
    lines = []
    for row in range(rows):
        k = row % len(classes)
        cells = [f"{value:.4f}" for value in rng.normal(k, 0.4, features)]
        label = classes[k].replace('"', '""')
        lines.append(",".join([*cells, f'"{label}"']))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
