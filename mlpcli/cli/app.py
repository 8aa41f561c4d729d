"""The command line: parse, call, render, exit. Everything heavy is imported by the command that needs it."""

import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlpcli import __version__
from mlpcli.cli.boundary import boundary, print_json
from mlpcli.errors import ConfigError

if TYPE_CHECKING:
    from mlpcli.config import Config

app = typer.Typer(
    name="mlpcli",
    help="Train the network with one hidden layer and dropout, by gradients derived by hand.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={
        "default_map": {"help": False}
    },  # or typer imports pydantic to see that None is not True
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlpcli {__version__}")
        raise typer.Exit


@app.callback()
def _mlpcli(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def train(
    config: Annotated[
        Path | None, typer.Argument(help="Settings in TOML; defaults where left out.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="digits, mnist, openml:NAME, a folder of IDX files, an .npz or a .csv."),
    ] = None,
    hidden: Annotated[int | None, typer.Option(help="Hidden units.")] = None,
    dropout: Annotated[
        float | None, typer.Option(help="Probability of dropping a hidden unit.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in a minibatch.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, momentum or adam.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random stream.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Processor cores to use; all if not given.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run; runs/<data>-<time> if not given.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with a run that was stopped.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a former run in that folder.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON document.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Load the data, show the plan, and stop.")
    ] = False,
) -> None:
    """Train a network and score it on rows it has not seen."""
    flags = {
        "data.source": data,
        "network.hidden": hidden,
        "network.dropout": dropout,
        "training.epochs": epochs,
        "training.batch_size": batch_size,
        "optimizer.lr": lr,
        "optimizer.name": optimizer,
        "training.threads": threads,
        "seed": seed,
    }
    with boundary(as_json):
        from mlpcli import config as configuration
        from mlpcli.commands import plan as planning
        from mlpcli.commands import train as run
        from mlpcli.rendering.console import console, say
        from mlpcli.rendering.train import Screen, next_command, show_plan, show_result
        from mlpcli.training.observers import EXIT_CODES, Signals

        results, messages = console(), console(stderr=True, quiet=quiet)
        given = {key: value for key, value in flags.items() if value is not None}
        if resume:
            if config or out or overwrite:
                raise ConfigError(
                    "--resume takes all of that from the run: leave out CONFIG, --out and --overwrite."
                )
            plan = planning.resume(resume, given, sets or [], lambda text: say(messages, text))
        else:
            settings = configuration.load(config, given, sets or [])
            plan = planning.prepare(settings, out, overwrite, lambda text: say(messages, text))
        if dry_run:
            print_json(plan.document()) if as_json else show_plan(
                results, plan, "dry run: nothing is written"
            )
            return
        show_plan(messages, plan)
        with (
            Screen(messages, plan.saved) as screen,
            Signals(lambda text: say(messages, text)) as signals,
        ):
            result = run.execute(plan, [screen, signals])
        print_json(result.document()) if as_json else show_result(results, result)
        if result.stopped in EXIT_CODES:
            if as_json:
                typer.echo(
                    f"next     {next_command(result)}", err=True
                )  # stdout has room for one document only
            raise typer.Exit(EXIT_CODES[result.stopped])


@app.command("eval")
def evaluate(
    model: Annotated[
        Path, typer.Argument(help="A run folder, or a model.npz.", metavar="RUN_FOLDER_OR_MODEL")
    ],
    data: Annotated[
        str | None, typer.Option(help="Rows to score; those that training held out if not given.")
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(help="Which of the run's own rows; test if not given."),
    ] = None,
    min_accuracy: Annotated[
        float | None, typer.Option(help="Exit with code 1 if the accuracy, from 0 to 1, is lower.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the scores as one JSON document.")
    ] = False,
) -> None:
    """Score a trained model: accuracy, loss, every class, the confusion matrix, the worst mistakes."""
    with boundary(as_json):
        from mlpcli.commands import evaluate as scoring
        from mlpcli.rendering.console import console, percent, say
        from mlpcli.rendering.evaluation import show_evaluation

        messages = console(stderr=True)
        if min_accuracy is not None and not 0 <= min_accuracy <= 1:
            raise ConfigError(
                f"--min-accuracy {min_accuracy:g} is refused; it must be from 0 to 1, as 0.98 for 98 %."
            )
        result = scoring.evaluate(model, data, split, lambda text: say(messages, text))
        print_json(result.document()) if as_json else show_evaluation(console(), result)
        if min_accuracy is not None and result.scores.accuracy < min_accuracy:
            said = f"The accuracy, {percent(result.scores.accuracy)}, is under the {percent(min_accuracy)} asked for."
            say(messages, said)
            raise typer.Exit(1)


@app.command()
def gradcheck(
    config: Annotated[
        Path | None, typer.Argument(help="Settings of the network to check at its size.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Real rows to check on, as in train.")] = None,
    impl: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py", help="Check the function backward in this file, by running it."
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that the file may take.")] = 10,
    activation: Annotated[
        str | None, typer.Option(help="relu, tanh, logistic or identity.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the cases that are checked.")] = None,
    test_itself: Annotated[
        bool,
        typer.Option(
            "--self-test", help="Put every known mistake into the backward pass, and look for it."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON document.")
    ] = False,
) -> None:
    """Check gradients against true ones: this tool's own, or those of a file of yours."""
    flags = {"data.source": data, "network.activation": activation, "seed": seed}
    with boundary(as_json, passed=False):
        from mlpcli import config as configuration
        from mlpcli.rendering.console import console, say

        messages = console(stderr=True)
        given = {key: value for key, value in flags.items() if value is not None}
        settings = configuration.load(config, given, [])
        if test_itself and impl:
            raise ConfigError(
                "--self-test checks the checker, and --impl a file: give one of them."
            )
        if test_itself:
            passed = _test_itself(as_json)
        elif impl:
            passed = _check_file(impl, settings.network.activation, settings.seed, timeout, as_json)
        else:
            passed = _check_network(settings, activation, lambda text: say(messages, text), as_json)
        if not passed:
            raise typer.Exit(1)


def _test_itself(as_json: bool) -> bool:
    from mlpcli.commands.gradcheck import summary
    from mlpcli.gradcheck.selftest import self_test
    from mlpcli.rendering.console import console
    from mlpcli.rendering.gradcheck import show_self_test

    trials = self_test()
    found = summary(trials)
    print_json(found) if as_json else show_self_test(console(), trials)
    return bool(found["passed"])


def _check_file(path: Path, activation: str, seed: int, timeout: float, as_json: bool) -> bool:
    from mlpcli.commands.gradcheck import inspect_file
    from mlpcli.rendering.console import console
    from mlpcli.rendering.gradcheck import show_homework

    homework = inspect_file(path, activation, seed, timeout)
    print_json(homework.document()) if as_json else show_homework(console(), homework)
    return homework.passed


def _check_network(
    settings: "Config", activation: str | None, notify: Callable[[str], object], as_json: bool
) -> bool:
    from mlpcli.commands.gradcheck import inspect_network
    from mlpcli.model.network import ACTIVATIONS
    from mlpcli.rendering.console import console
    from mlpcli.rendering.gradcheck import show_inspection

    inspection = inspect_network(
        settings, (activation,) if activation else tuple(ACTIVATIONS), notify
    )
    print_json(inspection.document()) if as_json else show_inspection(console(), inspection)
    return inspection.passed


def main() -> None:
    """The entry point of the command `mlpcli`; signs that a stream's encoding lacks are written by their numbers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
