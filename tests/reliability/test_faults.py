"""Disks that fail: whatever call that writes goes wrong, the run says so, loses nothing, and can be resumed."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli.storage import checkpoint, modelfile
from mlpcli.storage import writing as files
from mlpcli.training import observers
from tests.support.command import Command, Run, write_csv

ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS]
WORDS = ("--epochs", "2", "--hidden", "2", "--batch-size", "32", "--quiet")


class Disk:
    """Counts every call that writes, and lets one of them fail, or all from one on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.fails_at, self.stays_broken, self.error = 0, False, errno.ENOSPC
        patch.setattr(
            os, "fsync", self.failing("fsync", lambda handle: None)
        )  # which is the slow one
        for name in ("chmod", "replace", "rename", "unlink", "mkdir"):
            patch.setattr(os, name, self.failing(name, getattr(os, name)))
        patch.setattr(tempfile, "mkstemp", self.failing("mkstemp", tempfile.mkstemp))
        patch.setattr(os, "fdopen", self.opened("open", os.fdopen))
        patch.setattr(files, "open", self.opened("append", open), raising=False)

    def at(self, call: int, error: int = errno.ENOSPC, stays_broken: bool = False) -> None:
        """Break the disk at that call, counted from 1; 0 is never."""
        self.calls.clear()
        self.fails_at, self.error, self.stays_broken = call, error, stays_broken

    @property
    def failed(self) -> bool:
        return 0 < self.fails_at <= len(self.calls)

    def step(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) == self.fails_at or (self.failed and self.stays_broken):
            raise OSError(self.error, os.strerror(self.error))

    def failing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            if name != "mkdir" or not os.path.isdir(
                args[0]
            ):  # a folder that is there need not be made
                self.step(name)
            return call(*args, **options)

        return called

    def opened(self, name: str, opener: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            if name == "append":
                self.step(name)
            return FailingFile(opener(*args, **options), self)

        return called


class FailingFile:
    """A file whose writes are the disk's."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self.file, self.disk = file, disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> "FailingFile":
        return self

    def __exit__(self, *problem: object) -> None:
        self.file.close()

    def write(self, content: Any) -> Any:
        self.disk.step("write")
        return self.file.write(content)

    def flush(self) -> None:
        self.disk.step("flush")
        self.file.flush()

    def truncate(self, *length: int) -> Any:
        self.disk.step("truncate")
        return self.file.truncate(*length)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(
        observers, "MOST_SAVING", 1e9
    )  # how often a run is saved must not hang on the time
    return Disk(monkeypatch)


@pytest.fixture
def words(tmp_path: Path) -> tuple[object, ...]:
    return ("train", "--data", write_csv(tmp_path / "rows.csv", rows=40, features=2), *WORDS)


def left(folder: Path) -> tuple[bytes, list[tuple[object, ...]]]:
    """What a run leaves behind, but for times."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    keys = ("epoch", "train_loss", "validation_loss", "validation_accuracy", "lr")
    return (folder / "model.npz").read_bytes(), [tuple(line[key] for key in keys) for line in lines]


def half_written(folder: Path) -> list[str]:
    return (
        [name for name in os.listdir(folder) if name.endswith(".part")] if folder.exists() else []
    )


def train_until_it_fails(
    command: Command, disk: Disk, words: tuple[object, ...], folder: Path
) -> Any:
    """Run the command on a disk that breaks, and look at what it says and leaves."""
    whole: list[bool] = []
    save = checkpoint.write_npz

    def saved(*args: Any, **options: Any) -> None:
        save(*args, **options)
        whole.append(True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "write_npz", saved)
        done = command(*words)
    if not disk.failed:
        return done
    calls = disk.calls[: disk.fails_at]
    assert done.exit_code == 2, calls
    said = done.stderr.splitlines()
    assert len(said) == 1
    assert said[0].startswith("mlpcli: ")
    assert os.strerror(disk.error) in said[0]
    assert folder.name in said[0]
    disk.at(0)
    if whole:
        assert checkpoint.load(folder).state.epoch > 0, calls
    return done


def go_on(command: Command, words: tuple[object, ...], folder: Path) -> None:
    """Do as a user would: resume the run, or start it where it had not begun."""
    if (folder / "config.toml").exists():
        done = command("train", "--resume", folder, "--quiet")
    else:
        done = command(*words, "--out", folder)
    assert done.exit_code == 0, done.stderr
    assert not half_written(folder)


def test_every_call_that_writes_is_among_those_that_are_made_to_fail(
    command: Command, disk: Disk, words: tuple[object, ...]
) -> None:
    disk.at(0)
    assert command(*words, "--out", "run").exit_code == 0
    command(*words, "--out", "run", "--overwrite")
    kinds = {
        "fsync",
        "chmod",
        "replace",
        "unlink",
        "mkdir",
        "mkstemp",
        "write",
        "flush",
        "append",
        "truncate",
    }
    assert set(disk.calls) == kinds
    assert len(disk.calls) > 200


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_wherever_a_disk_fails_once_the_run_can_be_resumed_to_the_same_bytes(
    error: int, command: Command, disk: Disk, words: tuple[object, ...], tmp_path: Path
) -> None:
    every = 1 if error == errno.ENOSPC else 5  # the sentence is the only difference between them
    sweep(command, disk, words, tmp_path, every, lambda call: disk.at(call, error))


def test_wherever_a_disk_is_full_from_then_on_the_run_can_be_resumed_to_the_same_bytes(
    command: Command, disk: Disk, words: tuple[object, ...], tmp_path: Path
) -> None:
    sweep(command, disk, words, tmp_path, 3, lambda call: disk.at(call, stays_broken=True))


def sweep(
    command: Command,
    disk: Disk,
    words: tuple[object, ...],
    folder: Path,
    every: int,
    break_at: Callable[[int], None],
) -> None:
    disk.at(0)
    assert command(*words, "--out", "whole").exit_code == 0
    whole, told_apart = left(folder / "whole"), calls_told_apart(disk.calls)
    assert len(told_apart) > 70
    for call in told_apart[::every]:
        break_at(call)
        assert (
            train_until_it_fails(command, disk, (*words, "--out", "run"), folder / "run").exit_code
            == 2
        )
        go_on(command, words, folder / "run")
        assert left(folder / "run") == whole, disk.calls[:call]
        shutil.rmtree(folder / "run")
    break_at(len(disk.calls) + 10_000)
    assert (
        train_until_it_fails(command, disk, (*words, "--out", "run"), folder / "run").exit_code == 0
    )


def calls_told_apart(calls: list[str]) -> list[int]:
    """The numbers of all calls, from 1, but for writes that stand between two others: they are to one file."""
    between = ["write"] * 3
    padded = ["", *calls, ""]
    return [n for n in range(1, len(calls) + 1) if padded[n - 1 : n + 2] != between]


def test_wherever_a_disk_fails_while_a_run_goes_on_it_can_be_resumed_once_more(
    command: Command, disk: Disk, words: tuple[object, ...], tmp_path: Path
) -> None:
    disk.at(0)
    assert command(*words, "--out", "whole").exit_code == 0
    assert (
        command(
            *words, "--out", "first", "--epochs", "1", "--set", "optimizer.schedule=constant"
        ).exit_code
        == 0
    )
    extended = ("train", "--resume", "first", "--epochs", "2", "--quiet")
    shutil.copytree("first", "extended")
    disk.at(0)
    assert command("train", "--resume", "extended", "--epochs", "2", "--quiet").exit_code == 0
    whole, calls = left(tmp_path / "extended"), calls_told_apart(disk.calls)
    for call in calls[::2]:
        shutil.copytree("first", "run")
        disk.at(call, ERRORS[call % 4])
        again = ("train", "--resume", "run", *extended[3:])
        done = train_until_it_fails(command, disk, again, tmp_path / "run")
        assert done.exit_code == 2
        assert checkpoint.load(tmp_path / "run").state.epoch >= 1
        assert command(*again).exit_code == 0
        assert left(tmp_path / "run") == whole, call
        assert not half_written(tmp_path / "run")
        shutil.rmtree("run")


def test_wherever_a_disk_fails_while_a_run_is_replaced_there_is_a_model_before_and_after(
    command: Command, disk: Disk, words: tuple[object, ...], tmp_path: Path
) -> None:
    disk.at(0)
    assert command(*words, "--out", "old", "--seed", "1").exit_code == 0
    assert command(*words, "--out", "whole").exit_code == 0
    whole = left(tmp_path / "whole")
    call, failed = 1, True
    while failed:
        shutil.copytree("old", "run")
        disk.at(call, ERRORS[call % 4])
        done = train_until_it_fails(
            command, disk, (*words, "--out", "run", "--overwrite"), tmp_path / "run"
        )
        failed = done.exit_code != 0
        models = [modelfile.load(path) for path in tmp_path.glob("run*/model.npz")]
        assert models, disk.calls
        disk.at(0)
        done = command(*words, "--out", "run", "--overwrite")
        assert done.exit_code == 0, done.stderr
        assert left(tmp_path / "run") == whole
        for folder in tmp_path.glob("run*"):
            shutil.rmtree(folder)
        call += 1 if call < 12 else 11  # first the old files are moved away


def test_a_lock_that_cannot_be_had_is_told(
    command: Command, words: tuple[object, ...], monkeypatch: Any
) -> None:
    from filelock import FileLock

    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    done = command(*words, "--out", "run")
    assert done.exit_code == 2
    assert done.stderr == "mlpcli: run: cannot be locked: No locks available.\n"


# For real


def files_of_at_most(nbytes: int) -> dict[str, Any]:
    """Options for a process that may write no larger file; its coverage is not measured, since that is a file too."""
    return {
        "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, nbytes)),
        "env": {
            name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
        },
    }


@pytest.mark.parametrize("most", [300, 4096, 20_000])
def test_a_limit_on_the_size_of_files_ends_a_run_in_a_sentence(
    most: int, mlpcli: Run, tmp_path: Path
) -> None:
    words = ("train", "--epochs", "3", "--hidden", "64", "--quiet")
    assert mlpcli(*words, "--out", "whole").returncode == 0
    done = mlpcli(*words, "--out", "run", **files_of_at_most(most))
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith(": cannot be written: File too large.\n")
    assert not half_written(tmp_path / "run")
    again = (
        ("--resume", "run")
        if (tmp_path / "run" / "config.toml").exists()
        else (*words[1:], "--out", "run")
    )
    assert mlpcli("train", *again, "--quiet").returncode == 0
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_a_limit_while_a_run_goes_on_leaves_it_as_it_was(mlpcli: Run, tmp_path: Path) -> None:
    constant = ("--set", "optimizer.schedule=constant")
    assert (
        mlpcli("train", "--epochs", "4", "--hidden", "64", *constant, "--out", "whole").returncode
        == 0
    )
    assert (
        mlpcli("train", "--epochs", "2", "--hidden", "64", *constant, "--out", "run").returncode
        == 0
    )
    before = (tmp_path / "run" / "checkpoint.npz").read_bytes()
    done = mlpcli("train", "--resume", "run", "--epochs", "4", **files_of_at_most(9000))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith(": cannot be written: File too large.\n")
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == before
    assert mlpcli("train", "--resume", "run").returncode == 0
    assert left(tmp_path / "run") == left(tmp_path / "whole")


SCRIPT = """
mount -t tmpfs -o size=%s none disk || exit 99
"$1" -m mlpcli train --epochs 3 --hidden 64 --quiet --out disk/run
echo "exit code $?"
ls -A disk/run
mount -o remount,size=20m disk || exit 99
if [ -e disk/run/config.toml ]; then "$1" -m mlpcli train --resume disk/run --quiet
else "$1" -m mlpcli train --epochs 3 --hidden 64 --quiet --out disk/run; fi
echo "exit code $?"
cp -r disk/run copy
"""


@pytest.mark.parametrize("room", ["4k", "40k", "60k", "100k", "140k"])
def test_a_disk_that_is_really_full_loses_nothing(room: str, mlpcli: Run, tmp_path: Path) -> None:
    if not shutil.which("unshare"):
        pytest.skip("a disk of one's own needs unshare")
    (tmp_path / "disk").mkdir()
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        SCRIPT % room,
        "sh",
        sys.executable,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode == 99 or done.stderr.startswith("unshare:"):
        pytest.skip("no disk may be mounted here")
    assert mlpcli("train", "--epochs", "3", "--hidden", "64", "--out", "whole").returncode == 0
    codes = [line for line in done.stdout.splitlines() if line.startswith("exit code")]
    assert codes == ["exit code 2", "exit code 0"], done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[0].endswith(": No space left on device.")
    assert not half_written(tmp_path / "copy")
    assert left(tmp_path / "copy") == left(tmp_path / "whole")
