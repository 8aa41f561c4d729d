"""What the machine offers: where the system says so, where it does not, and in a container."""

import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from mlpcli import machine

ALL_MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def known_blas() -> bool:
    """Whether NumPy's matrix products are those of a library that threadpoolctl knows."""
    np.ones((2, 2)) @ np.ones((2, 2))
    return any(library["user_api"] == "blas" for library in threadpool_info())


needs_known_blas = pytest.mark.skipif(
    not known_blas(), reason="the BLAS of this NumPy is not known"
)


@dataclass
class System:
    """A Linux of its own below a folder: /proc, and the mounts of control groups."""

    root: Path

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def version2(self, group: str, root: str = "/", folder: str = "cgroup") -> None:
        """Put the process into a group of version 2; the mount shows the groups from `root` on."""
        self.mount("cgroup2", root, folder, "rw,nsdelegate")
        self.write("proc/self/cgroup", f"0::{group}\n")

    def version1(self, controllers: str, group: str, root: str = "/") -> None:
        """Put the process into a group of some controllers of version 1, beside those before."""
        self.mount("cgroup", root, f"cgroup/{controllers}", f"rw,{controllers}")
        self.append("proc/self/cgroup", f"4:{controllers}:{group}\n")

    def mount(self, kind: str, root: str, folder: str, options: str) -> None:
        place = str(self.root / folder).replace(" ", r"\040")
        line = f"31 23 0:28 {root} {place} rw,relatime shared:9 - {kind} cgroup {options}\n"
        self.append("proc/self/mountinfo", line)

    def append(self, name: str, line: str) -> None:
        path = self.root / name
        before = path.read_text() if path.exists() else "21 1 0:5 / / rw - ext4 /dev/sda rw\n"
        self.write(name, before + line)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """A system that says nothing yet."""
    monkeypatch.setattr(machine, "PROC", tmp_path / "proc")
    return System(tmp_path)


# Memory

MIB = 2**20


def test_available_memory_is_part_of_all_memory() -> None:
    assert 0 < machine.available_memory() <= ALL_MEMORY


@pytest.mark.parametrize("content", [None, "", "\n", "MemTotal: 8 kB\n", "MemAvailable: x kB\n"])
def test_available_memory_is_all_memory_where_the_system_does_not_say(
    content: str | None, system: System
) -> None:
    if content is not None:
        system.write("proc/meminfo", content)
    assert machine.available_memory() == ALL_MEMORY


def test_available_memory_is_what_the_system_says() -> None:
    """The system's own figure moves, so the test reads it before and after."""
    figures = []
    for _ in range(2):
        (line,) = re.findall(r"^MemAvailable: +(\d+) kB$", meminfo(), re.MULTILINE)
        figures.append(int(line) * 1024)
        figures.append(machine.available_memory())
    assert min(figures) > 0.5 * max(figures)


def meminfo() -> str:
    path = Path("/proc/meminfo")
    if not path.exists():
        pytest.skip("not Linux")
    return path.read_text()


def test_without_overcommitment_memory_that_is_promised_is_not_available(system: System) -> None:
    system.write(
        "proc/meminfo", "MemAvailable: 9000 kB\nCommitLimit: 8000 kB\nCommitted_AS: 7000 kB\n"
    )
    assert machine.available_memory() == 9000 * 1024
    system.write("proc/sys/vm/overcommit_memory", "2\n")
    assert machine.available_memory() == 1000 * 1024


# Memory of control groups


@pytest.mark.parametrize(
    ("tight", "expected"),
    [("", 60), ("/pods", 60), ("/pods/one", 60), ("/pods/one/worker", 60)],
    ids=["the mount's", "a grandparent", "a parent", "its own"],
)
def test_the_tightest_of_all_groups_above_the_process_counts(
    tight: str, expected: int, system: System
) -> None:
    system.version2("/pods/one/worker")
    for group in ("", "/pods", "/pods/one", "/pods/one/worker"):
        limit = 100 if group == tight else 900
        system.write(f"cgroup{group}/memory.max", f"{limit * MIB}\n")
        system.write(f"cgroup{group}/memory.current", f"{40 * MIB}\n")
    assert machine.available_memory() == expected * MIB


def test_what_a_group_uses_already_is_not_available_but_for_page_cache(system: System) -> None:
    system.version2("/a")
    system.write("cgroup/a/memory.max", f"{100 * MIB}\n")
    assert machine.available_memory() == 100 * MIB
    system.write("cgroup/a/memory.current", f"{70 * MIB}\n")
    assert machine.available_memory() == 30 * MIB
    system.write("cgroup/a/memory.stat", f"anon {5 * MIB}\ninactive_file {20 * MIB}\n")
    assert machine.available_memory() == 50 * MIB


