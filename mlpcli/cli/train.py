"""`mlpcli train`."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlpcli.cli.boundary import boundary, print_json
from mlpcli.cli.completion import activations, keys, optimizers, recipes, sources
from mlpcli.cli.streams import stop_waiting
from mlpcli.cli.usage import HELP_PANEL
from mlpcli.errors import ConfigError, StdoutError, StoppedAtOnce

if TYPE_CHECKING:
    from rich.console import Console

    from mlpcli.commands.plan import Plan


DATA = "Data"
NETWORK = "Network"
TRAINING = "Training"
RUN = "Run"
SETTINGS = "Other settings"


def train(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG.toml",
            help="Settings in TOML; flags win over them. Default: none.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="digits, mnist, openml:NAME, a table, an .npz or a folder of IDX files. "
            "Default: digits.",
            autocompletion=sources,
            rich_help_panel=DATA,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The label's column, by name or place. Default: the last one.",
            rich_help_panel=DATA,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="auto, images, tables or plain. The defaults below are those for images; tables "
            "have others. Default: auto, by the data.",
            autocompletion=recipes,
            rich_help_panel=DATA,
        ),
    ] = None,
    hidden: Annotated[
        int | None, typer.Option(help="Hidden units. Default: 256.", rich_help_panel=NETWORK)
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="relu, tanh, logistic or identity. Default: relu.",
            autocompletion=activations,
            rich_help_panel=NETWORK,
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(help="Chance to drop a hidden unit. Default: 0.5.", rich_help_panel=NETWORK),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the rows. Default: 200.", rich_help_panel=TRAINING),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Rows in a minibatch. Default: 32.", rich_help_panel=TRAINING),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="sgd, momentum or adam. Default: momentum.",
            autocompletion=optimizers,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate. Default: sgd 0.1, momentum 0.05, adam 0.001.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Processor cores to use. Default: all.", rich_help_panel=TRAINING),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of every random stream. Default: 0.", rich_help_panel=TRAINING),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any other setting, as optimizer.schedule=linear; may be repeated.",
            autocompletion=keys,
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the run is written. Default: runs/<data>-<time>.",
            rich_help_panel=RUN,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Go on with a run that was stopped, or that is to have more --epochs.",
            rich_help_panel=RUN,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the run that is there.", rich_help_panel=RUN),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the plan, and stop.", rich_help_panel=RUN),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the result as one JSON document.", rich_help_panel=HELP_PANEL
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show no progress.", rich_help_panel=HELP_PANEL)
    ] = False,
) -> None:
    """Train a network, and score it on rows that it has not seen."""
    flags = {
        "data.source": data,
        "data.target": target,
        "recipe": recipe,
        "network.hidden": hidden,
        "network.activation": activation,
        "network.dropout": dropout,
        "training.epochs": epochs,
        "training.batch_size": batch_size,
        "optimizer.name": optimizer,
        "optimizer.lr": lr,
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
        planned: AbstractContextManager[Plan] = resuming(resume, flags, overrides, notify)
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
    from mlpcli.rendering.progress import Screen
    from mlpcli.rendering.train import next_command, show_plan, show_result, stopped_at_once
    from mlpcli.training.signals import EXIT_CODES, Signals

    show_plan(messages, plan)
    signals = Signals(lambda text: say(messages, text), stop_waiting)
    try:
        with Screen(messages, plan.saved, plan.has_validation) as screen, signals:
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
