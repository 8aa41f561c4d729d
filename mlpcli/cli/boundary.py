"""The boundary between library and user: errors become a sentence and an exit code, results JSON.

The exit codes themselves are in errors.py.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer

from mlpcli.errors import BROKEN_PIPE, INTERRUPTED, UNUSABLE, MlpcliError
from mlpcli.messages import SCHEMA

NO_MEMORY = (
    "there is not enough memory. Lower network.hidden or training.batch_size, or use fewer rows."
)


@contextmanager
def boundary(as_json: bool, **more: object) -> Iterator[None]:
    """Turn the library's errors into a sentence on stderr and an exit code, without a traceback.

    With `as_json`, stdout gets a document with the sentence and `more` in it.
    """
    try:
        yield
    except MlpcliError as error:
        raise typer.Exit(_report(str(error), error.exit_code, as_json, more)) from error
    except MemoryError as error:
        raise typer.Exit(_report(NO_MEMORY, UNUSABLE, as_json, more)) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(_report("stopped.", INTERRUPTED, as_json, more)) from error
    except OSError as error:  # of stdout or stderr: the library turns its own into sentences
        raise typer.Exit(_output_failed(error)) from error


def _report(sentence: str, code: int, as_json: bool, more: dict[str, object]) -> int:
    """Write what went wrong, and return the exit code, also if nobody reads it any more."""
    try:
        if as_json:
            print_json({"schema": SCHEMA} | more | {"error": sentence})
        typer.echo(f"mlpcli: {sentence}", err=True)
    except OSError as error:
        _output_failed(error)
    return code


def _output_failed(error: OSError) -> int:
    """The exit code if stdout or stderr takes no more; a closed pipe is not reported."""
    broken_pipe = isinstance(error, BrokenPipeError)
    if not broken_pipe:
        with suppress(OSError):
            typer.echo(f"mlpcli: the output cannot be written: {error.strerror}.", err=True)
    for stream in (sys.stdout, sys.stderr):
        if stream:  # Python would try to flush it at exit, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return BROKEN_PIPE if broken_pipe else UNUSABLE


def print_json(document: dict[str, Any]) -> None:
    """Print a document on stdout."""
    typer.echo(json.dumps(document, indent=2))
