"""`mlpcli train`."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlpcli.cli.boundary import boundary, print_json
from mlpcli.cli.streams import stop_waiting
from mlpcli.errors import ConfigError, StdoutError, StoppedAtOnce

if TYPE_CHECKING:
    from rich.console import Console

    from mlpcli.commands.plan import Plan


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
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting."),
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
    given = {key: value for key, value in flags.items() if value is not None}
    with boundary(as_json):
        if resume and (config or out or overwrite):
            raise ConfigError(
                "--resume takes all of that from the run: leave out CONFIG, --out and --overwrite."
            )
        _train(config, given, overrides or [], out, resume, overwrite, as_json, quiet, dry_run)


def _train(
    config: Path | None,
    flags: dict[str, Any],
    overrides: list[str],
    out: Path | None,
    resume: Path | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
) -> None:
    from mlpcli.commands import settings
    from mlpcli.commands.plan import prepare
    from mlpcli.commands.resume import resuming
    from mlpcli.rendering.console import console, say

    messages = console(stderr=True, quiet=quiet)

    def notify(text: str) -> None:
        say(messages, text)

    if resume:
        planned: "AbstractContextManager[Plan]" = resuming(resume, flags, overrides, notify)
    else:
        loaded = settings.load(config, flags, overrides)
        planned = nullcontext(prepare(loaded, out, overwrite, notify))
    with planned as plan:
        if dry_run:
            _show(plan, as_json)
        else:
            _execute(plan, messages, as_json)


def _show(plan: "Plan", as_json: bool) -> None:
    """Show the plan of a dry run."""
    from mlpcli.rendering.console import console
    from mlpcli.rendering.train import show_plan

    if as_json:
        print_json(plan.document())
    else:
        show_plan(console(), plan, "dry run: nothing is written")


def _execute(plan: "Plan", messages: "Console", as_json: bool) -> None:
    """Train, show the result, and exit with the code of a signal that stopped training."""
    from mlpcli.commands.train import execute
    from mlpcli.rendering.console import console, say
    from mlpcli.rendering.train import (
        Screen,
        next_command,
        show_plan,
        show_result,
        stopped_at_once,
    )
    from mlpcli.training.observers import EXIT_CODES, Signals

    def notify(text: str) -> None:
        say(messages, text)

    show_plan(messages, plan)
    signals = Signals(notify, stop_waiting)
    try:
        with Screen(messages, plan.best_loss) as screen, signals:
            result = execute(plan, [screen, signals])
    except StoppedAtOnce as stop:
        raise StoppedAtOnce(stop.exit_code, stopped_at_once(plan.folder)) from stop
    try:
        if as_json:
            print_json(result.document())
        else:
            show_result(console(), result)
    except StdoutError:  # the signal may have ended its reader too
        if result.stopped not in EXIT_CODES:
            raise
    if result.stopped in EXIT_CODES:
        if as_json:  # stdout has room for one document only
            typer.echo(f"next     {next_command(result)}", err=True)
        raise typer.Exit(EXIT_CODES[result.stopped])
