"""What a process may inherit and could not work with, mended before anything heavy is imported."""

import os
import signal
import sys
from _thread import start_new_thread
from contextlib import suppress
from threading import Semaphore

BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
BLAS_LIBRARIES = 2  # NumPy and SciPy bring an OpenBLAS each,
BLAS_MOST = 64  # with at most so many threads
NO_THREADS = (
    "mlpcli: the system does not let as many threads start as there are cores: "
    "all runs in one thread, and in one process unless --threads says another number."
)


def prepare() -> None:
    """Open closed standard streams, hear signals, and fit the BLAS to the threads there can be."""
    open_standard_streams()
    hear_signals()
    limit_blas()


def open_standard_streams() -> None:
    """Open descriptors 0 to 2 if closed: the next file would get the number, and all messages."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            os.set_inheritable(null, True)


def hear_signals() -> None:
    """Undo that signals are blocked, and that ended children are forgotten before a wait for them.

    Ignored signals stay ignored, as nohup wants it.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def limit_blas() -> None:
    """Limit the BLAS to one thread if the system refuses as many as it would start.

    OpenBLAS would send this process a SIGINT for each thread that it cannot start.
    """
    if any(name in os.environ for name in BLAS_VARIABLES):
        return
    if not can_start(BLAS_LIBRARIES * min(_cores(), BLAS_MOST)):
        os.environ[BLAS_VARIABLES[0]] = "1"
        with suppress(OSError):
            print(NO_THREADS, file=sys.stderr)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def can_start(count: int) -> bool:
    """Whether so many threads can run at once, besides this one."""
    end, ended = Semaphore(0), Semaphore(0)

    def run() -> None:
        end.acquire()
        ended.release()

    started = 0
    try:
        while started < count:
            start_new_thread(run, ())
            started += 1
    except RuntimeError:
        return False
    finally:
        end.release(started or 1)
        for _ in range(started):
            ended.acquire()
    return True
