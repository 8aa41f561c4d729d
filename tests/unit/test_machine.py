"""What the machine offers: where the system says so, where it does not, and in a container."""

import builtins
import os
import subprocess
import sys
from functools import partial
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


# Memory


def test_available_memory_is_part_of_all_memory() -> None:
    assert 0 < machine.available_memory() <= ALL_MEMORY


@pytest.mark.parametrize("content", [None, "MemTotal: 8 kB\n"])
def test_available_memory_is_all_memory_where_the_system_does_not_say(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "meminfo"
    if content:
        meminfo.write_text(content)
    elsewhere = partial(builtins.open, meminfo)
    monkeypatch.setattr(
        machine, "open", lambda path, **options: elsewhere(**options), raising=False
    )
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.available_memory() == ALL_MEMORY


def test_available_memory_is_no_more_than_a_containers_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("4096\n")
    assert machine.available_memory() == 4096


@pytest.mark.parametrize("limit", ["max\n", None])
def test_without_a_containers_limit_available_memory_is_that_of_the_machine(
    limit: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    if limit:
        (tmp_path / "memory.max").write_text(limit)
    assert 2**20 < machine.available_memory() <= ALL_MEMORY


# Cores


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of eight cores whose BLAS may use all; the folder has a container's limits."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "threadpool_info", lambda: [library(8)])
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    return tmp_path


def library(threads: int, user_api: str = "blas", **more: str) -> dict[str, Any]:
    """A library as threadpoolctl describes it."""
    return {
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
    ],
)
def test_cores_are_no_more_than_a_container_has(
    limit: str, expected: int, eight_cores: Path
) -> None:
    (eight_cores / "cpu.max").write_text(limit)
    assert machine.cores() == expected


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("libraries", "expected"),
    [
        pytest.param([library(3)], 3, id="one"),
        pytest.param([library(3), library(5)], 3, id="the smaller of two"),
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
            "openblas 0.3 Zen, openblas 0.3",
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
