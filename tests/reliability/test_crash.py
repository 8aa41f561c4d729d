"""Runs that were killed at any moment, and resumed, end with the bytes of an undisturbed run.

`make crash` does more. The last tests are of the crash test itself: it must find what it is for.
"""

import signal
from pathlib import Path

import pytest

from tests.reliability.crash import AT_RANDOM, WITHIN_SAVE, CrashTest, Results
from tests.support import processes
from tests.support.cases import Case, crash_cases, digits_case, write_wide_rows
from tests.support.kill_points import POINTS
from tests.support.processes import (
    check_files,
    outcome,
    run_references,
    start_mlpcli,
    start_python,
    start_training,
    wait_for,
)

KILLS = 25
QUICK = digits_case("momentum", 8)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The results of 25 kills, in one process and in two."""
    folder = tmp_path_factory.mktemp("crash")
    cases = crash_cases(write_wide_rows(folder / "rows.npz"))[1:4]
    return CrashTest(folder).run(KILLS, run_references(cases, folder / "undisturbed"))


def test_every_killed_run_ends_with_the_bytes_of_an_undisturbed_one(results: Results) -> None:
    assert results.problems(KILLS) == []
    assert results.kills.total() == KILLS


def test_the_kills_were_at_every_named_point_and_at_random_times(results: Results) -> None:
    assert [point for point in POINTS if not results.kills[point]] == []
    assert results.kills[AT_RANDOM] + results.kills[WITHIN_SAVE] == KILLS - len(POINTS)


@pytest.fixture
def killed_run(tmp_path: Path, digits_run: Path) -> Path:
    """A run that was killed when a model or a checkpoint was half-written.

    digits_run has put the data set into the cache, which would be written first otherwise.
    """
    words = ("train", *QUICK.words, "--out", tmp_path / "run")
    exited = wait_for(start_mlpcli(*words, kill_at=("half of a write done", 20)))
    assert exited.code == -signal.SIGKILL
    return tmp_path / "run"


def test_a_write_that_is_cut_off_leaves_a_part_and_resuming_removes_it(killed_run: Path) -> None:
    assert any(killed_run.glob(".*.npz.*.part"))
    assert wait_for(start_mlpcli("train", "--resume", killed_run)).code == 0
    assert not any(killed_run.glob(".*.part"))


def test_a_point_that_a_run_does_not_reach_kills_nothing(tmp_path: Path) -> None:
    words = ("train", *QUICK.words, "--out", tmp_path / "run")
    exited = wait_for(start_mlpcli(*words, kill_at=("before the rename", 10**6)))
    assert exited.code == 0


def test_the_crash_test_sees_another_seed_and_a_changed_byte(tmp_path: Path) -> None:
    other = Case("another seed", (*QUICK.words, "--seed", "1"))
    outcomes = []
    for case in (QUICK, other):
        assert wait_for(start_training(case, tmp_path / "run", "--overwrite")).code == 0
        outcomes.append(outcome(tmp_path / "run"))
    assert outcomes[0] != outcomes[1]
    path = tmp_path / "run" / "checkpoint.npz"
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match=r"checkpoint\.npz"):
        check_files(tmp_path / "run")


def test_the_crash_test_sees_a_worker_that_outlives_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "WORKERS_TIMEOUT", 0.2)
    with pytest.raises(AssertionError, match="outlived"):
        wait_for(start_python("-c", "import os, time; os.fork() or time.sleep(60)"))


def test_the_crash_test_fails_if_its_kills_prove_little() -> None:
    results = Results(runs=1)
    results.kills[AT_RANDOM] = 200
    problems = results.problems(200)
    assert "only 0 kills within a save" in problems
    missed = [problem for problem in problems if problem.startswith("never killed: ")]
    assert len(missed) == len(POINTS)
