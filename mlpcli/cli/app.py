"""The command line: one Typer application. A command imports what is heavy when it runs."""

import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from mlpcli import __version__
from mlpcli.cli import streams
from mlpcli.cli.boundary import stdout_failed
from mlpcli.cli.evaluate import evaluate
from mlpcli.cli.gradcheck import gradcheck
from mlpcli.cli.predict import predict
from mlpcli.cli.train import train
from mlpcli.cli.usage import HELP, Command, Commands, examples
from mlpcli.errors import TERMINATED, UNUSABLE, StdoutError, StoppedAtOnce
from mlpcli.messages import printable_lines

# Typer imports pydantic, which is slow, to find that a default of None is not True.
SWITCHES_OFF = {"help": False, "install_completion": False, "show_completion": False}

app = typer.Typer(
    name="mlpcli",
    cls=Commands,
    help="Train the network with one hidden layer and dropout, by gradients derived by hand.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP, "default_map": SWITCHES_OFF},
    epilog=examples(
        "mlpcli train",
        "mlpcli train --data iris.csv --target species",
    ),
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


app.command(
    cls=Command,
    epilog=examples(
        "mlpcli train --data iris.csv --target species --hidden 32",
        "mlpcli train --optimizer adam --lr 0.002 --out runs/adam",
        "mlpcli train --resume runs/adam",
    ),
)(train)
app.command(
    cls=Command,
    epilog=examples(
        "mlpcli predict runs/first new.csv",
        "mlpcli predict runs/first new.csv --id name --out predictions.csv",
        "zcat new.csv.gz | mlpcli predict runs/first -",
    ),
)(predict)
app.command(
    "eval",
    cls=Command,
    epilog=examples(
        "mlpcli eval runs/first",
        "mlpcli eval runs/first --split validation --min-accuracy 0.95",
        "mlpcli eval runs/first/model.npz --data new.csv --json",
    ),
)(evaluate)
app.command(
    cls=Command,
    epilog=examples(
        "mlpcli gradcheck",
        "mlpcli gradcheck --impl homework.py --activation tanh",
    ),
)(gradcheck)


def main() -> None:
    """Run the command `mlpcli`: it ends by SystemExit, with a traceback only if there is a bug."""
    streams.install()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)
    try:
        app()
    except StdoutError as error:  # a help page, or the version
        sys.exit(stdout_failed(error))
    except StoppedAtOnce as stop:  # before a command began
        typer.echo(f"mlpcli: {stop.sentence}", err=True)
        sys.exit(stop.exit_code)
    except Exception:
        typer.echo(printable_lines(traceback.format_exc()), err=True)
        sys.exit(UNUSABLE)  # and not 1, which is a verdict


def _stop(number: int, frame: FrameType | None) -> None:
    """End the command as Ctrl-C does: locks are released, half-written files removed."""
    signal.signal(number, signal.SIG_DFL)
    raise StoppedAtOnce(TERMINATED)
