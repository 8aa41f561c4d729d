"""What the machine offers: free memory, cores, and the threads of its matrix products.

Linux says so in files; where a file is missing or not as expected, its limit is taken for none.
"""

import os
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

PROC = Path("/proc")
NO_LIMIT = sys.maxsize

# A line of mountinfo: two ids, a device, the group at the root of the mount, the mount's folder.
CGROUP_MOUNT = re.compile(
    r"^\d+ \d+ \S+ (?P<root>\S+) (?P<folder>\S+) .* - (?P<kind>cgroup2?) \S+ (?P<options>\S+)$",
    re.MULTILINE,
)
# The files of a control group, by the names of version 2 and of version 1.
MEMORY_LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes")
MEMORY_USED = ("memory.current", "memory.usage_in_bytes")


def available_memory() -> int:
    """The bytes that this process can allocate now without swapping.

    It is the least of what the machine has free, what each control group that the process is in
    (its container's, its service's) leaves, and what the process's own limits leave. All of the
    machine's memory where the system does not say how much is free.
    """
    available = min(_machine_memory(), _group_memory(), _process_memory())
    return max(0, available)


def _machine_memory() -> int:
    meminfo = _fields(PROC / "meminfo")
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if "MemAvailable" in meminfo:
        free = meminfo["MemAvailable"] * 1024
    overcommit = _number(PROC / "sys/vm/overcommit_memory")
    if overcommit == 2 and "CommitLimit" in meminfo:  # what is promised counts, used or not
        left = meminfo["CommitLimit"] - meminfo.get("Committed_AS", 0)
        free = min(free, left * 1024)
    return free


def _group_memory() -> int:
    return min(map(_memory_left, _control_groups("memory")), default=NO_LIMIT)


def _memory_left(group: Path) -> int:
    """What a control group may still use; the page cache that it can drop counts as free."""
    limits = [_number(group / name) for name in MEMORY_LIMITS]
    limit = min((number for number in limits if number is not None), default=None)
    if limit is None:
        return NO_LIMIT
    used = sum(_number(group / name) or 0 for name in MEMORY_USED)  # one of the two exists
    statistics = _fields(group / "memory.stat")
    # Version 1 counts the groups below in the total alone, version 2 always does.
    cache = statistics.get("total_inactive_file", statistics.get("inactive_file", 0))
    return limit - used + cache


def _process_memory() -> int:
    """What `ulimit -v` and `ulimit -d` leave."""
    address_space = _left_to_process(resource.RLIMIT_AS, 0)
    data = _left_to_process(resource.RLIMIT_DATA, 5)
    return min(address_space, data)


def _left_to_process(kind: int, column: int) -> int:
    """What a limit leaves, given the column of statm that has the pages that it counts."""
    limit, _ = resource.getrlimit(kind)
    if limit == resource.RLIM_INFINITY:
        return NO_LIMIT
    try:
        pages = int(_text(PROC / "self/statm").split()[column])
    except (IndexError, ValueError):
        pages = 0
    return limit - pages * os.sysconf("SC_PAGE_SIZE")


# Cores


def cores() -> int:
    """The number of cores to use: at least 1, and no more than any limit allows.

    The limits are the process's affinity, the quotas of its control groups, and the threads of the
    BLAS, which OPENBLAS_NUM_THREADS and its like set. 1 if the BLAS is not known.
    """
    threads = [library["num_threads"] for library in _numpy_blas()]
    blas_cores = min(threads, default=1)
    return max(1, min(_process_cores(), _group_cores(), blas_cores))


def _process_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _group_cores() -> int:
    return min(map(_quota, _control_groups("cpu")), default=NO_LIMIT)


def _quota(group: Path) -> int:
    """The cores that a control group may use at a time, rounded up."""
    words = _text(group / "cpu.max").split()  # version 2; "max" if there is no quota
    if not words:
        words = [_text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")]
    try:
        quota, period = map(int, words)
    except ValueError:
        return NO_LIMIT
    if quota <= 0 or period <= 0:  # −1 is version 1's word for no quota
        return NO_LIMIT
    return -(-quota // period)


# Control groups and the system's files


def _control_groups(controller: str) -> list[Path]:
    """The folders of the process's own group for a controller, and of every group above it."""
    group_of = _own_groups()
    folders = []
    for mount in CGROUP_MOUNT.finditer(_text(PROC / "self/mountinfo")):
        if mount["kind"] == "cgroup2":
            group = group_of.get("")
        elif controller in mount["options"].split(","):
            group = group_of.get(controller)
        else:
            continue
        if group is not None:
            folder = Path(_unescaped(mount["folder"]))
            folders += _upwards(folder, _unescaped(mount["root"]), group)
    return folders


def _own_groups() -> dict[str, str]:
    """The process's own group for each controller of version 1; for "", that of version 2."""
    group_of = {}
    for line in _text(PROC / "self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        for controller in controllers.split(","):
            group_of[controller] = group
    return group_of


def _upwards(folder: Path, root: str, group: str) -> list[Path]:
    """The folders from a group up to the mount, whose own folder is that of the group `root`.

    Of a group that is not under `root`, or outside the container's view, only the mount's.
    """
    if not PurePosixPath(group).is_relative_to(root):
        return [folder]
    below = PurePosixPath(group).relative_to(root)
    if ".." in below.parts:
        return [folder]
    return [folder / below, *(folder / parent for parent in below.parents)]


def _unescaped(path: str) -> str:
    r"""A path of mountinfo, which writes a space as \040."""
    return re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), path)


def _fields(path: Path) -> dict[str, int]:
    """The numbers by name of a file that has a name and a number on each line."""
    numbers = {}
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) > 1 and words[1].isdecimal():
            name = words[0].rstrip(":")
            numbers[name] = int(words[1])
    return numbers


def _number(path: Path) -> int | None:
    """The number that a file holds, or None if it holds none."""
    try:
        return int(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    """The text of a file, "" if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


# The BLAS


def blas() -> str:
    """The library that multiplies NumPy's matrices, its version, and the processor its code is for.

    "?" if it is not known.
    """
    names = [_library_name(library) for library in _numpy_blas()]
    return ", ".join(sorted(names)) or "?"


def _library_name(library: dict[str, Any]) -> str:
    architecture = library.get("architecture", "")
    return f"{library['internal_api']} {library['version']} {architecture}".strip()


def _numpy_blas() -> list[dict[str, Any]]:
    """What threadpoolctl knows of the BLAS that NumPy loaded; nothing of Apple's Accelerate.

    That is the library in NumPy's own folders, or else one that belongs to no Python package:
    SciPy may have brought another. All of them if that does not tell.
    """
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    bundled = [library for library in libraries if _is_numpys(library)]
    shared = [library for library in libraries if not _is_in_a_package(library)]
    return bundled or shared or libraries


def _is_numpys(library: dict[str, Any]) -> bool:
    package = os.path.realpath(os.path.dirname(np.__file__))
    path = Path(os.path.realpath(library["filepath"]))
    return path.is_relative_to(package) or path.is_relative_to(f"{package}.libs")


def _is_in_a_package(library: dict[str, Any]) -> bool:
    folders = Path(library["filepath"]).parts
    return "site-packages" in folders or "dist-packages" in folders


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Run NumPy's matrix products on this many threads, within the `with` block."""
    with threadpool_limits(threads, "blas"):
        yield
