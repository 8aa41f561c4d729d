"""The help: everything is in it, and it costs no more than a bare command line."""

import json
import subprocess
import sys

import pytest
from typer.main import get_command

from mlpcli.cli.app import app
from tests.support.command import Command

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
PROMISED = {
    "train": [
        *(
            "--data",
            "--hidden",
            "--dropout",
            "--epochs",
            "--batch-size",
            "--lr",
            "--optimizer",
            "--seed",
            "--threads",
        ),
        *("--set", "--out", "--resume", "--overwrite", "--json", "--quiet", "--dry-run"),
    ],
    "eval": ["--data", "--split", "--min-accuracy", "--json"],
}
HEAVY = (
    "numpy",
    "sklearn",
    "scipy",
    "tomli_w",
    "pydantic",
    "rich.progress",
    "rich.live",
    "mlpcli.config",
    "filelock",
    "mlpcli.commands.train",
    "mlpcli.commands.plan",
)
SCRIPT = """
import json, sys
from mlpcli.cli.app import main
try:
    main()
finally:
    print(json.dumps(list(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["eval", "--help"], ["--version"], []]
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False
    )
    modules = json.loads(done.stderr.splitlines()[-1])
    assert ("Usage: " in done.stdout) == (words != ["--version"])
    assert [name for name in modules if name in HEAVY or name.startswith("mlpcli.rendering")] == []


def test_every_command_is_in_the_help(command: Command) -> None:
    text = command("--help").stdout
    assert set(PROMISED) <= set(COMMANDS)
    assert all(name in text for name in (*COMMANDS, "--version", "--help"))
    assert all(str(entry.help).split(":")[0] in text for entry in COMMANDS.values())


@pytest.mark.parametrize("name", PROMISED)
def test_every_flag_is_in_the_help_of_its_command(name: str, command: Command) -> None:
    done = command(name, "--help")
    assert done.exit_code == 0
    assert all(f" {flag} " in done.stdout for flag in PROMISED[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_says_what_it_is(name: str) -> None:
    parameters = COMMANDS[name].params
    assert parameters
    assert [parameter.name for parameter in parameters if not parameter.help] == []


def test_without_a_word_the_help_is_shown(command: Command) -> None:
    assert "Usage: " in command().stdout
    assert command().exit_code == 2
