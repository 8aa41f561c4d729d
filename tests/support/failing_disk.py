"""A disk that fails at one of the calls by which mlpcli writes."""

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest


class FailingDisk:
    """Counts the calls that write, and lets one of them fail, or all from one on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.fails_at = 0
        self.stays_broken = False
        self.error = errno.ENOSPC
        patch.setattr(os, "fsync", self._failing("fsync", lambda handle: None))  # the slow one
        for name in ("fchmod", "replace", "rename", "unlink", "rmdir"):
            patch.setattr(os, name, self._failing(name, getattr(os, name)))
        patch.setattr(os, "mkdir", self._failing_mkdir(os.mkdir))
        patch.setattr(os, "open", self._opening_to_write(os.open))
        patch.setattr(os, "fdopen", self._opening(os.fdopen))

    def fail_at(self, call: int, error: int = errno.ENOSPC, stays_broken: bool = False) -> None:
        """Break the disk at that call, counted from 1 from now on."""
        self.calls.clear()
        self.fails_at = call
        self.error = error
        self.stays_broken = stays_broken

    def mend(self) -> None:
        """Let no call fail."""
        self.fail_at(0)

    @property
    def failed(self) -> bool:
        """Whether the call that is to fail has come."""
        return 0 < self.fails_at <= len(self.calls)

    def count(self, name: str) -> None:
        """Count a call, and raise OSError if it is to fail."""
        self.calls.append(name)
        if len(self.calls) == self.fails_at or (self.failed and self.stays_broken):
            raise OSError(self.error, os.strerror(self.error))

    def distinct_calls(self) -> list[int]:
        """The numbers of the calls, but for writes between two others: they are to one file."""
        padded = ["", *self.calls, ""]
        numbers = range(1, len(self.calls) + 1)
        return [n for n in numbers if padded[n - 1 : n + 2] != ["write"] * 3]

    def _failing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self.count(name)
            return call(*args, **options)

        return counted

    def _failing_mkdir(self, mkdir: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *args: Any, **options: Any) -> Any:
            if options or not os.path.isdir(path):  # one that is there need not be made
                self.count("mkdir")
            return mkdir(path, *args, **options)

        return counted

    def _opening_to_write(self, opener: Callable[..., int]) -> Callable[..., int]:
        def opened(path: Any, flags: int, *args: Any, **options: Any) -> int:
            if flags & os.O_CREAT and not str(path).endswith(".lock"):
                self.count("append" if flags & os.O_APPEND else "make")
            return opener(path, flags, *args, **options)

        return opened

    def _opening(self, opener: Callable[..., Any]) -> Callable[..., Any]:
        def opened(*args: Any, **options: Any) -> Any:
            return FailingFile(opener(*args, **options), self)

        return opened


class FailingFile:
    """A file whose writes are counted by a disk."""

    def __init__(self, file: Any, disk: FailingDisk) -> None:
        self.file = file
        self.disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> "FailingFile":
        return self

    def __exit__(self, *problem: object) -> None:
        self.file.close()

    def write(self, content: Any) -> Any:
        """Write, if the disk does not fail."""
        self.disk.count("write")
        return self.file.write(content)

    def flush(self) -> None:
        """Flush, if the disk does not fail."""
        self.disk.count("flush")
        self.file.flush()

    def truncate(self, *length: int) -> Any:
        """Truncate, if the disk does not fail."""
        self.disk.count("truncate")
        return self.file.truncate(*length)
