"""What the machine offers, where the system tells it, where it does not, and where a container limits it."""

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


def known_blas() -> bool:
    """Whether NumPy's matrix products are those of a library that threadpoolctl knows."""
    np.ones((2, 2)) @ np.ones((2, 2))
    return any(known["user_api"] == "blas" for known in threadpool_info())


# Memory


def test_available_memory_is_part_of_all_memory() -> None:
    assert (
        0 < machine.available_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    )


@pytest.mark.parametrize("content", [None, "MemTotal: 8 kB\n"])
def test_available_memory_is_all_memory_where_the_system_does_not_tell(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "meminfo"
    if content:
        told.write_text(content)
    elsewhere = partial(builtins.open, told)
    monkeypatch.setattr(
        machine, "open", lambda path, **options: elsewhere(**options), raising=False
    )
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.available_memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("limit", "expected"), [("4096\n", 4096), ("max\n", None), (None, None)])
def test_available_memory_is_no_more_than_a_containers_limit(
    limit: str | None, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    if limit:
        (tmp_path / "memory.max").write_text(limit)
    assert (
        machine.available_memory() == expected if expected else machine.available_memory() > 2**20
    )


# Cores


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of eight cores whose BLAS may use all of them; the folder is where a container's limits are told."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "threadpool_info", lambda: [library(8)])
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    return tmp_path


def library(threads: int, user_api: str = "blas", **more: str) -> dict[str, Any]:
    """What threadpoolctl says of a library."""
    return {
        "user_api": user_api,
        "internal_api": "openblas",
        "version": "0.3",
        "num_threads": threads,
    } | more


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
@pytest.mark.parametrize(("told", "expected"), [(6, 6), (None, 1)])
def test_where_there_is_no_affinity_cores_are_those_of_the_machine(
    told: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: told)
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
        ([library(3)], 3),
        ([library(3), library(5)], 3),
        ([library(4), library(1, "openmp")], 4),
        ([library(4, "openmp")], 1),
        ([], 1),
    ],
    ids=[
        "one",
        "the smaller of two",
        "other kinds do not count",
        "only other kinds",
        "none that is known",
    ],
)
def test_cores_are_no_more_than_the_blas_may_use_and_1_where_it_is_not_known(
    libraries: list[dict[str, Any]], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "threadpool_info", lambda: libraries)
    assert machine.cores() == expected


@pytest.mark.skipif(not known_blas(), reason="the BLAS of this NumPy is not known")
@pytest.mark.parametrize("threads", ["1", None])
def test_the_environment_may_lower_the_number_of_cores(threads: str | None) -> None:
    """What threadpoolctl itself is told, by a process of its own."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= dict.fromkeys(names, threads) if threads else {}
    program = "import numpy, os; from mlpcli import machine; print(machine.cores())"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    affinity = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    assert int(done.stdout) == 1 if threads else 1 <= int(done.stdout) <= affinity


# The BLAS


@pytest.mark.parametrize(
    ("libraries", "said"),
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
    libraries: list[dict[str, Any]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "threadpool_info", lambda: libraries)
    assert machine.blas() == said


def threads_of_products() -> set[int]:
    return {known["num_threads"] for known in threadpool_info() if known["user_api"] == "blas"}


@pytest.mark.skipif(not known_blas(), reason="the BLAS of this NumPy is not known")
def test_products_run_on_so_many_threads_inside_and_on_as_many_as_before_after_it() -> None:
    with threadpool_limits(2, "blas"):
        before = threads_of_products()
        with machine.blas_threads(1):
            assert threads_of_products() == {1}
        assert threads_of_products() == before
        with pytest.raises(ZeroDivisionError), machine.blas_threads(1):
            raise ZeroDivisionError
        assert threads_of_products() == before
