"""Fixtures of all tests: a cache of their own, no settings of the machine, and the command."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mlpcli.cli.app import app
from mlpcli.rendering import console
from tests.support.cases import MNIST
from tests.support.child_coverage import ChildCoverage
from tests.support.command import SMALL, Command, Run, run_command
from tests.support.terminal import Terminal

SETTINGS = (
    "NO_COLOR",
    "FORCE_COLOR",
    "PY_COLORS",
    "GITHUB_ACTIONS",
    "COLUMNS",
    "LINES",
    "PYTHONUNBUFFERED",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
)


@pytest.fixture(autouse=True, scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests of a process, empty at first; tests of the cache set their own."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MLPCLI_CACHE"] = str(folder)
    for name in SETTINGS:
        os.environ.pop(name, None)
    return folder


@pytest.fixture(autouse=True, scope="session")
def interrupts() -> None:
    """Ctrl-C as a terminal has it, also if the tests run in the background of a shell."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def child_coverage() -> ChildCoverage:
    """Coverage of child processes: off but for the tests that ask for measure_children."""
    return ChildCoverage()


@pytest.fixture
def measure_children(child_coverage: ChildCoverage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the coverage of the processes that a test starts."""
    child_coverage.switch_on(monkeypatch)


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
    """Run the command in this process, in an empty folder: quicker than a process of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object, stdin: str | None = None) -> Any:
        result = CliRunner().invoke(app, list(map(str, words)), input=stdin)
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception  # a traceback is a bug
        return result

    return run


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Path:
    """The run folder of a small run on digits; for reading only."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    result = CliRunner().invoke(app, ["train", *SMALL, "--quiet", "--out", str(folder)])
    assert result.exit_code == 0
    return folder


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make a console as on a terminal of so many columns."""

    def make(columns: int = 80) -> Console:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(columns))
        return console.console()

    return make
