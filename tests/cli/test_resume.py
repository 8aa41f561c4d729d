"""`mlpcli train --resume`: runs that were stopped, that are finished, and that cannot go on."""

import os
import re
from pathlib import Path

import pytest

from mlpcli.commands import plan, settings
from mlpcli.commands.train import execute
from mlpcli.training.events import EpochDone, Event, StopReason
from mlpcli.training.signals import Signals
from tests.support.command import (
    SMALL,
    Command,
    epochs_shown,
    folder_contents,
    read_document,
    write_csv,
)


def stop_at_epoch(folder: Path, epoch: int) -> None:
    """Train on digits until that epoch is done, and stop as Ctrl-C does."""
    config = settings.load(None, {"training.epochs": 3, "network.hidden": 8})

    def stop(event: Event) -> StopReason | None:
        return "interrupted" if isinstance(event, EpochDone) and event.epoch == epoch else None

    execute(plan.prepare(config, folder, False, print), [stop])


def test_a_stopped_run_is_resumed_to_the_same_bytes(command: Command, tmp_path: Path) -> None:
    assert command("train", "--epochs", 3, "--hidden", 8, "--out", "whole").exit_code == 0
    stop_at_epoch(tmp_path / "run", 1)
    done = command("train", "--resume", "run")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"goes on +from epoch 2, batch 1 of 40", done.stderr)
    assert epochs_shown(done.stderr) == [2, 3]
    written = "run/ config.toml metrics.jsonl checkpoint.npz model.npz result.json"
    assert f"written   {written}" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["next", "mlpcli", "eval", "run"]
    assert Path("run/model.npz").read_bytes() == Path("whole/model.npz").read_bytes()


@pytest.mark.parametrize(("reason", "code"), [("interrupted", 130), ("terminated", 143)])
class TestStopped:
    """A run that is stopped: its exit code gives the reason, its output the next command."""

    @pytest.fixture(autouse=True)
    def stop(self, reason: StopReason, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stop each run after its first epoch."""

        def answer(signals: Signals, event: Event) -> StopReason | None:
            return reason if isinstance(event, EpochDone) else None

        monkeypatch.setattr(Signals, "__call__", answer)

    def test_on_stdout(self, reason: StopReason, code: int, command: Command) -> None:
        done = command("train", *SMALL, "--out", "run", "--quiet")
        assert done.exit_code == code
        assert re.search(r"^next +mlpcli train --resume run *$", done.stdout, re.MULTILINE)

    def test_with_json_on_stderr(self, reason: StopReason, code: int, command: Command) -> None:
        done = command("train", *SMALL, "--out", "run", "--quiet", "--json")
        assert done.exit_code == code
        assert re.search(r"^next +mlpcli train --resume run *$", done.stderr, re.MULTILINE)
        document = read_document(done.stdout)
        assert (document["stopped"], document["epochs"]) == (reason, 1)


def test_a_finished_run_is_reported_as_finished(command: Command) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    before = Path("run/model.npz").read_bytes()
    Path("run/model.npz").unlink()
    done = command("train", "--resume", "run")
    assert done.exit_code == 0
    assert re.search(r"goes on +the run is finished: all 2 epochs are done", done.stderr)
    assert Path("run/model.npz").read_bytes() == before
    document = read_document(command("train", "--resume", "run", "--json", "--quiet").stdout)
    assert (document["stopped"], document["epochs"]) == ("finished", 2)


def test_more_epochs_extend_a_finished_run_with_a_note_on_the_schedule(command: Command) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    done = command("train", "--resume", "run", "--set", "training.epochs=4")
    assert done.exit_code == 0
    assert "training.epochs is 4 and was 2: the cosine schedule depends on it" in done.stderr
    assert len(Path("run/metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    extended = command("train", "--resume", "run", "--epochs", 5, "--json")
    assert read_document(extended.stdout)["epochs"] == 5


@pytest.mark.parametrize(
    "words", [("s.toml",), ("--out", "elsewhere"), ("--overwrite",), ("s.toml", "--out", "run")]
)
def test_a_resumed_run_has_its_own_settings_and_folder(
    words: tuple[str, ...], command: Command, tmp_path: Path
) -> None:
    done = command("train", "--resume", "run", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    sentence = "--resume takes all of that from the run: leave out CONFIG, --out and --overwr"
    assert done.stderr.startswith(f"mlpcli: {sentence}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing",), "nothing: is no run that can be resumed: it holds no config.toml."),
        (("x" * 300,), ": is no run that can be resumed: it holds no config.toml."),
        (("run", "--seed", 7), "seed is 0 in run and 7 here: that would be another run."),
        (("run", "--hidden", 9), "network.hidden is 8 in run and 9 here: that would be"),
        (("run", "--optimizer", "adam"), "optimizer.name is 'momentum' in run and 'adam' here"),
        (("run", "--data", "nothing.csv"), "nothing.csv: cannot be found"),
    ],
)
def test_what_cannot_be_resumed_is_refused_in_a_sentence(
    words: tuple[object, ...], message: str, command: Command, tmp_path: Path
) -> None:
    stop_at_epoch(tmp_path / "run", 1)
    before = folder_contents(tmp_path / "run")
    done = command("train", "--resume", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]
    assert folder_contents(tmp_path / "run") == before


def test_a_dry_run_of_a_resumed_run_writes_nothing(command: Command, tmp_path: Path) -> None:
    stop_at_epoch(tmp_path / "run", 2)
    before = folder_contents(tmp_path / "run")
    document = read_document(command("train", "--resume", "run", "--dry-run", "--json").stdout)
    assert (document["run"], document["config"]["training"]["epochs"]) == ("run", 3)
    assert folder_contents(tmp_path / "run") == before


def test_a_run_that_early_stopping_has_ended_says_how_to_go_on(command: Command) -> None:
    words = ("--hidden", 8, "--lr", 1, "--set", "training.patience=2", "--epochs", 60)
    assert command("train", *words, "--out", "run").exit_code == 0
    done = command("train", "--resume", "run", "--epochs", 70)
    assert "Early stopping has ended this run: no epoch was better in the 2" in done.stderr
    assert "To go on, add --set training.patience=4 (0 never stops)." in done.stderr


def test_patience_without_validation_rows_is_refused(command: Command) -> None:
    write_csv(Path("rows.csv"))
    words = ("--data", "rows.csv", *SMALL, "--out", "run")
    assert command("train", *words).exit_code == 0
    for more in (("--resume", "run"), ("--data", "rows.csv", "--set", "data.validation=0.0")):
        done = command("train", *more, "--set", "training.patience=5")
        assert done.exit_code == 2
        assert "training.patience = 5 needs validation rows" in done.stderr