def test_a_group_that_is_full_leaves_nothing_and_never_less(system: System) -> None:
    system.version2("/a")
    system.write("cgroup/a/memory.max", f"{100 * MIB}\n")
    system.write("cgroup/a/memory.current", f"{101 * MIB}\n")
    assert machine.available_memory() == 0


def test_the_limit_from_which_on_a_group_is_slowed_down_counts_too(system: System) -> None:
    system.version2("/a")
    system.write("cgroup/a/memory.max", f"{100 * MIB}\n")
    system.write("cgroup/a/memory.high", f"{80 * MIB}\n")
    system.write("cgroup/a/memory.current", f"{10 * MIB}\n")
    assert machine.available_memory() == 70 * MIB


def test_groups_beside_and_below_the_process_do_not_count(system: System) -> None:
    system.version2("/a")
    system.write("cgroup/a/memory.max", "max\n")
    system.write("cgroup/b/memory.max", "4096\n")
    system.write("cgroup/a/below/memory.max", "4096\n")
    assert machine.available_memory() == ALL_MEMORY


@pytest.mark.parametrize("group", ["", "/docker/one", "/docker"])
def test_version_1_has_its_own_names_and_its_own_hierarchy(group: str, system: System) -> None:
    system.version1("cpu,cpuacct", "/elsewhere")
    system.version1("memory", "/docker/one")
    for each in ("", "/docker", "/docker/one"):
        limit = 100 * MIB if each == group else 2**63 - 4096  # version 1's word for no limit
        system.write(f"cgroup/memory{each}/memory.limit_in_bytes", f"{limit}\n")
        system.write(f"cgroup/memory{each}/memory.usage_in_bytes", f"{70 * MIB}\n")
        system.write(
            f"cgroup/memory{each}/memory.stat",
            f"inactive_file {MIB}\ntotal_inactive_file {20 * MIB}\n",
        )
    system.write("cgroup/memory/elsewhere/memory.limit_in_bytes", "4096\n")
    assert machine.available_memory() == 50 * MIB


def test_both_versions_at_once_count(system: System) -> None:
    system.version1("memory", "/one")
    system.mount("cgroup2", "/", "cgroup/unified", "rw")
    system.append("proc/self/cgroup", "0::/two\n")
    system.write("cgroup/memory/one/memory.limit_in_bytes", f"{100 * MIB}\n")
    assert machine.available_memory() == 100 * MIB
    system.write("cgroup/unified/two/memory.max", f"{60 * MIB}\n")
    assert machine.available_memory() == 60 * MIB


@pytest.mark.parametrize(
    ("root", "group", "own"),
    [
        pytest.param("/docker/one", "/docker/one", "", id="a container sees its own group as root"),
        pytest.param("/docker/one", "/docker/one/job", "/job", id="and groups below it"),
        pytest.param("/docker/one", "/", "", id="but not where it is itself"),
        pytest.param("/", "/../other", "", id="a group outside of the namespace"),
        pytest.param("/docker/one", "/docker/oneself", "", id="a name that begins alike"),
    ],
)
def test_a_mount_may_show_a_part_of_the_groups(
    root: str, group: str, own: str, system: System
) -> None:
    system.version2(group, root=root)
    system.write(f"cgroup{own}/memory.max", f"{100 * MIB}\n")
    assert machine.available_memory() == 100 * MIB


def test_groups_may_be_mounted_at_any_place(system: System) -> None:
    system.version2("/with space", folder="my groups")
    system.write("my groups/with space/memory.max", f"{100 * MIB}\n")
    assert machine.available_memory() == 100 * MIB


def test_a_group_that_has_been_removed_leaves_those_above_it(system: System) -> None:
    system.version2("/a/gone")
    system.write("cgroup/a/memory.max", f"{100 * MIB}\n")
    assert machine.available_memory() == 100 * MIB


@pytest.mark.parametrize("limit", ["max\n", "", "nonsense\n", "9" * 5000])
def test_a_limit_that_is_no_number_is_none(limit: str, system: System) -> None:
    system.version2("/a")
    system.write("cgroup/a/memory.max", limit)
    system.write("cgroup/a/memory.current", "9" * 30)
    assert machine.available_memory() == ALL_MEMORY


