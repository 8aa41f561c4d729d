"""Two trainers, and a folder that is changed between a check and what follows from it."""

import os
from pathlib import Path
from typing import Any

import pytest

from mlpcli.commands import plan as planning
from mlpcli.commands import settings
from mlpcli.commands import train as run
from mlpcli.commands.resume import resuming
from mlpcli.errors import OutputError
from mlpcli.storage import checkpoint
from mlpcli.storage.locks import LOCK, locked
from mlpcli.storage.runfolder import FILES
from mlpcli.training.events import EpochDone, Event, Started, StopReason
from tests.support.command import Command
from tests.support.interruptions import REFUSAL

SETS = ["network.hidden=4", "training.epochs=3", "training.checkpoint_seconds=0"]


def planned(folder: Path) -> planning.Plan:
    return planning.prepare(settings.load(None, {}, SETS), folder, False, print)


def content(folder: Path) -> dict[str, bytes]:
    """What a run leaves that is the same each time."""
    return {name: (folder / name).read_bytes() for name in ("config.toml", "model.npz")}


def test_a_run_whose_folder_is_renamed_goes_on_in_it_and_a_second_one_is_its_own(
    tmp_path: Path,
) -> None:
    run.execute(planned(tmp_path / "undisturbed"))

    def rename(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 1:
            (tmp_path / "run").rename(tmp_path / "renamed")
            run.execute(planned(tmp_path / "run"))

    run.execute(planned(tmp_path / "run"), [rename])
    for name in ("run", "renamed"):
        assert content(tmp_path / name) == content(tmp_path / "undisturbed")
        assert {*os.listdir(tmp_path / name)} == {*FILES, LOCK}


@pytest.mark.parametrize("spoil", [os.unlink, lambda path: path.rename(path.with_name("gone"))])
def test_removing_the_lock_file_lets_no_second_trainer_in(spoil: Any, tmp_path: Path) -> None:
    refused: list[str] = []

    def try_a_second(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 1:
            spoil(tmp_path / "run" / LOCK)
            with pytest.raises(OutputError) as caught, locked(tmp_path / "run"):
                pass
            refused.append(str(caught.value))

    run.execute(planned(tmp_path / "run"), [try_a_second])
    assert refused
    assert REFUSAL in refused[0]


def test_a_checkpoint_is_read_under_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop: list[StopReason | None] = ["interrupted"]
    run.execute(planned(tmp_path / "run"), [lambda event: stop[0]])
    load = checkpoint.load
    refused: list[bool] = []

    def loading(folder: Path, *more: Any) -> checkpoint.Checkpoint:
        with pytest.raises(OutputError, match=REFUSAL), locked(folder):
            pass
        refused.append(True)
        return load(folder, *more)

    monkeypatch.setattr(checkpoint, "load", loading)
    with resuming(tmp_path / "run", {}, [], print):
        pass
    assert refused == [True]


def test_a_run_that_is_being_trained_is_named_and_overwriting_not_suggested(
    command: Command, tmp_path: Path
) -> None:
    said: list[str] = []

    def look(event: Event) -> None:
        if isinstance(event, Started):
            for words in (("--out", "run"), ("--out", "run", "--overwrite"), ("--resume", "run")):
                done = command("train", *words)
                assert done.exit_code == 2
                said.append(done.stderr)

    run.execute(planned(tmp_path / "run"), [look])
    assert len(said) == 3
    assert all(REFUSAL in text and "--overwrite" not in text for text in said)


def test_a_folder_that_is_replaced_while_it_is_locked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    (tmp_path / "run").mkdir()
    acquire = FileLock.acquire

    def swapped(self: FileLock, **options: Any) -> Any:
        (tmp_path / "run").rename(tmp_path / "old")
        (tmp_path / "run").mkdir()
        return acquire(self, **options)

    monkeypatch.setattr(FileLock, "acquire", swapped)
    with (
        pytest.raises(OutputError, match="was replaced by another folder"),
        locked(tmp_path / "run"),
    ):
        pass
    monkeypatch.undo()
    with locked(tmp_path / "run"), locked(tmp_path / "old"):
        pass
