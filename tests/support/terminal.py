"""Terminals in tests: the command on a real one, and what a console prints."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
ROWS = 40

Terminal = Callable[..., Console]  # makes a console as on a terminal of so many columns


def on_terminal(columns: int, *words: str, cwd: Path, **environment: str) -> tuple[int, str]:
    """Run the command on a terminal of its own; returns its exit code and its whole output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpcli", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env=os.environ | {"TERM": "xterm-256color"} | environment,
    )
    os.close(theirs)
    output = read_to_end(ours)
    return process.wait(timeout=60), output.decode()


def start_on_terminal(
    *command: str, cwd: Path, **options: Any
) -> tuple["subprocess.Popen[str]", int]:
    """Start a program whose controlling terminal is a new one; returns the terminal's other end.

    What is written there is typed, Ctrl-C and Ctrl-S too; closing it closes the window.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        text=True,
        start_new_session=True,
        preexec_fn=_take_terminal,
        **{"stdin": theirs, "stdout": theirs, "stderr": theirs} | options,
    )
    os.close(theirs)
    return process, ours


def _take_terminal() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read_to_end(terminal: int) -> bytes:
    """Read a terminal until its other end is closed, which Linux reports as an error."""
    output = b""
    try:
        while block := os.read(terminal, 65536):
            output += block
    except OSError:
        pass
    finally:
        os.close(terminal)
    return output


def lines_of(output: str) -> list[str]:
    """Every line that was on the screen at some time, without control codes."""
    return re.split(r"[\r\n]+", CONTROL.sub("", output))


def printed(console: Console, show: Callable[..., None], *arguments: object) -> str:
    """What a function prints on the console, without control codes."""
    with console.capture() as captured:
        show(console, *arguments)
    return CONTROL.sub("", captured.get())
