"""Runs that were killed at any moment, and resumed, end with the bytes of a run that never was; `make crash` does more.

Tests of the harness itself stand at the end: one that finds nothing must be one that would have found something.
"""

import signal
from pathlib import Path

import pytest

from tests.reliability.crash import LEFT, POINTS, RANDOM, Killing, Tally
from tests.support.processes import (
    Case,
    cases,
    check_files,
    digits,
    ended,
    outcome,
    python,
    start,
    train,
    undisturbed,
    write_wide_rows,
)

KILLS = 25
QUICK = digits("momentum", 8)


@pytest.fixture(scope="module")
def tally(tmp_path_factory: pytest.TempPathFactory) -> Tally:
    """What became of 25 kills, in one process and in two."""
    folder = tmp_path_factory.mktemp("crash")
    rows = write_wide_rows(folder / "rows.npz")
    return Killing(folder).until(KILLS, undisturbed(cases(rows)[1:4], folder / "undisturbed"))


def test_every_killed_run_ends_with_the_bytes_of_an_undisturbed_one(tally: Tally) -> None:
    assert tally.problems(KILLS) == []
    assert tally.kills.total() == KILLS


def test_the_kills_were_at_every_named_point_and_at_random_times(tally: Tally) -> None:
    assert [point for point in POINTS if not tally.kills[point]] == []
    assert tally.kills[RANDOM] + tally.kills[LEFT] == KILLS - len(POINTS)


@pytest.fixture
def folder(tmp_path: Path, digits_run: Path) -> Path:
    """A run that was killed when a checkpoint was half-written; another one has put the data set into the cache."""
    done = ended(
        start("train", *QUICK.words, "--out", tmp_path / "run", trap=("half of a write done", 20))
    )
    assert done.code == -signal.SIGKILL
    return tmp_path / "run"


def test_a_write_that_is_cut_off_leaves_a_part_and_resuming_clears_it_away(folder: Path) -> None:
    assert any(folder.glob(".checkpoint.npz.*.part"))
    assert ended(start("train", "--resume", folder)).code == 0
    assert not any(folder.glob(".*.part"))


def test_a_point_that_a_run_never_comes_to_kills_nothing(tmp_path: Path) -> None:
    assert (
        ended(
            start(
                "train", *QUICK.words, "--out", tmp_path / "run", trap=("before the rename", 10**6)
            )
        ).code
        == 0
    )


def test_the_harness_sees_another_seed_and_a_changed_byte(tmp_path: Path) -> None:
    other = Case("another seed", (*QUICK.words, "--seed", "1"))
    outcomes = []
    for case in (QUICK, other):
        assert ended(train(case, tmp_path / "run", "--overwrite")).code == 0
        outcomes.append(outcome(tmp_path / "run"))
    assert outcomes[0] != outcomes[1]
    whole = (tmp_path / "run" / "checkpoint.npz").read_bytes()
    (tmp_path / "run" / "checkpoint.npz").write_bytes(
        bytes([*whole[:200], whole[200] ^ 1, *whole[201:]])
    )
    with pytest.raises(Exception, match=r"checkpoint\.npz"):
        check_files(tmp_path / "run")


def test_the_harness_sees_a_worker_that_outlives_its_process() -> None:
    with pytest.raises(AssertionError, match="outlived"):
        ended(python("-c", "import os, time; os.fork() or time.sleep(60)"))


def test_the_harness_fails_a_run_of_kills_that_proves_little() -> None:
    tally = Tally(runs=1)
    tally.kills[RANDOM] = 200
    assert "only 0 kills within a save" in tally.problems(200)
    assert sum(problem.startswith("never killed: ") for problem in tally.problems(200)) == len(
        POINTS
    )
