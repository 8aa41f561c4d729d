"""Disks that fail: whichever call that writes fails, the run reports it, and can be resumed."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from mlpcli.storage import checkpoint, modelfile
from mlpcli.storage.writing import write_npz
from mlpcli.training import observers
from tests.support.command import Command, write_csv
from tests.support.failing_disk import FailingDisk
from tests.support.processes import half_written, outcome

ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS]
CALLS = {
    "fsync",
    "fchmod",
    "replace",
    "unlink",
    "mkdir",
    "rmdir",
    "make",
    "write",
    "flush",
    "append",
}
Words = tuple[object, ...]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingDisk:
    """A disk, and runs that are saved as often at any speed."""
    monkeypatch.setattr(observers, "MAX_SAVING_SHARE", 1e9)
    return FailingDisk(monkeypatch)


@pytest.fixture
def words(tmp_path: Path) -> Words:
    """The command of a small run, but for its folder."""
    sizes = ("--epochs", "2", "--hidden", "2", "--batch-size", "32")
    rows = write_csv(tmp_path / "rows.csv", rows=40, features=2)
    return ("train", "--data", rows, *sizes, "--quiet")


def train_until_it_fails(command: Command, disk: FailingDisk, words: Words, folder: Path) -> Any:
    """Run the command on a disk that breaks, and check its message and its checkpoint."""
    written = []

    def write_and_note(*args: Any, **options: Any) -> None:
        write_npz(*args, **options)
        written.append(True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "write_npz", write_and_note)
        done = command(*words)
    if not disk.failed:
        return done
    calls = disk.calls[: disk.fails_at]
    if calls[-1] == "rmdir":  # the last call: an emptied folder that stays is in nobody's way
        assert (done.exit_code, len(disk.calls)) == (0, disk.fails_at), calls
        return done
    assert done.exit_code == 2, calls
    check_message(done.stderr, disk, folder)
    disk.mend()
    if written:
        assert checkpoint.load(folder).state.epoch > 0, calls
    return done


def check_message(stderr: str, disk: FailingDisk, folder: Path) -> None:
    """One line, which names the folder and gives the system's reason."""
    (line,) = stderr.splitlines()
    assert line.startswith("mlpcli: ")
    assert os.strerror(disk.error) in line
    assert folder.name in line


def go_on(command: Command, words: Words, folder: Path) -> None:
    """Do as a user would: resume the run, or start it again if it had not begun."""
    if (folder / "config.toml").exists():
        done = command("train", "--resume", folder, "--quiet")
    else:
        done = command(*words, "--out", folder)
    assert done.exit_code == 0, done.stderr
    assert not half_written(folder)


def test_every_call_that_writes_is_among_those_that_are_made_to_fail(
    command: Command, disk: FailingDisk, words: Words
) -> None:
    disk.mend()
    assert command(*words, "--out", "run").exit_code == 0
    command(*words, "--out", "run", "--overwrite")
    assert set(disk.calls) == CALLS
    assert len(disk.calls) > 200


# A new run


def fail_at_each_call(
    command: Command,
    disk: FailingDisk,
    words: Words,
    folder: Path,
    every: int,
    break_at: Callable[[int], None],
) -> None:
    """Break the disk at one call after the other; each time the run must reach the same bytes."""
    disk.mend()
    assert command(*words, "--out", "whole").exit_code == 0
    whole, calls = outcome(folder / "whole"), disk.distinct_calls()
    run = folder / "run"
    assert len(calls) > 70
    for call in calls[::every]:
        break_at(call)
        done = train_until_it_fails(command, disk, (*words, "--out", "run"), run)
        assert done.exit_code == 2
        go_on(command, words, run)
        assert outcome(run) == whole, call
        shutil.rmtree(run)
    break_at(10**6)
    done = train_until_it_fails(command, disk, (*words, "--out", "run"), run)
    assert done.exit_code == 0


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_wherever_a_disk_fails_once_the_run_can_be_resumed_to_the_same_bytes(
    error: int, command: Command, disk: FailingDisk, words: Words, tmp_path: Path
) -> None:
    every = 1 if error == errno.ENOSPC else 5  # the sentence is the only difference between them

    def break_at(call: int) -> None:
        disk.fail_at(call, error)

    fail_at_each_call(command, disk, words, tmp_path, every, break_at)


def test_wherever_a_disk_is_full_from_then_on_the_run_can_be_resumed_to_the_same_bytes(
    command: Command, disk: FailingDisk, words: Words, tmp_path: Path
) -> None:
    def break_at(call: int) -> None:
        disk.fail_at(call, stays_broken=True)

    fail_at_each_call(command, disk, words, tmp_path, 3, break_at)


# A run that is there


def test_wherever_a_disk_fails_while_a_run_goes_on_it_can_be_resumed_once_more(
    command: Command, disk: FailingDisk, words: Words, tmp_path: Path
) -> None:
    one_epoch = ("--epochs", "1", "--set", "optimizer.schedule=constant")
    more_epochs = ("--epochs", "2", "--quiet")
    assert command(*words, "--out", "first", *one_epoch).exit_code == 0
    shutil.copytree("first", "extended")
    disk.mend()
    assert command("train", "--resume", "extended", *more_epochs).exit_code == 0
    extended = outcome(tmp_path / "extended")
    run = tmp_path / "run"
    for call in disk.distinct_calls()[::2]:
        shutil.copytree("first", run)
        disk.fail_at(call, ERRORS[call % 4])
        resume = ("train", "--resume", "run", *more_epochs)
        assert train_until_it_fails(command, disk, resume, run).exit_code == 2
        assert checkpoint.load(run).state.epoch >= 1
        assert command(*resume).exit_code == 0
        assert outcome(run) == extended, call
        assert not half_written(run)
        shutil.rmtree(run)


def test_wherever_a_disk_fails_while_a_run_is_replaced_there_is_a_model_before_and_after(
    command: Command, disk: FailingDisk, words: Words, tmp_path: Path
) -> None:
    disk.mend()
    assert command(*words, "--out", "old", "--seed", "1").exit_code == 0
    assert command(*words, "--out", "whole").exit_code == 0
    whole = outcome(tmp_path / "whole")
    replace = (*words, "--out", "run", "--overwrite")
    call, failed = 1, True
    while failed:
        shutil.copytree("old", "run")
        disk.fail_at(call, ERRORS[call % 4])
        done = train_until_it_fails(command, disk, replace, tmp_path / "run")
        failed = done.exit_code != 0
        models = [modelfile.load(path) for path in (tmp_path / "run").rglob("model.npz")]
        assert models, disk.calls
        disk.mend()
        done = command(*replace)
        assert done.exit_code == 0, done.stderr
        assert outcome(tmp_path / "run") == whole
        for folder in tmp_path.glob("run*"):
            shutil.rmtree(folder)
        call += 1 if call < 12 else 11  # the first calls move the old files away


def test_a_lock_that_cannot_be_had_is_reported(
    command: Command, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    done = command(*words, "--out", "run")
    assert done.exit_code == 2
    assert done.stderr == "mlpcli: run: cannot be locked: No locks available.\n"
