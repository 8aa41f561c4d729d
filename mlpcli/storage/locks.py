"""The lock of a run's folder: one trainer at a time, whatever becomes of the folder's name."""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from mlpcli.errors import OutputError
from mlpcli.messages import system_reason
from mlpcli.storage.writing import open_folder

LOCK = ".lock"  # the file that is locked too
AT_WORK = "another mlpcli train is at work there. Wait for it, or choose another folder."
TRIES = 5  # to lock a folder: another process may look at the lock for a moment
PAUSE = 0.01  # seconds between two tries


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, open and locked.

    What is written by the descriptor `fd` goes there, also if the folder is renamed meanwhile;
    `path` is what messages call it.
    """

    path: Path
    fd: int


@contextmanager
def locked(folder: Path) -> Iterator[RunFolder]:
    """A run's folder, open and locked until the `with` ends.

    Two locks: one of the folder itself, which neither renaming it nor removing the file LOCK
    undoes, and one of the file LOCK, for network file systems that know no other.
    Raises OutputError if another process holds one.
    """
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(open_folder(folder))
            stack.enter_context(_closed_in_children(descriptor))
            _lock(folder, descriptor, stack)
        except OSError as error:
            reason = system_reason(error)
            raise OutputError(f"{folder}: cannot be locked: {reason}.") from error
        yield RunFolder(folder, descriptor)


def is_locked(folder: Path) -> bool:
    """Whether a process trains in a folder now; False if that cannot be told."""
    with suppress(OSError), open_folder(folder) as descriptor:
        return not _flock(descriptor)
    return False


def _lock(folder: Path, descriptor: int, stack: ExitStack) -> None:
    """Take both locks, which the stack releases."""
    if not _flock(descriptor):
        raise OutputError(f"{folder}: {AT_WORK}")
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(LOCK, dir_fd=descriptor).st_mode):
            raise OutputError(f"{folder / LOCK}: is not a regular file. Remove it.")
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(f"{folder}: {AT_WORK}") from error
    stack.callback(lock.release)
    if not os.path.samestat(os.stat(folder), os.fstat(descriptor)):
        raise OutputError(f"{folder}: was replaced by another folder. Try again.")


def _flock(descriptor: int) -> bool:
    """Lock an open folder until it is closed; returns False if another process holds the lock.

    A network file system may know no locks of folders; there, the file LOCK is the only lock.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if tries_left:
                time.sleep(PAUSE)
            continue
        except OSError:
            return True
        return True
    return False


_held: set[int] = set()  # the descriptors of locked folders


@contextmanager
def _closed_in_children(descriptor: int) -> Iterator[None]:
    """Close a descriptor in forked processes: open there, it would keep the lock."""
    _held.add(descriptor)
    try:
        yield
    finally:
        _held.discard(descriptor)


def _close_held() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_held)
