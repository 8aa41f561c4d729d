"""What is decided before a run, and what a stopped run may go on from and with."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Shape
from mlpcli.commands import plan as planning
from mlpcli.commands import settings
from mlpcli.commands import train as run
from mlpcli.commands.plan import Plan, Restart, Resume
from mlpcli.commands.resume import resuming
from mlpcli.config import flat
from mlpcli.errors import ConfigError, DataError, MlpcliError, ModelError
from mlpcli.storage import checkpoint
from mlpcli.training.events import EpochDone, Event, StopReason
from mlpcli.training.resources import process_count
from tests.support.command import Command, write_csv

QUICK = ("network.hidden=8", "training.epochs=2")


def planned(out: Path, *sets: str) -> Plan:
    return planning.prepare(settings.load(None, {}, [*QUICK, *sets]), out, False, print)


def test_a_plan_says_how_much_is_to_be_done(tmp_path: Path) -> None:
    plan = planned(tmp_path / "run", "training.batch_size=100")
    document = plan.document()
    assert document["rows"] == {"train": 1259, "validation": 179, "test": 359}
    assert document["parameters"] == 64 * 8 + 8 + 8 * 10 + 10
    assert document["batches"] == 13
    assert document["config"] == plan.config.model_dump()
    assert not (tmp_path / "run").exists()


def test_a_folder_whose_name_is_no_text_cannot_be_replayed_and_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    write_csv(folder / "rows.csv")
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=r"data\.source = .* is refused"):
        planned(tmp_path / "run", "data.source=rows.csv")


# Cores and memory


@pytest.mark.parametrize(
    ("shape", "rows", "cores", "processes"),
    [
        (Shape(64, 256, 10), 32, 64, 1),  # digits as it comes: too little to do
        (Shape(784, 512, 10), 128, 1, 1),
        (Shape(784, 512, 10), 128, 2, 2),
        (Shape(784, 512, 10), 128, 8, 8),
        (Shape(784, 512, 10), 128, 1000, 32),  # 16 units each
        (Shape(784, 2048, 10), 128, 64, 64),
        (Shape(100_000, 31, 10), 128, 64, 1),  # fewer than 16 units for each of two
        (Shape(100_000, 32, 10), 128, 64, 2),
        (Shape(1000, 1000, 10), 1, 64, 1),
        (Shape(1000, 1000, 10), 2, 64, 2),  # a million multiplications for each
        (Shape(1000, 1000, 10), 7, 64, 7),
        (Shape(1, 1, 2), 1, 64, 1),
    ],
)
def test_hidden_units_are_shared_out_over_as_many_processes_as_are_worth_it(
    shape: Shape, rows: int, cores: int, processes: int
) -> None:
    assert process_count(shape, rows, cores) == processes


@pytest.mark.parametrize(("threads", "processes"), [(0, 3), (1, 1), (2, 2), (5, 5)])
def test_a_plan_takes_all_cores_unless_it_is_told_how_many(
    threads: int, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "cores", lambda: 3)
    plan = planned(
        tmp_path / "run",
        f"training.threads={threads}",
        "network.hidden=2000",
        "training.batch_size=100",
    )
    assert plan.document()["threads"] == processes
    alone = planned(
        tmp_path / "run", "training.threads=1", "network.hidden=2000", "training.batch_size=100"
    )
    assert (plan.memory > alone.memory) == (processes > 1)


def test_a_network_that_cannot_fit_in_memory_is_refused_at_once(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(planning, "available_memory", lambda: 4 * 2**30)
    done = command("train", "--set", "network.hidden=16000000", "--out", "run")
    assert done.exit_code == 2
    assert "network.hidden = 16,000,000 with 64 features and 10 classes needs " in done.stderr
    assert (
        "GiB of memory, and 4.0 GiB is free. Lower network.hidden or training.batch_size."
        in done.stderr
    )
    assert not (tmp_path / "run").exists()


# Going on with a run


def after_one_epoch(event: Event) -> StopReason | None:
    return "interrupted" if isinstance(event, EpochDone) else None


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """The folder of a run of a CSV file that was stopped after the first of four epochs."""
    path = write_csv(tmp_path / "rows.csv")
    sets = (
        "recipe=plain",
        f"data.source={path}",
        "training.epochs=4",
        "optimizer.schedule=constant",
    )
    run.execute(planned(tmp_path / "run", *sets), [after_one_epoch])
    return tmp_path / "run"


def resumed(folder: Path, *sets: str, **flags: Any) -> tuple[Plan, str]:
    """The plan of a run that goes on, its folder free again, and what was said."""
    said: list[str] = []
    with resuming(folder, flags, list(sets), said.append) as plan:
        return plan, "\n".join(said)


def refusal(kind: type[MlpcliError], folder: Path, *sets: str) -> str:
    with pytest.raises(kind) as caught:
        resumed(folder, *sets)
    return str(caught.value)


def test_a_plan_to_go_on_has_the_runs_settings_and_all_that_was_saved(stopped: Path) -> None:
    plan, said = resumed(stopped)
    assert plan.config == settings.load(stopped / "config.toml", {}, [])
    assert plan.folder == stopped
    assert isinstance(plan.beginning, Resume)
    saved = plan.beginning.checkpoint
    assert (saved.state.epoch, saved.state.batch, saved.best.epoch) == (1, 0, 1)
    assert saved.record.config == plan.config.model_dump()
    assert saved.record.log_bytes == (stopped / "metrics.jsonl").stat().st_size
    assert said == ""


def test_a_plan_to_go_on_writes_nothing(stopped: Path) -> None:
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    resumed(stopped, "training.epochs=9")
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before


@pytest.mark.parametrize(
    ("key", "now", "then"),
    [
        ("seed", "1", "0"),
        ("recipe", "'tables'", "'plain'"),
        ("data.validation", "0.0", "0.1"),
        ("data.bins", "16", "0"),
        ("data.scaling", "'none'", "'standard'"),
        ("data.test", "0.3", "0.2"),
        ("data.target", "'x'", "''"),
        ("network.hidden", "9", "8"),
        ("network.dropout", "0.25", "0.5"),
        ("network.activation", "'tanh'", "'relu'"),
        ("optimizer.name", "'adam'", "'momentum'"),
        ("optimizer.lr", "0.25", "0.05"),
        ("optimizer.schedule", "'linear'", "'constant'"),
        ("training.batch_size", "7", "32"),
        ("training.label_smoothing", "0.1", "0.0"),
        ("training.class_weight", "'balanced'", "'none'"),
    ],
)
def test_another_value_is_refused_by_its_name_with_both(
    key: str, now: str, then: str, stopped: Path
) -> None:
    if key == "data.target":  # the file has no such column: that is found first
        assert "x" in refusal(DataError, stopped, f"{key}={now}")
        return
    said = refusal(ConfigError, stopped, f"{key}={now}")
    assert said.startswith(
        f"{key} is {then} in {stopped} and {now} here: that would be another run."
    )
    assert (
        "A resumed run may change data.source, training.epochs, training.patience, "
        "training.threads, training.checkpoint_seconds." in said
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.epochs", 9),
        ("training.patience", 3),
        ("training.threads", 2),
        ("training.checkpoint_seconds", 0.5),
    ],
)
def test_what_does_not_matter_may_be_changed(key: str, value: float, stopped: Path) -> None:
    plan, said = resumed(stopped, f"{key}={value}")
    assert flat(plan.config)[key] == value
    assert isinstance(plan.beginning, Resume)
    assert said == ""


def test_the_same_values_may_be_given_again_however_they_are_written(
    stopped: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(stopped.parent)
    plan, _ = resumed(
        stopped, "seed=0", "data.source=rows.csv", "data.scaling=auto", "training.epochs=4"
    )
    assert plan.config == resumed(stopped)[0].config


def test_a_run_goes_on_where_its_data_has_been_moved_to(stopped: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").rename(tmp_path / "moved.csv")
    plan, said = resumed(stopped, f"data.source={tmp_path / 'moved.csv'}")
    assert isinstance(plan.beginning, Resume)
    assert plan.config.data.source == str(tmp_path / "moved.csv")
    assert said == ""
    other = write_csv(tmp_path / "other.csv", rows=61)
    assert refusal(DataError, stopped, f"data.source={other}").startswith(
        f"{other}: has changed since {stopped} was trained on it"
    )


def test_a_flag_counts_as_a_setting_does(stopped: Path) -> None:
    assert resumed(stopped, **{"training.epochs": 7})[0].config.training.epochs == 7
    with pytest.raises(ConfigError, match=r"^network\.hidden is 8 in .* and 3 here"):
        resumed(stopped, **{"network.hidden": 3})


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("epochs", [3, 9])
def test_under_a_schedule_that_depends_on_it_another_number_of_epochs_is_remarked_on(
    schedule: str, epochs: int, tmp_path: Path
) -> None:
    sets = (f"data.source={write_csv(tmp_path / 'r.csv')}", f"optimizer.schedule={schedule}")
    run.execute(planned(tmp_path / "run", *sets))
    plan, said = resumed(tmp_path / "run", f"training.epochs={epochs}")
    assert plan.config.training.epochs == epochs
    assert said == (
        f"training.epochs is {epochs} and was 2: the {schedule} schedule depends on it, so this is "
        f"not what a run of {epochs} from its start would have given."
    )
    assert resumed(tmp_path / "run", "training.epochs=2")[1] == ""


def test_other_data_are_refused(stopped: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", rows=61)
    said = refusal(DataError, stopped)
    assert said.startswith(
        f"{tmp_path / 'rows.csv'}: has changed since {stopped} was trained on it"
    )


def test_data_that_are_gone_are_refused(stopped: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").unlink()
    assert "rows.csv" in refusal(DataError, stopped)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda patch: patch.setattr(np, "__version__", "9.9"),
            r"^numpy is 9\.9 and was [\d.]+\S*: the last bits",
        ),
        (
            lambda patch: patch.setattr(planning, "blas", lambda: "other 1"),
            r"^BLAS is other 1 and was .*: the last bit",
        ),
        (
            lambda patch: patch.setattr(planning, "process_count", lambda *of: 3),
            r"^threads is 3 and was 1: the last bits",
        ),
    ],
)
def test_what_may_change_the_last_bits_is_said(
    change: Any, said: str, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch)
    plan, sentence = resumed(stopped)
    assert isinstance(plan.beginning, Resume)
    assert re.search(said, sentence)
    assert sentence.endswith("may differ from those of one that was never stopped.")


def test_a_run_that_was_never_saved_begins_again(stopped: Path) -> None:
    for name in (checkpoint.NEWEST, checkpoint.BEFORE):
        (stopped / name).unlink(missing_ok=True)
    assert refusal(ConfigError, stopped, "seed=5").startswith(f"seed is 0 in {stopped} and 5 here")
    said: list[str] = []
    with resuming(stopped, {}, ["training.epochs=3"], said.append) as plan:
        assert isinstance(plan.beginning, Restart)
        assert said == [f"{stopped} was stopped before it was first saved, and begins again."]
        result = run.execute(plan)
    assert (result.stopped, result.epochs, result.plan.folder) == ("finished", 3, stopped)


@pytest.mark.parametrize("name", ["nothing", "file", "empty", "x" * 300, "loop"])
def test_what_is_no_run_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    said = refusal(ModelError, tmp_path / name)
    assert said == f"{tmp_path / name}: is no run that can be resumed: it holds no config.toml."


def test_that_the_newest_checkpoint_is_damaged_is_said_and_the_one_before_is_used(
    stopped: Path,
) -> None:
    newest = stopped / checkpoint.NEWEST
    (stopped / checkpoint.BEFORE).write_bytes(newest.read_bytes())
    newest.write_bytes(newest.read_bytes()[:-1])
    plan, said = resumed(stopped)
    assert isinstance(plan.beginning, Resume)
    assert said.startswith(f"{newest}: is damaged")
    assert said.endswith("The run goes on from the checkpoint before it.")


def test_when_no_checkpoint_is_whole_that_is_said(stopped: Path) -> None:
    for name in (checkpoint.NEWEST, checkpoint.BEFORE):
        (stopped / name).write_bytes(b"x" * 500)
    said = refusal(ModelError, stopped)
    assert "checkpoint.npz: is damaged" in said
    assert said.endswith("holds no checkpoint to resume from.")


@pytest.mark.parametrize("change", [{"network": {"width": 3}}, {"seed": -1}, "no settings", None])
def test_settings_that_are_not_known_are_refused(change: Any, stopped: Path) -> None:
    saved = checkpoint.load(stopped)
    config = saved.record.config | change if isinstance(change, dict) else change
    record = replace(saved.record, config=config)
    checkpoint.save(stopped, checkpoint.Checkpoint(saved.state, saved.best, record))
    assert "has settings that this mlpcli does not know" in refusal(ModelError, stopped)


def test_a_dry_run_shows_where_a_run_goes_on(stopped: Path, command: Command) -> None:
    done = command("train", "--resume", stopped, "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"goes on +from epoch 2, batch 1 of 2", done.stdout)
    assert re.search(r"training +4 epochs of 2 batches of 32 rows", done.stdout)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:-5], "metrics.jsonl: was shortened since the run was saved"),
        (lambda text: "", "metrics.jsonl: was shortened since the run was saved"),
        (lambda text: text.replace("1", "2"), "metrics.jsonl: was changed since the run was saved"),
        (lambda text: text + "more\n", ""),  # lines after the checkpoint are expected
    ],
)
def test_a_log_that_was_edited_before_a_run_goes_on_is_told(
    change: Callable[[str], str], said: str, stopped: Path
) -> None:
    path = stopped / "metrics.jsonl"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert said in resumed(stopped)[1]
    assert bool(resumed(stopped)[1]) == bool(said)


def test_a_log_that_is_gone_before_a_run_goes_on_is_told(stopped: Path) -> None:
    (stopped / "metrics.jsonl").unlink()
    assert "metrics.jsonl: cannot be read: No such file" in resumed(stopped)[1]
