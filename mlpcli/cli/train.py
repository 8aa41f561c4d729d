"""`mlpcli train`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mlpcli.cli.boundary import boundary, print_json
from mlpcli.errors import ConfigError


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
    from mlpcli.commands.resume import resume as plan_of_stopped
    from mlpcli.commands.train import execute
    from mlpcli.rendering.console import console, say
    from mlpcli.rendering.train import Screen, next_command, show_plan, show_result
    from mlpcli.training.observers import EXIT_CODES, Signals

    results = console()
    messages = console(stderr=True, quiet=quiet)

    def notify(text: str) -> None:
        say(messages, text)

    if resume:
        plan = plan_of_stopped(resume, flags, overrides, notify)
    else:
        plan = prepare(settings.load(config, flags, overrides), out, overwrite, notify)
    if dry_run and as_json:
        print_json(plan.document())
        return
    if dry_run:
        show_plan(results, plan, "dry run: nothing is written")
        return
    show_plan(messages, plan)
    with Screen(messages, plan.best_loss) as screen, Signals(notify) as signals:
        result = execute(plan, [screen, signals])
    if as_json:
        print_json(result.document())
    else:
        show_result(results, result)
    if result.stopped in EXIT_CODES:
        if as_json:  # stdout has room for one document only
            typer.echo(f"next     {next_command(result)}", err=True)
        raise typer.Exit(EXIT_CODES[result.stopped])
