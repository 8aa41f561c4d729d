"""Words that the command line does not know: what was probably meant is said."""

import re

import pytest
from typer.main import get_command

from mlpcli.cli.app import app
from mlpcli.cli.usage import ALIASES, COMMANDS, OF_COMMAND, meant_command, meant_flag
from mlpcli.config import every_key
from tests.support.command import Command, read_document

GROUP = get_command(app)
FLAGS = {
    name: [flag for parameter in command.params for flag in parameter.opts]
    for name, command in GROUP.commands.items()  # type: ignore[attr-defined]
}
ALL_FLAGS = {flag for flags in FLAGS.values() for flag in flags} | {"--version", "--help"}


def usage_error(command: Command, *words: str) -> str:
    """The error of such a command line, on one line."""
    done = command(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: " in done.stderr
    inside = [line.strip("│ ") for line in done.stderr.splitlines() if line.startswith("│")]
    return " ".join(inside)


# Flags


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("train --learning-rate 0.1", "--lr"),
        ("train --learning_rate=0.1", "--lr"),
        ("train --LR 0.1", "--lr"),
        ("train --hidden-units 64", "--hidden"),
        ("train --batchsize 64", "--batch-size"),
        ("train --batch_size 64", "--batch-size"),
        ("train --n-epochs 3", "--epochs"),
        ("train --optimiser adam", "--optimizer"),
        ("train --label species", "--target"),
        ("train --random-state 1", "--seed"),
        ("train --n-jobs 2", "--threads"),
        ("train -o runs/x", "--out"),
        ("train --force", "--overwrite"),
        ("train --test rows.csv", "--set data.test=VALUE"),
        ("train --max-norm 4", "--set network.max_norm=VALUE"),
        ("train --l2 0.1", "--set network.l2=VALUE"),
        ("train --mommentum 0.9", "--set optimizer.momentum=VALUE"),
        ("train --early-stopping", "--set training.patience=EPOCHS"),
        ("train --config digits.toml", "CONFIG.toml without a flag"),
        ("eval run --test", "--split test"),
        ("eval run --Validation", "--split validation"),
        ("eval run --threshold 0.9", "--min-accuracy"),
        ("gradcheck --file backward.py", "--impl"),
        ("-v", "--version"),
        ("--Version", "--version"),
    ],
)
def test_an_unknown_flag_gets_a_hint(words: str, meant: str, command: Command) -> None:
    flag = re.search(r"-[\w-]+", words)
    assert flag
    error = usage_error(command, *words.split())
    assert error == f"No such option: {flag[0]}. Did you mean {meant}?"


@pytest.mark.parametrize("words", ["train --verbose", "train --gpu", "train -x", "eval r --l2 3"])
def test_a_flag_that_is_like_no_other_gets_no_hint(words: str, command: Command) -> None:
    error = usage_error(command, *words.split())
    assert re.fullmatch(r"No such option: -[-\w]+\.", error)


@pytest.mark.parametrize(
    ("flag", "key"),
    [("--target", "data.target"), ("--dropout", "network.dropout"), ("--l2", "network.l2")],
)
def test_a_setting_that_a_command_takes_from_a_file_alone_is_named(
    flag: str, key: str, command: Command
) -> None:
    error = usage_error(command, "gradcheck", flag, "1")
    assert error == f"No such option: {flag}. Its key, {key}, can be set in CONFIG.toml."


@pytest.mark.parametrize("key", [key for key, _ in every_key()])
def test_every_setting_is_found_by_its_last_part(key: str) -> None:
    flag = "--" + key.split(".")[-1].replace("_", "-")
    meant = meant_flag(flag, "train", FLAGS["train"])
    assert f"{key}=" in meant or re.search(r"Did you mean --[\w-]+\?", meant)


def test_every_flag_that_is_proposed_exists() -> None:
    proposed = [*ALIASES.values()]
    for aliases in OF_COMMAND.values():
        proposed += aliases.values()
    for meant in proposed:
        first, _, rest = meant.partition(" ")
        assert first in ALL_FLAGS | {"CONFIG.toml"}
        if first == "--set":
            assert rest.split("=")[0] in dict(every_key())


def test_with_json_the_hint_is_in_the_document_too(command: Command) -> None:
    done = command("train", "--learning-rate", "0.1", "--json")
    assert done.exit_code == 2
    error = "No such option: --learning-rate. Did you mean --lr?"
    assert read_document(done.stdout) == {"schema": 1, "error": error}


# Commands


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("version", "--version"),
        ("help", "--help"),
        ("resume", "train --resume RUN"),
        ("evaluate", "eval"),
        ("check", "gradcheck"),
        ("fit", "train"),
        ("digits", "train --data digits"),
        ("iris.csv", "train --data iris.csv"),
        ("configs/digits.toml", "train configs/digits.toml"),
        ("my rows.csv", "train --data 'my rows.csv'"),
    ],
)
def test_an_unknown_command_gets_a_hint(word: str, meant: str, command: Command) -> None:
    error = usage_error(command, word)
    assert error == f"No such command {word!r}. Did you mean mlpcli {meant}?"


def test_a_command_that_is_spelt_nearly_so_gets_a_hint(command: Command) -> None:
    assert "Did you mean 'train'?" in usage_error(command, "trian")
    assert usage_error(command, "nonsense") == "No such command 'nonsense'."


def test_every_command_that_is_proposed_exists() -> None:
    for word in COMMANDS:
        first, *flags = meant_command(word).split()
        assert first in FLAGS or first in ALL_FLAGS
        assert all(flag in FLAGS["train"] for flag in flags if flag.startswith("-"))
