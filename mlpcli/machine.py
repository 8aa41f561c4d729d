"""What the machine offers: free memory, cores, and the threads of its matrix products."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info, threadpool_limits

CGROUP = Path("/sys/fs/cgroup")  # a container's limits


def available_memory() -> int:
    """The bytes that can be allocated now without swapping, within a container's limit if any.

    All of the machine's memory where the system does not say how much is free.
    """
    return min(_free_memory(), _container_memory())


def _container_memory() -> int:
    try:
        return int((CGROUP / "memory.max").read_text("ascii"))
    except (OSError, ValueError):  # not in a container, or without a limit
        return sys.maxsize


def _free_memory() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def cores() -> int:
    """The number of cores to use: at least 1, and no more than any limit allows.

    The limits are the process's affinity, a container's quota, and the threads of the BLAS, which
    OPENBLAS_NUM_THREADS and its like set. 1 if the BLAS is not known.
    """
    threads = [library["num_threads"] for library in _blas_libraries()]
    blas_cores = min(threads, default=1)
    return max(1, min(_process_cores(), _container_cores(), blas_cores))


def _process_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _container_cores() -> int:
    try:
        quota, period = (CGROUP / "cpu.max").read_text("ascii").split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # not in a container, or without a limit
        return sys.maxsize


def _blas_libraries() -> list[dict[str, Any]]:
    """What threadpoolctl knows of each BLAS in use; nothing of Apple's Accelerate."""
    return [library for library in threadpool_info() if library["user_api"] == "blas"]


def blas() -> str:
    """The library that multiplies matrices, its version, and the processor its code is for.

    "?" if it is not known.
    """
    names = [_library_name(library) for library in _blas_libraries()]
    return ", ".join(names) or "?"


def _library_name(library: dict[str, Any]) -> str:
    architecture = library.get("architecture", "")
    return f"{library['internal_api']} {library['version']} {architecture}".strip()


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Run NumPy's matrix products on this many threads, within the `with` block."""
    with threadpool_limits(threads, "blas"):
        yield
