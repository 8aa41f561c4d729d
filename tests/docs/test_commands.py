"""Every command of every page runs as it is written there."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlpcli.datasets import cache
from mlpcli.datasets.table import checked_table
from tests.support.command import run_command
from tests.support.pages import PAGES, ROOT, commands, name_of

README = ROOT / "README.md"
WITH_COMMANDS = [page for page in PAGES if commands(page)]
WRONG = "homework_as_printed.py"  # whose gradients are wrong
OTHERS = {  # commands that neither mlpcli nor make runs
    "pip install pre-commit",
    "pre-commit install",
}


@pytest.fixture
def newcomer(tmp_path: Path, cache_folder: Path) -> Iterator[Path]:
    """A folder as a reader has it; the cache holds small stand-ins for what OpenML would send."""
    from sklearn.datasets import load_wine

    for name in ("configs", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    write_iris(tmp_path / "iris.csv")
    wine = load_wine()
    pixels = np.random.default_rng(0).integers(0, 256, (10_200, 784)).astype(np.uint8)
    cache.store("openml-mnist_784@1", checked_table("mnist", pixels, np.arange(10_200) % 10))
    cache.store("openml-wine@1", checked_table("wine", wine.data, wine.target))
    yield tmp_path
    (cache_folder / "openml-mnist_784@1.npz").unlink()
    (cache_folder / "openml-wine@1.npz").unlink()


def write_iris(path: Path) -> None:
    from sklearn.datasets import load_iris

    iris = load_iris()
    lines = ["a,b,c,d,species"]
    for row, k in zip(iris.data, iris.target, strict=True):
        lines.append(",".join([*map(str, row), iris.target_names[k]]))
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_every_mlpcli_command_of_a_page_runs(page: Path, newcomer: Path) -> None:
    for command in commands(page):
        if command.startswith("mlpcli "):
            done = run_command(*shlex.split(command)[1:], cwd=newcomer)
            expected = 1 if WRONG in command else 0
            assert done.returncode == expected, (command, done.stderr)
            assert done.stdout.strip() or ("predict" in command and "--out" in command), command
        elif "| mlpcli " in command:
            check_pipe(command, newcomer)


def check_pipe(command: str, folder: Path) -> None:
    """A file that is piped into mlpcli."""
    show, words = (shlex.split(part) for part in command.split("|"))
    assert show[0] == "cat", command
    rows = (folder / show[1]).read_text(encoding="utf-8")
    done = run_command(*words[1:], cwd=folder, input=rows)
    assert (done.returncode, bool(done.stdout)) == (0, True), (command, done.stderr)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_every_other_command_of_a_page_can_be_run(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command)
        if words[0] == "make":
            check_make(words)
        elif words[:3] == [".venv/bin/python", "-m", "pytest"]:
            check_selection(words[3:])
        else:
            is_run = words[0] == "mlpcli" or "| mlpcli " in command
            assert is_run or command in OTHERS, command


def check_make(words: list[str]) -> None:
    done = subprocess.run(
        [*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (words, done.stderr)


def check_selection(words: list[str]) -> None:
    """The files of tests that a command names are there."""
    for word in words:
        if word.startswith("tests"):
            assert (ROOT / word).exists(), word


def test_the_readme_begins_with_two_commands_that_the_gate_runs() -> None:
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    first = commands(README)[:2]
    assert first == ["make train", "make test"]
    assert set(first) <= set(gate)


def test_the_readme_is_at_most_200_lines() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (declared,) = [part for part in makefile.split("\n\n") if part.startswith(".PHONY:")]
    targets = declared.replace("\\\n", " ").split()[1:]
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"},
        capture_output=True,
        text=True,
        check=True,
    )
    listed = [line.split()[1] for line in done.stdout.splitlines()]
    assert sorted(listed) == sorted(targets)
