"""How a command line is parsed and explained: help pages, usage errors, and what was meant."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from mlpcli.cli.boundary import print_json
from mlpcli.errors import StdoutError
from mlpcli.invocation import quoted
from mlpcli.messages import SCHEMA, printable

HELP = ["--help", "-h"]
HELP_PANEL = "Output and help"
ALIKE = 0.8  # of difflib: how alike a word and a flag must be to ask whether it was meant

# What other programs call a flag, without dashes, in lower case.
ALIASES = {
    "act": "--activation",
    "batch": "--batch-size",
    "bs": "--batch-size",
    "minibatch": "--batch-size",
    "config": "CONFIG.toml without a flag",
    "continue": "--resume",
    "cores": "--threads",
    "jobs": "--threads",
    "njobs": "--threads",
    "processes": "--threads",
    "workers": "--threads",
    "csv": "--data",
    "dataset": "--data",
    "file": "--data",
    "input": "--data",
    "source": "--data",
    "dropoutrate": "--dropout",
    "earlystopping": "--set training.patience=EPOCHS",
    "force": "--overwrite",
    "hiddenlayersize": "--hidden",
    "hiddensize": "--hidden",
    "hiddenunits": "--hidden",
    "nhidden": "--hidden",
    "units": "--hidden",
    "iterations": "--epochs",
    "maxiter": "--epochs",
    "nepochs": "--epochs",
    "label": "--target",
    "labelcolumn": "--target",
    "labels": "--target",
    "targetcolumn": "--target",
    "y": "--target",
    "learningrate": "--lr",
    "o": "--out",
    "outdir": "--out",
    "output": "--out",
    "randomseed": "--seed",
    "randomstate": "--seed",
    "silent": "--quiet",
    "solver": "--optimizer",
    "threshold": "--min-accuracy",
    "v": "--version",
    "val": "--set data.validation=SHARE",
    "wd": "--set optimizer.weight_decay=VALUE",
}
OF_COMMAND = {
    "eval": {
        "test": "--split test",
        "train": "--split train",
        "validation": "--split validation",
    },
    "gradcheck": {"file": "--impl", "implementation": "--impl", "solution": "--impl"},
}
COMMANDS = {
    "version": "--version",
    "help": "--help",
    "resume": "train --resume RUN",
    "continue": "train --resume RUN",
    "fit": "train",
    "run": "train",
    "evaluate": "eval",
    "predict": "eval",
    "score": "eval",
    "test": "eval",
    "check": "gradcheck",
    "gradientcheck": "gradcheck",
    "digits": "train --data digits",
    "mnist": "train --data mnist",
}


def examples(*commands: str) -> str:
    """What the help says at its end."""
    return "\n".join(["", "Examples:", *(f"  {command}" for command in commands)])


class Command(TyperCommand):
    """One command, in whose help a switch has no type."""

    def get_params(self, ctx: Any) -> Any:
        """All parameters, the help's among them."""
        return _without_bool(super().get_params(ctx))

    def get_help_option(self, ctx: Any) -> Any:
        """The flag --help, in the last group."""
        option: Any = super().get_help_option(ctx)
        option.rich_help_panel = HELP_PANEL
        return option


class Commands(TyperGroup):
    """All commands; if --json is among the words, a usage error is a document on stdout too."""

    as_json = False

    def get_params(self, ctx: Any) -> Any:
        """All parameters, the help's among them."""
        return _without_bool(super().get_params(ctx))

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> Any:
        """Parse the words before the command's name."""
        self.as_json = "--json" in args
        with self._usage_errors():
            return super().make_context(info_name, args, *more, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Parse the words after the command's name, and run the command."""
        with self._usage_errors():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first word names."""
        try:
            return super().resolve_command(ctx, args)
        except TyperException as error:
            meant = meant_command(args[0])
            if meant:
                error.message = f"No such command {args[0]!r}. Did you mean mlpcli {meant}?"
            raise

    @contextmanager
    def _usage_errors(self) -> Iterator[None]:
        try:
            yield
        except TyperException as error:
            _add_hint(error)
            if self.as_json:
                with suppress(StdoutError):
                    print_json({"schema": SCHEMA, "error": error.format_message()})
            error.message = printable(error.message)
            raise


def _without_bool(parameters: Any) -> Any:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return parameters


def _add_hint(error: Any) -> None:
    """Say, in the error of an unknown flag, which one was probably meant."""
    if not hasattr(error, "possibilities"):  # which Typer gives this error alone
        return
    command = error.ctx.command
    names = [name for parameter in command.params for name in parameter.opts]
    flags = [name for name in names if name.startswith("-")]
    hint = meant_flag(error.option_name, str(command.name), flags)
    error.possibilities = []
    error.message = f"No such option: {error.option_name}. {hint}".rstrip()


def meant_flag(written: str, command: str, flags: list[str]) -> str:
    """A sentence with what was probably meant by a flag that the command does not have, or ""."""
    word = _letters(written)
    meant = _of_the_command(word, command, flags) or _key(word, flags)
    if not meant:
        near = difflib.get_close_matches(written, flags, 1, ALIKE)
        meant = "".join(near)
    if not meant:
        return ""
    if not meant.startswith("--set ") or "--set" in flags:
        return f"Did you mean {meant}?"
    if command == "gradcheck":
        key, _, _ = meant.removeprefix("--set ").partition("=")
        return f"Its key, {key}, can be set in CONFIG.toml."
    return ""


def _of_the_command(word: str, command: str, flags: list[str]) -> str:
    """The flag of a command that is written so, or that another program calls so, or ""."""
    for flag in flags:
        if _letters(flag) == word:
            return flag
    aliases = ALIASES | OF_COMMAND.get(command, {})
    meant = aliases.get(word, "")
    first = meant.split(" ")[0]
    if first in flags or first in ("--set", "CONFIG.toml"):
        return meant
    return ""


def _key(word: str, flags: list[str]) -> str:
    """The key of the configuration whose last part is meant, as a flag, or ""."""
    if "--seed" not in flags:  # of a command that takes a configuration
        return ""
    from mlpcli.config import every_key

    keys = {_letters(key.split(".")[-1]): key for key, _ in every_key()}
    near = difflib.get_close_matches(word, keys, 1, ALIKE)
    if near:
        return f"--set {keys[near[0]]}=VALUE"
    return ""


def _letters(flag: str) -> str:
    return flag.lower().replace("-", "").replace("_", "")


def meant_command(word: str) -> str:
    """The words that were probably meant by an unknown command, or ""."""
    meant = COMMANDS.get(_letters(word), "")
    if meant:
        return meant
    if word.endswith(".toml"):
        return f"train {quoted(word)}"
    if word.endswith((".csv", ".tsv", ".npz")):
        return f"train --data {quoted(word)}"
    return ""