@pytest.mark.parametrize("text", ["", "\n", "nonsense", "0::", "::::", "1:memory"])
def test_a_process_whose_groups_are_not_told_has_no_limit(text: str, system: System) -> None:
    system.version2("/")
    system.write("proc/self/cgroup", text)
    assert machine.available_memory() == ALL_MEMORY


# Memory of the process


@pytest.mark.parametrize(("kind", "pages"), [("RLIMIT_AS", 300), ("RLIMIT_DATA", 200)])
def test_a_limit_of_the_process_counts_less_what_it_has(
    kind: str, pages: int, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    limited = getattr(resource, kind)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    limits = {limited: (1000 * page, resource.RLIM_INFINITY)}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits.get(kind, unlimited))
    assert machine.available_memory() == 1000 * page
    system.write("proc/self/statm", "300 90 20 5 0 200 0\n")
    assert machine.available_memory() == (1000 - pages) * page
    system.write("proc/self/statm", "nonsense")
    assert machine.available_memory() == 1000 * page


@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_what_is_available_under_a_real_limit_can_be_allocated_and_no_more(kind: str) -> None:
    meminfo()
    program = f"""
import resource, numpy
from mlpcli import machine
pages = [int(pages) for pages in open("/proc/self/statm").read().split()]
used = pages[0] * resource.getpagesize()
resource.setrlimit(resource.{kind}, (used + 2**28, resource.RLIM_INFINITY))
free = machine.available_memory()
numpy.zeros(int(0.9 * free), "u1")
try:
    numpy.zeros(free + 2**26, "u1")
except MemoryError:
    print(free)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 0


# Cores


@pytest.fixture
def eight_cores(system: System, monkeypatch: pytest.MonkeyPatch) -> System:
    """A machine of eight cores whose BLAS may use all, without control groups yet."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "threadpool_info", lambda: [library(8)])
    return system


NUMPY = Path(np.__file__).parent
SYSTEMS = "/usr/lib/libopenblas.so"
NUMPYS = f"{NUMPY}.libs/libscipy_openblas64_.so"
SCIPYS = str(NUMPY.parent / "scipy.libs/libscipy_openblas.so")


def library(
    threads: int, user_api: str = "blas", filepath: str = SYSTEMS, **more: str
) -> dict[str, Any]:
    """A library as threadpoolctl describes it."""
    return {
        "filepath": filepath,
        "user_api": user_api,
        "internal_api": "openblas",
        "version": "0.3",
        "num_threads": threads,
        **more,
    }


@pytest.mark.usefixtures("eight_cores")
def test_all_cores_are_used_where_nothing_forbids_it() -> None:
    assert machine.cores() == 8


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize("allowed", [{3}, {0, 5}, {1, 2, 3, 4, 5}])
def test_cores_are_those_that_the_process_may_run_on(
    allowed: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: allowed)
    assert machine.cores() == len(allowed)


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_where_there_is_no_affinity_cores_are_those_of_the_machine(
    count: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert machine.cores() == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("9900000 100000\n", 8),
        ("nonsense\n", 8),
        ("200000 0\n", 8),
        ("200000\n", 8),
    ],
)
@pytest.mark.parametrize("group", ["", "/pods", "/pods/one"])
def test_cores_are_no_more_than_any_group_has(
    group: str, limit: str, expected: int, eight_cores: System
) -> None:
    eight_cores.version2("/pods/one")
    for each in ("", "/pods", "/pods/one"):
        eight_cores.write(f"cgroup{each}/cpu.max", "700000 100000\n")
    eight_cores.write(f"cgroup{group}/cpu.max", limit)
    assert machine.cores() == min(expected, 7)


@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [("-1", "100000", 8), ("200000", "100000", 2), ("50000", "100000", 1), ("1", "0", 8)],
)
@pytest.mark.parametrize("group", ["", "/docker", "/docker/one"])
def test_a_quota_of_version_1_counts_in_every_group_above_the_process(
    group: str, quota: str, period: str, expected: int, eight_cores: System
) -> None:
    eight_cores.version1("cpu,cpuacct", "/docker/one")
    eight_cores.write(f"cgroup/cpu,cpuacct{group}/cpu.cfs_quota_us", f"{quota}\n")
    eight_cores.write(f"cgroup/cpu,cpuacct{group}/cpu.cfs_period_us", f"{period}\n")
    assert machine.cores() == expected


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("libraries", "expected"),
    [
        pytest.param([library(3)], 3, id="one"),
        pytest.param([library(3), library(5)], 3, id="the smaller of two"),
        pytest.param(
            [library(3, filepath=SCIPYS), library(5, filepath=NUMPYS)], 5, id="NumPy's alone"
        ),
        pytest.param([library(4), library(1, "openmp")], 4, id="other kinds do not count"),
        pytest.param([library(4, "openmp")], 1, id="only other kinds"),
        pytest.param([], 1, id="none that is known"),
    ],
)
def test_cores_are_no_more_than_the_blas_may_use_and_1_where_it_is_not_known(
    libraries: list[dict[str, Any]], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "threadpool_info", lambda: libraries)
    assert machine.cores() == expected


