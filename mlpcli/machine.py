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
    """Bytes that could be allocated now without swapping, as far as the system and a container's limit tell."""
    return min(_free_memory(), _container_memory())


def _container_memory() -> int:
    try:
        return int((CGROUP / "memory.max").read_text("ascii"))
    except (OSError, ValueError):  # not in a container, or without a limit
        return sys.maxsize


def _free_memory() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(
                int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")
            )
    except (OSError, StopIteration):  # not Linux: all the memory there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _blas() -> list[dict[str, Any]]:
    """What is known of each BLAS library in use; nothing where it is Apple's."""
    return [library for library in threadpool_info() if library["user_api"] == "blas"]


def cores() -> int:
    """Cores that may be used: by this process's affinity, by a container's limit, and by the BLAS's own settings.

    OPENBLAS_NUM_THREADS and its like are such settings. 1 where the BLAS is not known.
    """
    affinity = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    threads: list[int] = [library["num_threads"] for library in _blas()] or [1]
    return max(1, min(affinity, _container_cores(), *threads))


def _container_cores() -> int:
    try:
        quota, period = (CGROUP / "cpu.max").read_text("ascii").split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # not in a container, or without a limit
        return sys.maxsize


def blas() -> str:
    """The library that multiplies matrices, its version and the processor that its code is for."""
    return (
        ", ".join(
            f"{b['internal_api']} {b['version']} {b.get('architecture', '')}".strip()
            for b in _blas()
        )
        or "?"
    )


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Inside it, NumPy's matrix products run on so many threads."""
    with threadpool_limits(threads, "blas"):
        yield
