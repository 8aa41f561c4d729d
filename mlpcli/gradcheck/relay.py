"""What a child process prints, passed on to stderr without a sign that acts on the terminal."""

import codecs
import os
import select
import subprocess
import sys
import time

from mlpcli.messages import printable_lines

BLOCK = 65_536  # bytes that are read at once
PAUSE = 0.05  # seconds between two looks whether a child that prints nothing has ended


def wait_and_relay(child: "subprocess.Popen[bytes]", timeout: float) -> int:
    """Wait for a child process while what it prints is passed on; returns its exit code.

    The child's stdout and stderr are one pipe, `child.stdout`. What other processes that it started
    print is passed on as long as the child runs. Raises subprocess.TimeoutExpired.
    """
    assert child.stdout
    descriptor = child.stdout.fileno()
    output = _Output()
    end = time.monotonic() + timeout
    while child.poll() is None:
        left = end - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(child.args, timeout)
        if output.closed:
            child.wait(left)
        elif _has_data(descriptor, min(left, PAUSE)):
            output.take(os.read(descriptor, BLOCK))
    while not output.closed and time.monotonic() < end and _has_data(descriptor, 0):
        output.take(os.read(descriptor, BLOCK))
    output.end()
    return child.returncode


def _has_data(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read, or the other end is closed, after so many seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


class _Output:
    """Prints blocks of bytes as text: line breaks and tabs stay, all else that acts is escaped."""

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self.in_line = False  # whether the last line printed has no end yet
        self.closed = False  # whether nothing more will come

    def take(self, block: bytes) -> None:
        """Print a block; an empty one is the end of all."""
        self.closed = not block
        self._print(self.decoder.decode(block, final=self.closed))

    def end(self) -> None:
        """Print what is left, and end its line."""
        self._print(self.decoder.decode(b"", final=True))
        if self.in_line:
            self._print("\n")

    def _print(self, text: str) -> None:
        if text and sys.stderr:
            self.in_line = not text.endswith("\n")
            sys.stderr.write(printable_lines(text))
            sys.stderr.flush()
