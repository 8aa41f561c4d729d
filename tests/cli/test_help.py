"""The help: everything is in it, and it imports no more than a bare command line does."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from typer.main import get_command
from typer.testing import CliRunner

from mlpcli.cli import completion
from mlpcli.cli.app import app
from mlpcli.cli.usage import HELP_PANEL
from mlpcli.config import LEARNING_RATES, Config, choices, flat
from tests.support.command import SMALL, Command

pytestmark = pytest.mark.usefixtures("measure_children")

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
PROMISED = {
    "train": [
        "--data",
        "--target",
        "--hidden",
        "--activation",
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
    "eval": ["--data", "--split", "--weighted", "--min-accuracy", "--json"],
    "predict": ["--out", "--format", "--id", "--no-probabilities", "--skip-bad"],
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
    "words",
    [
        ["--help"],
        ["-h"],
        ["train", "--help"],
        ["train", "-h"],
        ["eval", "--help"],
        ["predict", "--help"],
        ["gradcheck", "--help"],
        ["--version"],
        [],
    ],
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


@pytest.mark.parametrize("words", [[], ["train"], ["eval"], ["predict"], ["gradcheck"]])
def test_h_is_help(words: list[str], command: Command) -> None:
    short = command(*words, "-h")
    assert (short.exit_code, short.stderr) == (0, "")
    assert short.stdout == command(*words, "--help").stdout


# What the help says


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("words", [[], ["train"], ["eval"], ["predict"], ["gradcheck"]])
def test_no_switch_has_a_type_and_no_line_is_too_long(
    words: list[str], width: int, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", width)
    text = command(*words, "--help").stdout
    assert "bool" not in text
    assert "--help" in text
    assert max(map(cell_len, text.splitlines())) <= width


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_are_in_groups(name: str, command: Command) -> None:
    panels = re.findall(r"^╭─ (.+?) ─+╮$", command(name, "--help").stdout, re.MULTILINE)
    assert panels[0] == "Arguments"
    assert panels[-1] == HELP_PANEL
    assert "Options" not in panels
    assert len(set(panels)) == len(panels) >= 3


KEYS = {  # of the flags whose default is the configuration's
    "data": "data.source",
    "hidden": "network.hidden",
    "activation": "network.activation",
    "dropout": "network.dropout",
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "optimizer": "optimizer.name",
    "seed": "seed",
}
IN_WORDS = {"target": "the last one", "threads": "all", "config": "none"}


def default_of(parameter: Any) -> str:
    found = re.search(r"Default: ([^;]*)\.$", parameter.help)
    assert found, parameter.help
    return found[1]


def test_the_defaults_of_train_are_those_of_the_configuration() -> None:
    config = flat(Config())
    parameters = {parameter.name: parameter for parameter in COMMANDS["train"].params}
    for name, key in KEYS.items():
        assert default_of(parameters[name]) == str(config[key])
    for name, words in IN_WORDS.items():
        assert default_of(parameters[name]) == words
    rates = ", ".join(f"{rule} {rate}" for rule, rate in LEARNING_RATES.items())
    assert default_of(parameters["lr"]) == rates
    assert config["data.target"] == ""
    assert config["training.threads"] == 0


def test_every_flag_with_a_value_says_its_default() -> None:
    without = {"overrides", "resume", "impl", "model", "rows", "ids"}  # which are given or not
    for entry in COMMANDS.values():
        for parameter in entry.params:
            if not getattr(parameter, "is_flag", False) and parameter.name not in without:
                assert "Default: " in str(parameter.help), parameter.name


def test_the_names_of_choices_are_those_of_the_configuration() -> None:
    parameters = {parameter.name: parameter for parameter in COMMANDS["train"].params}
    assert choices("network.activation") == completion.ACTIVATIONS
    assert choices("optimizer.name") == completion.OPTIMIZERS
    for name, names in (
        ("activation", completion.ACTIVATIONS),
        ("optimizer", completion.OPTIMIZERS),
    ):
        assert parameters[name].help.startswith(f"{', '.join(names[:-1])} or {names[-1]}. ")


def examples_of(text: str) -> list[list[str]]:
    """The words after `mlpcli` of each example; what is piped into it is not among them."""
    lines = text[text.index("Examples:") :].splitlines()[1:]
    return [shlex.split(line.partition("mlpcli ")[2]) for line in lines if line.strip()]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_there_are_two_examples_at_least_and_none_is_broken(name: str, command: Command) -> None:
    examples = examples_of(command(*name.split(), "--help").stdout)
    assert len(examples) >= 2
    assert all(words[0] == name for words in examples if name)


def test_the_examples_run(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lengths = rng.normal(size=60)
    rows = [f"{length:.3f},1.5,{'long' if length > 0 else 'short'}" for length in lengths]
    text = "\n".join(["length,width,species", *rows, ""])
    (tmp_path / "iris.csv").write_text(text, encoding="utf-8")
    named = "\n".join(["name,length,width,species", *(f"n,{row}" for row in rows), ""])
    (tmp_path / "new.csv").write_text(named, encoding="utf-8")
    homework = "def backward(x, y, r, W1, b1, W2, b2):\n    return {'z': None}\n"
    (tmp_path / "homework.py").write_text(homework, encoding="utf-8")
    quick = ("--epochs", "2", "--hidden", "4")
    first = ("--data", "iris.csv", "--set", "data.validation=0.1", "--out", "runs/first")
    assert command("train", *first, *quick).exit_code == 0
    for name in ("", *COMMANDS):
        for words in examples_of(command(*name.split(), "--help").stdout):
            more = quick if words[0] == "train" and "--resume" not in words else ()
            if words[0] == "gradcheck" and "--impl" not in words:
                continue  # a check of half a minute, which tests/cli/test_gradcheck.py makes
            piped = named if "-" in words else None
            done = command(*words, *more, stdin=piped)
            expected = {2} if "homework.py" in words else {0, 1}
            assert done.exit_code in expected, (words, done.stderr)


# Shell completion


def completed(*words: str) -> list[str]:
    """What bash would offer for the last of these words."""
    environment = os.environ | {
        "_MLPCLI_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["mlpcli", *words]),
        "COMP_CWORD": str(len(words)),
    }
    code = "import sys; sys.argv = ['mlpcli']; from mlpcli.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("", "train predict eval gradcheck"),
        ("predict run new.csv --format j", "jsonl"),
        ("tr", "train"),
        ("train --ep", "--epochs"),
        ("train --optimizer m", "momentum"),
        ("train --activation l", "logistic"),
        ("train --data di", "digits"),
        ("train --data rows", ""),
        ("train --set network.d", "network.dropout="),
        ("train --set training.", "training.epochs= training.batch_size= "
         "training.checkpoint_seconds= training.threads= training.label_smoothing= "
         "training.class_weight= training.patience="),
        ("eval run --split v", "validation"),
        ("gradcheck --activation t", "tanh"),
        ("gradcheck --s", "--seed --self-test"),
    ],
)  # fmt: skip
def test_a_shell_completes_words(words: str, offered: str) -> None:
    assert completed(*(words.split(" "))) == offered.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_shown(
    shell: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer._completion_shared._get_shell_name", lambda: shell)
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    done = CliRunner().invoke(app, ["--show-completion"], prog_name="mlpcli")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "_MLPCLI_COMPLETE=" in done.stdout
