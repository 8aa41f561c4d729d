"""What every test stands on: a cache of its own, and no settings from the machine it runs on."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpcli.cli.app import app

SMALL = (
    "--epochs",
    "2",
    "--hidden",
    "8",
)  # a run of a few milliseconds, for what does not ask how good it is
MNIST = Path(__file__).parents[2] / "shared" / "data" / "mnist"

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Command = Callable[..., Any]  # answers with exit_code, stdout and stderr


@pytest.fixture(autouse=True, scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole test run, empty at its start; tests of the cache itself set their own."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MLPCLI_CACHE"] = str(folder)
    for name in (
        "NO_COLOR",
        "FORCE_COLOR",
        "PY_COLORS",
        "GITHUB_ACTIONS",
        "COLUMNS",
        "LINES",
        "PYTHONUNBUFFERED",
    ):
        os.environ.pop(name, None)
    return folder


def children() -> set[int]:
    """The ids of this process's children, with those that have ended and were not waited for."""
    return set(
        map(
            int, Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
        )
    )


def run_command(*words: str | Path, **options: object) -> "subprocess.CompletedProcess[str]":
    """Run the real command in a process of its own."""
    command = [sys.executable, "-m", "mlpcli", *map(str, words)]
    settings = {"capture_output": True, "text": True, "timeout": 120} | options
    return subprocess.run(command, **settings)  # type: ignore[call-overload]


@pytest.fixture
def mlpcli(tmp_path: Path) -> Run:
    """Run the real command in an empty folder."""
    return partial(run_command, cwd=tmp_path)


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder with MNIST's own files, where this machine has them."""
    if not MNIST.is_dir():
        pytest.skip("MNIST's files are not on this machine")
    return MNIST


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in this process, in an empty folder: quicker, where nothing asks for a process of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Any:
        result = CliRunner().invoke(app, list(map(str, words)))
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception  # a traceback is a bug
        return result

    return run


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Path:
    """The run folder of a small run on digits; for reading only."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    assert (
        CliRunner().invoke(app, ["train", *SMALL, "--quiet", "--out", str(folder)]).exit_code == 0
    )
    return folder


def write_csv(
    path: Path, classes: Sequence[str] = ("a", "b"), rows: int = 60, features: int = 3
) -> Path:
    """Write rows around one centre for each class, those of the classes in turn; the label comes last."""
    stream = np.random.default_rng(0)
    lines = []
    for row in range(rows):
        k = row % len(classes)
        cells = [f"{value:.4f}" for value in stream.normal(k, 0.4, features)]
        lines.append(",".join([*cells, '"' + classes[k].replace('"', '""') + '"']))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
