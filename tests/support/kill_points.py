"""`python -m tests.support.kill_points POINT N train …`: mlpcli, killed at the N-th time that it comes to a point.


What mlpcli/files.py calls is replaced, in that module alone, by the same thing with traps before and after it.
"""

import io
import os
import signal
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlpcli.cli import app as cli
from mlpcli.storage import writing as files

# Each point, and the N up to which a run of the crash test is likely to come to it so often.
SAVING = {
    "temporary file made": 6,
    "half of a write done": 120,
    "before the flush": 10,
    "before fsync": 6,
    "after fsync": 6,
    "before chmod": 6,
    "before the former checkpoint is moved": 3,
    "after the former checkpoint is moved": 3,
    "before the rename": 6,
    "after the rename": 6,
    "before fsync of the folder": 6,
    "after fsync of the folder": 6,
}
LOGGING = {"half of a line of metrics.jsonl written": 20}


class Trap:
    """Kills this process when it has come to its point for the N-th time."""

    def __init__(self, point: str, nth: int) -> None:
        self.point, self.left = point, nth

    def due(self, point: str) -> bool:
        """Whether it is time, counting this visit."""
        self.left -= point == self.point
        return point == self.point and self.left == 0

    def __call__(self, point: str) -> None:
        """Come to a point."""
        if self.due(point):
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, before: str, call: Callable[..., Any], after: str) -> Callable[..., Any]:
        """The same call between two points."""

        def trapped(*args: Any, **options: Any) -> Any:
            self(before)
            result = call(*args, **options)
            self(after)
            return result

        return trapped


class Torn(io.BufferedRandom):
    """A file whose write is cut in the middle when its time has come."""

    def __init__(self, raw: io.FileIO, trap: Trap, writing: str, flushing: str = "") -> None:
        super().__init__(raw)
        self.trap, self.writing, self.flushing = trap, writing, flushing

    def write(self, data: Any) -> int:
        if self.trap.due(self.writing):
            half = memoryview(data).cast("B")[: memoryview(data).nbytes // 2]
            super().write(half)
            super().flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().write(data)

    def flush(self) -> None:
        self.trap(self.flushing)
        super().flush()


def set_up(trap: Trap) -> None:
    """Put the traps into mlpcli/files.py."""
    calls = {
        "fdopen": lambda handle, mode: Torn(
            io.FileIO(handle, mode), trap, "half of a write done", "before the flush"
        ),
        "fsync": lambda handle: _fsync(trap, handle),
        "chmod": trap.around("before chmod", os.chmod, ""),
        "replace": lambda path, to: _replace(trap, path, to),
    }
    make = trap.around("", tempfile.mkstemp, "temporary file made")
    files.os = SimpleNamespace(**vars(os) | calls)  # type: ignore[assignment]
    files.tempfile = SimpleNamespace(mkstemp=make)  # type: ignore[assignment]
    files.open = lambda path, mode: Torn(io.FileIO(path, f"{mode}+"), trap, *LOGGING)  # type: ignore[attr-defined]


def _fsync(trap: Trap, handle: int) -> None:
    of_what = " of the folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else ""
    trap.around(f"before fsync{of_what}", os.fsync, f"after fsync{of_what}")(handle)


def _replace(trap: Trap, path: str | Path, to: Path) -> None:
    what = "the rename" if str(path).endswith(".part") else "the former checkpoint is moved"
    trap.around(f"before {what}", os.replace, f"after {what}")(path, to)


if __name__ == "__main__":
    point, nth, *sys.argv[1:] = sys.argv[1:]
    set_up(Trap(point, int(nth)))
    cli.main()
