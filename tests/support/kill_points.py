"""`python -m tests.support.kill_points POINT N train …`: mlpcli, killed the N-th time at POINT.

What mlpcli/storage/writing.py calls is replaced, in that module alone, by the same calls with
kill points before and after them.
"""

import io
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlpcli.__main__ import main
from mlpcli.storage import writing

# Each point, and the largest N at which a run of the crash test is likely to be killed there.
SAVING = {
    "temporary file made": 6,
    "half of a write done": 120,
    "before the flush": 10,
    "before fsync": 6,
    "after fsync": 6,
    "before chmod": 6,
    "before the previous checkpoint is moved": 3,
    "after the previous checkpoint is moved": 3,
    "before the rename": 6,
    "after the rename": 6,
    "before fsync of the folder": 6,
    "after fsync of the folder": 6,
}
HALF_A_LINE = "half of a line of metrics.jsonl written"
LOGGING = {HALF_A_LINE: 20}
POINTS = SAVING | LOGGING


class KillPoints:
    """Kills this process when it reaches one point for the N-th time."""

    def __init__(self, point: str, n: int) -> None:
        self.point = point
        self.visits_left = n

    def is_last(self, point: str) -> bool:
        """Count a visit of a point; returns whether the process is to be killed at it."""
        if point != self.point:
            return False
        self.visits_left -= 1
        return self.visits_left == 0

    def reach(self, point: str) -> None:
        """Visit a point, and kill the process if this is the N-th time."""
        if self.is_last(point):
            kill()

    def around(self, before: str, call: Callable[..., Any], after: str) -> Callable[..., Any]:
        """The same call between two points."""

        def between(*args: Any, **options: Any) -> Any:
            self.reach(before)
            result = call(*args, **options)
            self.reach(after)
            return result

        return between


def kill() -> None:
    """End this process at once, as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


class HalfWrittenFile(io.BufferedRandom):
    """A file that writes half of the data at a kill point."""

    def __init__(self, raw: io.FileIO, points: KillPoints, writing: str, flushing: str) -> None:
        super().__init__(raw)
        self.points = points
        self.writing = writing
        self.flushing = flushing

    def write(self, data: Any) -> int:
        if self.points.is_last(self.writing):
            content = memoryview(data).cast("B")
            super().write(content[: len(content) // 2])
            super().flush()
            kill()
        return super().write(data)

    def flush(self) -> None:
        self.points.reach(self.flushing)
        super().flush()


def install(points: KillPoints) -> None:
    """Put the kill points into mlpcli/storage/writing.py."""

    def open_(path: str | Path, flags: int, *args: Any, **options: Any) -> int:
        after = "temporary file made" if flags & os.O_EXCL else ""
        opened: int = points.around("", os.open, after)(path, flags, *args, **options)
        return opened

    def fdopen(handle: int, mode: str) -> HalfWrittenFile:
        raw = io.FileIO(handle, mode)
        if mode == "a+b":
            return HalfWrittenFile(raw, points, HALF_A_LINE, "")
        return HalfWrittenFile(raw, points, "half of a write done", "before the flush")

    def fsync(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        what = "fsync of the folder" if is_folder else "fsync"
        points.around(f"before {what}", os.fsync, f"after {what}")(handle)

    def replace(path: str, to: str, **folders: int) -> None:
        is_new = path.endswith(".part")
        what = "the rename" if is_new else "the previous checkpoint is moved"
        points.around(f"before {what}", os.replace, f"after {what}")(path, to, **folders)

    fchmod = points.around("before chmod", os.fchmod, "")
    calls = {"fdopen": fdopen, "fsync": fsync, "fchmod": fchmod, "replace": replace}
    vars(writing).update(os=SimpleNamespace(**vars(os) | calls | {"open": open_}))


if __name__ == "__main__":
    point, n, *sys.argv[1:] = sys.argv[1:]
    install(KillPoints(point, int(n)))
    main()
