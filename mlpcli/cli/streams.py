"""Stdout and stderr, so that an output that fails never ends what the command is doing.

Stderr is for people: once it fails, messages are lost and the command goes on. Stdout is for the
result: where it fails, StdoutError is raised, which nothing takes for another failure. Either
leads to /dev/null from then on, for what is still to be written and for Python's flush at its end.
"""

import os
import select
import sys
from contextlib import suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any, TextIO

from mlpcli.errors import StdoutError

STDERR = 2


class Results(FileIO):
    """The file behind stdout: raises StdoutError where it fails."""

    def write(self, data: Any) -> int:
        """Write some of the bytes, and return their number."""
        try:
            return _write(self.fileno(), data)
        except OSError as error:
            silence(self.fileno())
            raise StdoutError(error) from error


class Messages(FileIO):
    """The file behind stderr: what it cannot take is lost."""

    def write(self, data: Any) -> int:
        """Write some of the bytes, and return their number."""
        try:
            return _write(self.fileno(), data)
        except OSError:
            silence(self.fileno())
            return len(data)


def _write(descriptor: int, data: Any) -> int:
    """Write some of the bytes; raises OSError."""
    try:
        while True:
            try:
                return os.write(descriptor, data)
            except BlockingIOError:  # another process has set this for the open file
                _wait_for_room(descriptor)
    except OSError:
        raise
    except BaseException:  # a signal ends the command: what comes now must not wait for a reader
        stop_waiting(descriptor)
        raise


def _wait_for_room(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()


def stop_waiting(descriptor: int = STDERR) -> None:
    """Give a stream up if it takes nothing now, as a full pipe that nobody reads.

    A signal handler may call this. A write that is in progress then goes to /dev/null.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(0):
        silence(descriptor)


def silence(descriptor: int) -> None:
    """Let a descriptor lead to /dev/null."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


def install() -> None:
    """Put such streams in place of Python's; signs that an encoding lacks are written by number."""
    sys.stdout = _over(sys.stdout, Results)
    sys.stderr = _over(sys.stderr, Messages)


def _over(stream: TextIO, file: type[FileIO]) -> TextIO:
    if not isinstance(stream, TextIOWrapper):  # None, if its descriptor was closed at the start
        return stream
    return TextIOWrapper(
        BufferedWriter(file(stream.fileno(), "w", closefd=False)),
        stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
