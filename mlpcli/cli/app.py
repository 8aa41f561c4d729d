"""The command line: one Typer application. A command imports what is heavy when it runs."""

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from mlpcli import __version__
from mlpcli.cli import streams
from mlpcli.cli.boundary import print_json, stdout_failed
from mlpcli.cli.evaluate import evaluate
from mlpcli.cli.gradcheck import gradcheck
from mlpcli.cli.train import train
from mlpcli.errors import TERMINATED, UNUSABLE, StdoutError, StoppedAtOnce
from mlpcli.messages import SCHEMA


class Commands(TyperGroup):
    """All commands; if --json is among the words, a usage error is a document on stdout too."""

    as_json = False

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> Any:
        """Parse the words before the command's name."""
        self.as_json = "--json" in args
        with self._usage_errors():
            return super().make_context(info_name, args, *more, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Parse the words after the command's name, and run the command."""
        with self._usage_errors():
            return super().invoke(ctx)

    @contextmanager
    def _usage_errors(self) -> Iterator[None]:
        try:
            yield
        except TyperException as error:
            if self.as_json:
                with suppress(StdoutError):
                    print_json({"schema": SCHEMA, "error": error.format_message()})
            raise


app = typer.Typer(
    name="mlpcli",
    cls=Commands,
    help="Train the network with one hidden layer and dropout, by gradients derived by hand.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    # Typer imports pydantic, which is slow, to find that a default of None is not True.
    context_settings={"default_map": {"help": False}},
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


app.command()(train)
app.command("eval")(evaluate)
app.command()(gradcheck)


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
    except StoppedAtOnce as stop:
        sys.exit(stop.exit_code)
    except Exception:
        traceback.print_exc()
        sys.exit(UNUSABLE)  # and not 1, which is a verdict


def _stop(number: int, frame: FrameType | None) -> None:
    """End the command as Ctrl-C does: locks are released, half-written files removed."""
    signal.signal(number, signal.SIG_DFL)
    raise StoppedAtOnce(TERMINATED)
