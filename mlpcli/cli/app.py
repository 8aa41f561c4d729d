"""The command line: one Typer application. A command imports what is heavy when it runs."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from mlpcli import __version__
from mlpcli.cli.evaluate import evaluate
from mlpcli.cli.gradcheck import gradcheck
from mlpcli.cli.train import train

app = typer.Typer(
    name="mlpcli",
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
    """Run the command `mlpcli`; a sign that a stream's encoding lacks is written by its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