def cores_of_a_new_process(**variables: str) -> int:
    """The cores that a process sees whose environment sets threads by these variables alone."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    program = "import numpy; from mlpcli import machine; print(machine.cores())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@needs_known_blas
def test_the_environment_may_lower_the_number_of_cores() -> None:
    variables = {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "BLIS_NUM_THREADS": "1",
    }
    assert cores_of_a_new_process(**variables) == 1


@needs_known_blas
def test_without_such_a_variable_the_cores_are_those_of_the_process() -> None:
    affinity = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        affinity = len(os.sched_getaffinity(0))
    assert 1 <= cores_of_a_new_process() <= affinity


# The BLAS


@pytest.mark.parametrize(
    ("libraries", "name"),
    [
        ([library(1, architecture="Zen")], "openblas 0.3 Zen"),
        ([library(1)], "openblas 0.3"),
        (
            [library(1, architecture="Zen"), library(1, "openmp"), library(1)],
            "openblas 0.3, openblas 0.3 Zen",
        ),
        ([library(1, "openmp")], "?"),
        ([], "?"),
    ],
)
def test_the_blas_is_named_with_its_version_and_processor(
    libraries: list[dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "threadpool_info", lambda: libraries)
    assert machine.blas() == name


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        pytest.param([NUMPYS], "0", id="NumPy's"),
        pytest.param([SCIPYS, NUMPYS], "1", id="NumPy's beside SciPy's"),
        pytest.param([NUMPYS, SCIPYS], "0", id="in any order"),
        pytest.param([f"{NUMPY}/.dylibs/libopenblas.dylib", SCIPYS], "0", id="inside of NumPy"),
        pytest.param([SCIPYS, SYSTEMS], "1", id="the system's beside SciPy's"),
        pytest.param(["/home/u/site-packages/torch/lib/libmkl_rt.so", SYSTEMS], "1", id="torch's"),
        pytest.param([SYSTEMS, NUMPYS], "1", id="NumPy's beside the system's"),
        pytest.param([SYSTEMS], "0", id="one that NumPy and SciPy share"),
        pytest.param([SCIPYS], "0", id="one that is all there is"),
        pytest.param([f"{NUMPY.parent}/numpy_extra/libblas.so", NUMPYS], "1", id="a like name"),
    ],
)
def test_the_blas_is_numpys_alone(
    paths: list[str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = [library(1, filepath=path, version=str(n)) for n, path in enumerate(paths)]
    monkeypatch.setattr(machine, "threadpool_info", lambda: libraries)
    assert machine.blas() == f"openblas {named}"


def test_where_numpys_blas_cannot_be_told_the_order_of_loading_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    libraries = [library(1, version="2"), library(1, version="1")]
    names = set()
    for loaded in (libraries, libraries[::-1]):
        monkeypatch.setattr(machine, "threadpool_info", lambda loaded=loaded: loaded)
        names.add(machine.blas())
    assert names == {"openblas 1, openblas 2"}


@pytest.mark.parametrize("module", ["scipy.linalg", "sklearn.datasets"])
def test_the_blas_is_the_same_before_and_after_another_package_is_imported(module: str) -> None:
    """As in a first run, which fetches its data by scikit-learn, and the run that resumes it."""
    program = f"from mlpcli.machine import blas; print(blas()); import {module}; print(blas())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    before, after = done.stdout.splitlines()
    assert before == after


def threads_of_products() -> set[int]:
    libraries = threadpool_info()
    return {library["num_threads"] for library in libraries if library["user_api"] == "blas"}


@needs_known_blas
def test_products_run_on_so_many_threads_inside_and_on_as_many_as_before_after_it() -> None:
    with threadpool_limits(2, "blas"):
        before = threads_of_products()
        with machine.blas_threads(1):
            assert threads_of_products() == {1}
        assert threads_of_products() == before
        with pytest.raises(ZeroDivisionError), machine.blas_threads(1):
            raise ZeroDivisionError
        assert threads_of_products() == before
