"""What every test stands on: a cache of its own, and no settings from the machine it runs on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MNIST = Path(__file__).parents[2] / "shared" / "data" / "mnist"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True, scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole test run, empty at its start; tests of the cache itself set their own."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MLPCLI_CACHE"] = str(folder)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        os.environ.pop(name, None)
    return folder


@pytest.fixture
def mlpcli(tmp_path: Path) -> Run:
    """Run the real command in a process of its own, in an empty folder."""

    def run(*words: str | Path, **options: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "mlpcli", *map(str, words)]
        settings = {"capture_output": True, "text": True, "cwd": tmp_path, "timeout": 120} | options
        return subprocess.run(command, **settings)  # type: ignore[call-overload]

    return run


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder with MNIST's own files, where this machine has them."""
    if not MNIST.is_dir():
        pytest.skip("MNIST's files are not on this machine")
    return MNIST
