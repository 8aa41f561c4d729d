"""The help: everything is in it, and it imports no more than a bare command line does."""

import json
import subprocess
import sys

import pytest
from typer.main import get_command

from mlpcli.cli.app import app
from tests.support.command import SMALL, Command

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
PROMISED = {
    "train": [
        "--data",
        "--hidden",
        "--dropout",
        "--epochs",
        "--batch-size",
        "--lr",
        "--optimizer",
        "--seed",
        "--threads",
        "--set",
        "--out",
        "--resume",
        "--overwrite",
        "--json",
        "--quiet",
        "--dry-run",
    ],
    "eval": ["--data", "--split", "--min-accuracy", "--json"],
    "gradcheck": [
        "--data",
        "--impl",
        "--timeout",
        "--activation",
        "--seed",
        "--self-test",
        "--json",
    ],
}
OPTIONAL = {  # what only some commands need, or only the first start
    "sklearn",
    "scipy",
    "joblib",
    "optuna",
    "mpi4py",
    "onnx",
    "matplotlib",
    "pandas",
    "pyarrow",
}
HEAVY = OPTIONAL | {
    "numpy",
    "tomli_w",
    "pydantic",
    "rich.progress",
    "rich.live",
    "mlpcli.config",
    "filelock",
    "mlpcli.commands.train",
    "mlpcli.commands.plan",
}
SCRIPT = """
import json, sys
from mlpcli.cli.app import main
try:
    main()
finally:
    print(json.dumps(list(sys.modules)), file=sys.stderr)
"""


def run_and_list_modules(*words: str) -> tuple[str, set[str]]:
    """Run the command in a process of its own; returns stdout and the modules it imported."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False
    )
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["eval", "--help"], ["--version"], []]
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    stdout, modules = run_and_list_modules(*words)
    assert ("Usage: " in stdout) == (words != ["--version"])
    assert modules & HEAVY == set()
    assert [name for name in modules if name.startswith("mlpcli.rendering")] == []


@pytest.mark.usefixtures("digits_run")  # which puts digits into the cache
def test_a_start_with_cached_data_imports_nothing_optional() -> None:
    stdout, modules = run_and_list_modules("train", *SMALL, "--dry-run")
    assert "parameters" in stdout
    assert modules & OPTIONAL == set()


def test_every_command_is_in_the_help(command: Command) -> None:
    text = command("--help").stdout
    assert set(PROMISED) <= set(COMMANDS)
    for name in (*COMMANDS, "--version", "--help"):
        assert name in text
    for entry in COMMANDS.values():
        assert str(entry.help).split(":")[0] in text


@pytest.mark.parametrize("name", PROMISED)
def test_every_flag_is_in_the_help_of_its_command(name: str, command: Command) -> None:
    done = command(name, "--help")
    assert done.exit_code == 0
    for flag in (*PROMISED[name], "--help"):
        assert f" {flag} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_has_a_help_text(name: str) -> None:
    parameters = COMMANDS[name].params
    assert parameters
    assert [parameter.name for parameter in parameters if not parameter.help] == []


def test_without_a_word_the_help_is_shown(command: Command) -> None:
    assert "Usage: " in command().stdout
    assert command().exit_code == 2
