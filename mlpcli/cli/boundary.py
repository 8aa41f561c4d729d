"""The boundary between library and user: errors become a sentence and an exit code, results JSON.

The exit codes themselves are in errors.py.
"""

import errno
import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer
from typer.exceptions import TyperException

from mlpcli.errors import INTERRUPTED, UNUSABLE, MlpcliError, StdoutError, StoppedAtOnce
from mlpcli.messages import SCHEMA, printable, system_reason

NO_MEMORY = (
    "there is not enough memory. Lower network.hidden or training.batch_size, or use fewer rows."
)
PACKAGE = Path(__file__).parents[1]
OF_TYPER = (typer.Exit, typer.Abort, TyperException)  # Typer gives these an exit code itself

_printed: list[str] = []  # the JSON document of the command that runs, once stdout has it


@contextmanager
def boundary(as_json: bool, **more: object) -> Iterator[None]:
    """Turn the library's errors into a sentence on stderr and an exit code, without a traceback.

    With `as_json`, stdout gets a document with the sentence and `more` in it, if it has none yet.
    """
    _printed.clear()
    try:
        yield
    except OF_TYPER:
        raise
    except StdoutError as error:
        raise typer.Exit(stdout_failed(error)) from error
    except (MlpcliError, MemoryError, OSError, KeyboardInterrupt, StoppedAtOnce) as error:
        lines = _lines(error)
        _report("\n".join(lines), as_json, more)
        _say(*lines)
        raise typer.Exit(_exit_code(error)) from error
    except Exception as error:  # a bug, which keeps its traceback
        _report(f"unexpected error: {error!r}", as_json, more)
        raise


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, MlpcliError | StoppedAtOnce):
        return error.exit_code
    return UNUSABLE


def _lines(error: BaseException) -> list[str]:
    """What to tell of an error: a sentence, and lines that follow it."""
    if isinstance(error, MlpcliError):
        return error.lines
    if isinstance(error, MemoryError):
        return [NO_MEMORY]
    if isinstance(error, KeyboardInterrupt):
        return ["stopped."]
    if isinstance(error, StoppedAtOnce):
        return [error.sentence]
    if isinstance(error, OSError):
        return [_system_failure(error)]
    return [str(error)]


def _system_failure(error: OSError) -> str:
    """What to tell of a system call that failed where the library expected no failure."""
    if error.errno == errno.ENOMEM:
        return NO_MEMORY
    if error.filename is not None:
        return f"{error.filename}: cannot be used: {system_reason(error)}."
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = Path(frame.filename)
    if place.is_relative_to(PACKAGE):
        place = place.relative_to(PACKAGE.parent)
    return (
        f"the system refused a call in {place}, line {frame.lineno} ({frame.name}): "
        f"{system_reason(error)}."
    )


def _report(sentence: str, as_json: bool, more: dict[str, object]) -> None:
    """Print the document of an error; where stdout fails as well, the error is what counts."""
    if as_json and not _printed:
        with suppress(StdoutError):
            print_json({"schema": SCHEMA} | more | {"error": sentence})


def _say(*lines: str) -> None:
    """Print a sentence, and lines that follow it, on stderr; no name in them acts on a terminal."""
    text = "\n".join(map(printable, lines))
    typer.echo(f"mlpcli: {text}", err=True)


def stdout_failed(error: StdoutError) -> int:
    """The exit code if stdout takes no more; a reader that has gone is not reported."""
    if error.exit_code == UNUSABLE:
        _say(f"the output cannot be written: {error.reason}.")
    return error.exit_code


def print_json(document: dict[str, Any]) -> None:
    """Print the command's document on stdout."""
    text = json.dumps(document, indent=2)
    _printed.append(text)
    typer.echo(text)
