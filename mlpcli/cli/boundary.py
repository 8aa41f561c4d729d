"""The boundary between the library and the user: errors become a sentence and an exit code, results JSON."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer

from mlpcli.errors import MlpcliError

BROKEN_PIPE = 141  # what a shell reports of a command that SIGPIPE ended
INTERRUPTED = 130


@contextmanager
def boundary(as_json: bool, **more: object) -> Iterator[None]:
    """Turn the library's errors into a sentence on stderr and an exit code; no traceback for bad input.

    With `as_json`, stdout gets one document all the same, with `more` in it.
    """
    try:
        yield
    except MlpcliError as error:
        raise typer.Exit(_told(str(error), error.exit_code, as_json, more)) from error
    except MemoryError as error:
        said = "there is not enough memory. Lower network.hidden or training.batch_size, or use fewer rows."
        raise typer.Exit(_told(said, 2, as_json, more)) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(_told("stopped.", INTERRUPTED, as_json, more)) from error
    except OSError as error:  # only a stream's: the library says its own in sentences
        raise typer.Exit(_cut_off(error)) from error


def _told(sentence: str, code: int, as_json: bool, more: dict[str, object]) -> int:
    """Say what went wrong, and return the exit code; also where nobody listens any more."""
    try:
        if as_json:
            print_json({"schema": 1} | more | {"error": sentence})
        typer.echo(f"mlpcli: {sentence}", err=True)
    except OSError as error:
        _cut_off(error)
    return code


def _cut_off(error: OSError) -> int:
    """The exit code for a stdout or stderr that takes no more: quiet for a closed pipe, said for a full disk."""
    with suppress(OSError):
        if not isinstance(error, BrokenPipeError):
            typer.echo(f"mlpcli: the output cannot be written: {error.strerror}.", err=True)
    for stream in filter(None, (sys.stdout, sys.stderr)):  # or Python would complain on its way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return BROKEN_PIPE if isinstance(error, BrokenPipeError) else 2


def print_json(document: dict[str, Any]) -> None:
    """Print a document on stdout."""
    typer.echo(json.dumps(document, indent=2))
