"""One run: the files it writes, the weights it keeps however it ends, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Floats, shared_zeros
from mlpcli.commands import plan as planning
from mlpcli.commands import settings
from mlpcli.commands import train as run
from mlpcli.commands.plan import Plan
from mlpcli.commands.resume import resuming
from mlpcli.commands.train import Result
from mlpcli.config import Config, every_key
from mlpcli.errors import DivergedError, OutputError
from mlpcli.layers import with_values
from mlpcli.machine import blas
from mlpcli.model import network, optimizers
from mlpcli.model.optimizers import RULES
from mlpcli.storage import checkpoint, modelfile
from mlpcli.storage.runfolder import FILES
from mlpcli.training import fit, observers
from mlpcli.training.events import EpochDone, Event, StopReason
from tests.support.command import SMALL, Command, Run, write_csv

KEYS = dict(every_key())
QUICK = ("network.hidden=8", "training.epochs=2")
LATE_DIVERGENCE = (  # the learning rate rises by the epoch; after a few it is too high
    *(
        "network.activation=identity",
        "network.dropout=0",
        "network.input_dropout=0",
        "network.max_norm=0",
    ),
    *("optimizer.name=sgd", "optimizer.lr=3", "optimizer.warmup_epochs=12", "training.epochs=12"),
)


def planned(out: Path, *sets: str) -> Plan:
    return planning.prepare(settings.load(None, {}, [*QUICK, *sets]), out, False, print)


def executed(out: Path, *sets: str) -> Result:
    return run.execute(planned(out, *sets))


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def assert_the_best_weights_were_kept(folder: Path, rounding: float = 0.0) -> None:
    """The model file's validation score is that of the epoch with the lowest validation loss.

    To the bit, but for `rounding` where several processes summed up what one has scored in the end.
    """
    losses = [line["validation_loss"] for line in metrics(folder)]
    header = modelfile.load(folder / "model.npz").header
    assert header["best_epoch"] == 1 + losses.index(min(losses))
    assert header["scores"]["validation"]["loss"] == pytest.approx(min(losses), rel=rounding, abs=0)
    assert read_json(folder / "result.json")["best_epoch"] == header["best_epoch"]


# The files


def test_a_run_folder_holds_its_files_and_its_lock_and_no_other(digits_run: Path) -> None:
    assert set(os.listdir(digits_run)) == {*FILES, ".lock"}


def test_metrics_has_one_object_a_line_and_epoch(digits_run: Path) -> None:
    lines = metrics(digits_run)
    keys = [
        "epoch",
        "train_loss",
        "validation_loss",
        "validation_accuracy",
        "lr",
        "seconds",
        "rows_per_second",
    ]
    assert [list(line) for line in lines] == [keys, keys]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(0 <= line["validation_accuracy"] <= 1 and line["lr"] > 0 for line in lines)
    assert_the_best_weights_were_kept(digits_run)


def test_result_says_what_came_of_the_run(digits_run: Path) -> None:
    result = read_json(digits_run / "result.json")
    assert list(result) == [
        *(
            "schema",
            "run",
            "data",
            "stopped",
            "epochs",
            "best_epoch",
            "train",
            "validation",
            "test",
        ),
        *("seconds", "saving", "threads", "blas", "versions"),
    ]
    assert (result["schema"], result["run"], result["stopped"]) == (1, str(digits_run), "finished")
    assert result["epochs"] == 2
    data = result["data"]
    assert (data["source"], data["rows"], data["features"]) == ("digits", 1797, 64)
    assert data["classes"] == [str(digit) for digit in range(10)]
    assert len(data["sha256"]) == 64
    assert sum(result[part]["rows"] for part in ("train", "validation", "test")) == 1797
    keys = ["rows", "loss", "accuracy", "balanced_accuracy", "largest_class"]
    for part in ("train", "validation", "test"):
        assert list(result[part]) == keys
        assert 0.1 <= result[part]["largest_class"] < 0.12
    assert (result["threads"], result["blas"]) == (1, blas())
    assert list(result["versions"]) == ["mlpcli", "python", "numpy"]


def test_config_toml_holds_every_value_in_force(tmp_path: Path) -> None:
    result = executed(tmp_path / "run", "data.scaling=auto", "optimizer.name=adam")
    read = settings.load(tmp_path / "run" / "config.toml", {}, [])
    assert read == result.plan.config
    assert (read.data.scaling, read.optimizer.lr) == ("unit", 0.001)
    text = (tmp_path / "run" / "config.toml").read_text(encoding="utf-8")
    assert all(f"{key.split('.')[-1]} = " in text for key in KEYS)


def test_a_run_can_be_called_without_any_observer(tmp_path: Path) -> None:
    result = executed(tmp_path / "run")
    assert (result.stopped, result.epochs) == ("finished", 2)
    assert read_json(tmp_path / "run" / "result.json") == result.document()


# Unusual data and sizes


def test_a_batch_larger_than_the_data_is_one_batch_of_all_rows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", rows=30)
    result = executed(
        tmp_path / "run", f"data.source={path}", "training.batch_size=5000", "training.epochs=3"
    )
    assert (result.plan.batches, result.epochs) == (1, 3)
    assert result.plan.memory < 2**20


@pytest.mark.parametrize(
    "classes", [("no", "yes"), ("1", "10", "2"), ("-1", "1"), ("é", "[b]", "a b"), ("0.0", "1.0")]
)
def test_classes_keep_their_names(classes: tuple[str, ...], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", classes, rows=90)
    result = executed(
        tmp_path / "run", f"data.source={path}", "training.epochs=30", "network.hidden=16"
    )
    named = {name.removesuffix(".0") for name in classes}
    assert set(modelfile.load(tmp_path / "run" / "model.npz").classes) == named
    assert set(read_json(tmp_path / "run" / "result.json")["data"]["classes"]) == named
    assert result.scores["test"].accuracy > 0.8  # the classes lie apart, whatever they are called


def test_a_loss_that_is_not_finite_is_null_in_json(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv")
    (tmp_path / "far.csv").write_text("3e38,3e38,3e38,a\n1,2,3,b\n", encoding="utf-8")
    executed(tmp_path / "run", f"data.source={path}", f"data.test={tmp_path / 'far.csv'}")
    text = (tmp_path / "run" / "result.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail)["test"]["loss"] is None


# How it ends


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    result = executed(
        tmp_path / "run",
        "training.patience=2",
        "training.epochs=60",
        "optimizer.lr=0.5",
        "optimizer.schedule=constant",
    )
    assert result.stopped == "early stopping"
    assert result.best_epoch == result.epochs - 2 == len(metrics(tmp_path / "run")) - 2
    assert_the_best_weights_were_kept(tmp_path / "run")


def stop_after(epoch: int, answer: StopReason | BaseException) -> Any:
    """An observer that answers at an epoch's end with a reason to stop, or with an exception."""

    def observer(event: Event) -> StopReason | None:
        if not isinstance(event, EpochDone) or event.epoch < epoch:
            return None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return observer


@pytest.mark.parametrize("reason", ["interrupted", "terminated"])
def test_a_stopped_run_keeps_the_best_weights_so_far(reason: StopReason, tmp_path: Path) -> None:
    plan = planned(
        tmp_path / "run", "training.epochs=9", "optimizer.lr=0.4", "optimizer.schedule=constant"
    )
    result = run.execute(plan, [stop_after(4, reason)])
    assert (result.stopped, result.epochs) == (reason, 4)
    assert_the_best_weights_were_kept(tmp_path / "run")


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OutputError("disk full"), RuntimeError("a bug")]
)
def test_the_best_weights_are_kept_when_an_observer_fails(
    error: BaseException, tmp_path: Path
) -> None:
    with pytest.raises(type(error)):
        run.execute(planned(tmp_path / "run", "training.epochs=9"), [stop_after(3, error)])
    assert_the_best_weights_were_kept(tmp_path / "run")
    assert read_json(tmp_path / "run" / "result.json")["stopped"] == "interrupted"


def test_nothing_is_scored_when_no_epoch_was_finished(tmp_path: Path) -> None:
    def fail(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.execute(planned(tmp_path / "run"), [fail])
    assert not (tmp_path / "run" / "model.npz").exists()


def test_a_run_that_diverges_late_keeps_the_best_weights(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"The best model, of epoch \d+, is in .*run\.$"):
        executed(tmp_path / "run", *LATE_DIVERGENCE)
    assert len(metrics(tmp_path / "run")) > 1
    assert_the_best_weights_were_kept(tmp_path / "run")
    assert read_json(tmp_path / "run" / "result.json")["stopped"] == "diverged"


@pytest.mark.parametrize(
    "words",
    [
        ("--lr", "1e9"),
        ("--set", "optimizer.lr=1e30"),
        ("--lr", "1e300", "--optimizer", "sgd"),
        ("--lr", "1e9", "--optimizer", "adam"),
        ("--lr", "1e30", "--batch-size", "5000"),
        ("--set", "network.l2=1e300"),
    ],
)
def test_divergence_is_told_by_epoch_batch_and_learning_rate(
    words: tuple[str, ...], command: Command
) -> None:
    done = command("train", *SMALL, "--set", "network.max_norm=0", "--out", "run", *words)
    assert done.exit_code == 3
    said = done.stderr.splitlines()[-1]
    assert said.startswith("mlpcli: Training diverged in epoch ")
    epoch, batch, batches = (
        int(said.partition(word)[2].split()[0].strip(",")) for word in ("epoch ", "batch ", " of ")
    )
    assert epoch in (1, 2)
    assert 1 <= batch <= batches
    assert "at learning rate " in said
    assert "Try a learning rate of a tenth" in said
    assert "no model was kept" in said or Path("run/model.npz").exists()


# Two processes


def write_wide(path: Path) -> Path:
    """Images of 400 bytes that are easily told apart, enough work in a batch for two processes."""
    stream = np.random.default_rng(0)
    y = np.arange(700) % 4
    x = stream.integers(0, 60, (700, 400))
    x[np.arange(700), 100 + y] += 190
    np.savez(path, x=x.astype(np.uint8), y=y)
    return path


WIDE = ("--hidden", "64", "--batch-size", "128", "--set", "optimizer.lr=0.05")


def test_two_processes_learn_what_one_does(command: Command, tmp_path: Path) -> None:
    path = write_wide(tmp_path / "wide.npz")
    results = []
    for threads in (1, 2):
        words = (
            "train",
            "--data",
            path,
            *WIDE,
            "--epochs",
            25,
            "--threads",
            threads,
            "--out",
            f"run{threads}",
        )
        done = command(*words, "--json")
        assert done.exit_code == 0, done.stderr
        results.append(read_json(tmp_path / f"run{threads}" / "result.json"))
        assert json.loads(done.stdout) == results[-1]
        assert results[-1]["threads"] == threads
        assert_the_best_weights_were_kept(tmp_path / f"run{threads}", rounding=1e-5 * (threads - 1))
    one, two = results
    assert (one["epochs"], two["epochs"]) == (25, 25)
    assert one["test"]["accuracy"] > 0.9
    for part in ("train", "validation", "test"):
        assert two[part]["accuracy"] == pytest.approx(one[part]["accuracy"], abs=0.02)
        assert two[part]["loss"] == pytest.approx(one[part]["loss"], rel=0.05)


# Going on with a run that was stopped


FOUR_EPOCHS = (
    "training.epochs=4",
    "training.batch_size=16",
    "optimizer.lr=0.3",
)  # of three batches
EVENTS = 1 + 4 * (3 + 1)
PATIENT = (
    "training.epochs=99",
    "training.patience=2",
    "optimizer.lr=2",
    "optimizer.schedule=constant",
)
KINDS = {
    "momentum": (),
    "adam": ("optimizer.name=adam", "optimizer.lr=0.02", "optimizer.warmup_epochs=1.5"),
    "sgd": ("optimizer.name=sgd", "optimizer.schedule=linear", "optimizer.weight_decay=0.01"),
    "both dropouts": (
        "network.dropout=0.4",
        "network.input_dropout=0.3",
        "network.max_norm=0.7",
        "network.l2=0.01",
    ),
    "no dropout": ("network.dropout=0", "network.input_dropout=0"),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def rows(tmp_path: Path) -> str:
    return f"data.source={write_csv(tmp_path / 'rows.csv')}"


def at(number: int, answer: StopReason | BaseException) -> Any:
    """An observer that answers the event of that number, from 0, with a reason or an exception."""
    seen = iter(range(10_000))

    def observer(event: Event) -> StopReason | None:
        if next(seen) != number:
            return None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return observer


def resumed(folder: Path, *sets: str, watched_by: Sequence[Any] = ()) -> Result:
    with resuming(folder, {}, list(sets), print) as plan:
        return run.execute(plan, watched_by)


def outcome(folder: Path) -> tuple[bytes, list[dict[str, Any]], dict[str, Any]]:
    """All that a run leaves behind, but for times."""
    lines, result = metrics(folder), read_json(folder / "result.json")
    for line in lines:
        del line["seconds"], line["rows_per_second"]
    for key in ("run", "seconds", "saving"):
        del result[key]
    return (folder / "model.npz").read_bytes(), lines, result


@pytest.fixture
def save_always(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Settings under which a run is saved after every batch, whatever that costs."""
    monkeypatch.setattr(observers, "MAX_SAVING_SHARE", 1e9)
    return ("training.checkpoint_seconds=0",)


@kinds
def test_a_run_stopped_at_any_event_and_resumed_ends_as_one_that_never_was(
    kind: str, rows: str, tmp_path: Path
) -> None:
    sets = (rows, *FOUR_EPOCHS, *KINDS[kind])
    executed(tmp_path / "whole", *sets)
    whole = outcome(tmp_path / "whole")
    for event in range(EVENTS):
        folder = tmp_path / f"run{event}"
        stopped = run.execute(planned(folder, *sets), [at(event, "interrupted")])
        assert stopped.stopped == "interrupted"
        assert outcome(folder) != whole
        assert resumed(folder).stopped == "finished"
        assert outcome(folder) == whole, event


def epoch_of_model(folder: Path) -> int:
    """The epoch whose weights are in model.npz, 0 if there is none."""
    if not (folder / "model.npz").exists():
        return 0
    return int(modelfile.load(folder / "model.npz").header["best_epoch"])


def epoch_of_checkpoint(folder: Path) -> int:
    """The epoch of the best weights in the newest checkpoint, 0 if there are none."""
    return checkpoint.load(folder).best.epoch if checkpoint.exists(folder) else 0


@pytest.mark.parametrize("kind", ["momentum", "adam", "both dropouts"])
def test_a_run_that_dies_at_any_event_and_is_resumed_ends_as_one_that_never_did(
    kind: str, rows: str, tmp_path: Path, save_always: tuple[str, ...]
) -> None:
    """SystemExit takes the short way out, on which nothing is written, as SIGKILL does."""
    sets = (rows, *FOUR_EPOCHS, *KINDS[kind], *save_always)
    executed(tmp_path / "whole", *sets)
    whole = outcome(tmp_path / "whole")
    for event in range(0, 2 * EVENTS, 3):  # there is a pause after each batch now
        folder = tmp_path / f"run{event}"
        try:
            run.execute(planned(folder, *sets), [at(event, SystemExit(1))])
        except SystemExit:
            assert (folder / "checkpoint.npz").exists() == (event > 1)
            assert epoch_of_model(folder) == epoch_of_checkpoint(folder)
        assert resumed(folder).stopped == "finished"
        assert outcome(folder) == whole, event


def test_a_run_stopped_after_every_single_batch_ends_as_one_that_never_was(
    rows: str, tmp_path: Path
) -> None:
    sets = (rows, *FOUR_EPOCHS, *KINDS["both dropouts"])
    executed(tmp_path / "whole", *sets)
    result = run.execute(planned(tmp_path / "run", *sets), [at(1, "terminated")])
    stops = 1
    while result.stopped == "terminated":
        result = resumed(tmp_path / "run", watched_by=[at(1, "terminated")])
        stops += 1
    assert stops == EVENTS  # after each epoch's end, too
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_saving_after_every_batch_changes_nothing(
    rows: str, tmp_path: Path, save_always: tuple[str, ...]
) -> None:
    sets = (rows, *FOUR_EPOCHS, *KINDS["adam"])
    executed(tmp_path / "seldom", *sets)
    result = executed(tmp_path / "always", *sets, *save_always)
    assert result.saving > 0
    assert 0 < read_json(tmp_path / "always" / "result.json")["saving"] < 1
    seldom, always = (
        modelfile.load(tmp_path / name / "model.npz") for name in ("seldom", "always")
    )
    assert seldom.network.theta.tobytes() == always.network.theta.tobytes()
    assert outcome(tmp_path / "seldom")[1:] == outcome(tmp_path / "always")[1:]


@pytest.mark.parametrize("event", [0, 1, 2, 4, 5, 6, 9, 10, 12])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_a_run_of_two_processes_stopped_and_resumed_ends_as_one_that_never_was(
    event: int, optimizer: str, tmp_path: Path, wide_runs: dict[str, Path]
) -> None:
    whole = wide_runs[optimizer]
    again = settings.load(whole / "config.toml", {}, [])
    folder = tmp_path / "run"
    assert (
        run.execute(
            planning.prepare(again, folder, False, print), [at(event, "interrupted")]
        ).epochs
        == event // 5
    )
    result = resumed(folder)
    assert (result.stopped, result.plan.processes) == ("finished", 2)
    assert outcome(folder) == outcome(whole)


@pytest.mark.parametrize("event", [2, 3, 6, 11, 17])
def test_a_run_of_two_processes_that_dies_and_is_resumed_ends_as_one_that_never_did(
    event: int, tmp_path: Path, wide_runs: dict[str, Path], save_always: tuple[str, ...]
) -> None:
    whole = wide_runs["momentum"]
    again = settings.load(whole / "config.toml", {}, list(save_always))
    folder = tmp_path / "run"
    with pytest.raises(SystemExit):
        run.execute(planning.prepare(again, folder, False, print), [at(event, SystemExit(1))])
    assert checkpoint.load(folder).state.epoch == event // 9
    assert resumed(folder, "training.checkpoint_seconds=60").stopped == "finished"
    assert outcome(folder) == outcome(whole)


@pytest.fixture(scope="module")
def wide_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Undisturbed runs of two processes, three epochs of four batches each."""
    folder = tmp_path_factory.mktemp("wide")
    path = write_wide(folder / "wide.npz")
    sets = (
        "network.hidden=64",
        "training.batch_size=128",
        "training.epochs=3",
        "training.threads=2",
    )
    for optimizer in ("momentum", "adam"):
        result = executed(
            folder / optimizer, f"data.source={path}", *sets, f"optimizer.name={optimizer}"
        )
        assert result.plan.processes == 2
    return {optimizer: folder / optimizer for optimizer in ("momentum", "adam")}


def test_patience_is_not_lost_when_a_run_is_stopped(rows: str, tmp_path: Path) -> None:
    sets = (rows, *FOUR_EPOCHS, *PATIENT)
    whole = executed(tmp_path / "whole", *sets)
    assert whole.stopped == "early stopping"
    assert whole.epochs == whole.best_epoch + 2
    for epoch in range(1, whole.epochs):
        folder = tmp_path / f"run{epoch}"
        assert run.execute(planned(folder, *sets), [at(4 * epoch, "interrupted")]).epochs == epoch
        assert resumed(folder).stopped == "early stopping"
        assert outcome(folder) == outcome(tmp_path / "whole")


def test_a_run_that_stopped_early_goes_on_with_more_patience(rows: str, tmp_path: Path) -> None:
    sets = (rows, *FOUR_EPOCHS, *PATIENT)
    early = executed(tmp_path / "run", *sets)
    late = executed(tmp_path / "late", *sets, "training.patience=5")
    before = outcome(tmp_path / "run")
    again = resumed(tmp_path / "run")
    assert (again.stopped, again.epochs) == ("early stopping", early.epochs)
    assert outcome(tmp_path / "run") == before
    assert resumed(tmp_path / "run", "training.patience=5").epochs == late.epochs > early.epochs
    assert outcome(tmp_path / "run") == outcome(tmp_path / "late")


def test_under_a_constant_learning_rate_a_finished_run_goes_on_as_a_longer_one(
    rows: str, tmp_path: Path
) -> None:
    sets = (rows, *FOUR_EPOCHS, "optimizer.schedule=constant", "optimizer.warmup_epochs=1")
    executed(tmp_path / "long", *sets, "training.epochs=7")
    executed(tmp_path / "run", *sets)
    assert resumed(tmp_path / "run", "training.epochs=7").epochs == 7
    assert outcome(tmp_path / "run") == outcome(tmp_path / "long")
    assert resumed(tmp_path / "run", "training.epochs=5").epochs == 7  # what was trained stays


def test_a_finished_run_writes_again_what_was_deleted_and_changes_nothing_else(
    rows: str, tmp_path: Path
) -> None:
    result = executed(tmp_path / "run", rows, *FOUR_EPOCHS)
    before = outcome(tmp_path / "run")
    for names in (
        (),
        ("model.npz",),
        ("result.json", "model.npz"),
        ("checkpoint.1.npz",),
        ("checkpoint.npz",),
    ):
        for name in names:
            (tmp_path / "run" / name).unlink()
        again = resumed(tmp_path / "run")
        assert (again.stopped, again.epochs, again.best_epoch) == ("finished", 4, result.best_epoch)
        assert outcome(tmp_path / "run") == before


@pytest.mark.parametrize("length", [0, 100, -1])
def test_a_run_goes_on_from_the_checkpoint_before_where_the_newest_is_damaged(
    length: int, rows: str, tmp_path: Path, save_always: tuple[str, ...]
) -> None:
    sets = (rows, *FOUR_EPOCHS, *save_always)
    executed(tmp_path / "whole", *sets)
    run.execute(planned(tmp_path / "run", *sets), [at(17, "interrupted")])
    newest = tmp_path / "run" / "checkpoint.npz"
    newest.write_bytes(newest.read_bytes()[:length])
    resumed(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_a_run_that_diverged_diverges_again_when_it_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(DivergedError) as first:
        executed(tmp_path / "run", *LATE_DIVERGENCE)
    before = outcome(tmp_path / "run")
    with pytest.raises(DivergedError) as second:
        resumed(tmp_path / "run")
    assert str(first.value) == str(second.value)
    assert outcome(tmp_path / "run") == before


def test_the_seconds_of_a_run_add_up_over_its_parts(rows: str, tmp_path: Path) -> None:
    sets = (rows, *FOUR_EPOCHS)
    first = run.execute(planned(tmp_path / "run", *sets), [at(5, "interrupted")])
    saved = checkpoint.load(tmp_path / "run").record.seconds
    assert 0 < saved < first.seconds
    assert saved < resumed(tmp_path / "run").seconds < saved + 60


# Memory


def counted(vector: Floats, sizes: list[int]) -> Floats:
    sizes.append(vector.nbytes)
    return vector


@pytest.mark.parametrize(
    ("name", "hidden", "batch"), [("sgd", 512, 32), ("momentum", 64, 1000), ("adam", 3000, 100)]
)
def test_the_memory_that_a_plan_names_is_what_the_run_takes(
    name: str, hidden: int, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that processes share is not traced, so it is counted."""
    sets = (
        f"optimizer.name={name}",
        f"network.hidden={hidden}",
        f"training.batch_size={batch}",
        "training.epochs=1",
    )
    plan = planned(tmp_path / "run", *sets)
    shared: list[int] = []
    for module in (network, optimizers):
        monkeypatch.setattr(module, "shared_zeros", lambda *of: counted(shared_zeros(*of), shared))
    tracemalloc.start()
    run.execute(plan)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shared.count(4 * plan.shape.parameters) == 1 + RULES[name][1]  # theta and moments
    assert 0.7 < (peak + sum(shared)) / plan.memory < 1.05


def test_a_size_that_memory_refuses_after_all_is_told(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*args: Any, **more: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(fit, "new_state", too_much)
    done = command("train", *SMALL, "--out", "run")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(
        "mlpcli: there is not enough memory. Lower network.hidden"
    )


# Signals, to a real process


def wait_for_epochs(folder: Path, process: "subprocess.Popen[str]") -> None:
    path = folder / "metrics.jsonl"
    while process.poll() is None and not (path.exists() and path.read_bytes().count(b"\n") > 2):
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "code", "stopped"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_in_the_middle_ends_cleanly_with_the_best_model(
    number: int, code: int, stopped: str, tmp_path: Path
) -> None:
    words = ["train", "--epochs", "1000000", "--hidden", "8", "--out", "run", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpcli", *words],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # also where the tests run in the background
    )
    try:
        wait_for_epochs(tmp_path / "run", process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    assert "Stopping after this minibatch, and saving. Press Ctrl-C again" in stderr
    assert json.loads(stdout) == read_json(tmp_path / "run" / "result.json")
    assert json.loads(stdout)["stopped"] == stopped
    assert_the_best_weights_were_kept(tmp_path / "run")


@contextmanager
def two_processes(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A long run in two processes, in a process group of its own, and its worker's id."""
    path = str(write_wide(folder / "wide.npz"))
    words = [
        "train",
        "--data",
        path,
        *WIDE,
        "--epochs",
        "1000000",
        "--threads",
        "2",
        "--out",
        "run",
        "--json",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "mlpcli", *words],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            wait_for_epochs(folder / "run", process)
            (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield process, int(worker)
        finally:
            process.kill()


def test_ctrl_c_to_all_processes_of_a_run_ends_them_with_the_best_model(tmp_path: Path) -> None:
    with two_processes(tmp_path) as (process, worker):
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "Stopping after this minibatch, and saving. Press Ctrl-C again" in stderr
    result = json.loads(stdout)
    assert result == read_json(tmp_path / "run" / "result.json")
    assert (result["stopped"], result["threads"]) == ("interrupted", 2)
    assert result["epochs"] == len(metrics(tmp_path / "run"))
    assert_the_best_weights_were_kept(tmp_path / "run", rounding=1e-5)
    assert not Path(f"/proc/{worker}").exists()


def test_a_worker_that_is_killed_ends_the_run_in_a_sentence_with_the_best_model(
    tmp_path: Path,
) -> None:
    with two_processes(tmp_path) as (process, worker):
        os.kill(worker, signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 2, stderr
    assert "Traceback" not in stderr
    said = stderr.splitlines()[-1].removeprefix("mlpcli: ")
    assert said.startswith("A worker process ended before its time: ")
    assert json.loads(stdout) == {"schema": 1, "error": said}
    assert read_json(tmp_path / "run" / "result.json")["stopped"] == "interrupted"
    assert_the_best_weights_were_kept(tmp_path / "run", rounding=1e-5)


def test_ctrl_c_before_training_is_told_without_a_traceback(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "prepare", pressed)
    done = command("train", "--json")
    assert (done.exit_code, done.stderr) == (130, "mlpcli: stopped.\n")
    assert json.loads(done.stdout) == {"schema": 1, "error": "stopped."}


def test_a_run_of_a_csv_and_its_replay_from_elsewhere_score_alike(
    mlpcli: Run, tmp_path: Path
) -> None:
    write_csv(tmp_path / "rows.csv")
    assert mlpcli("train", "--data", "rows.csv", *SMALL, "--out", "run").returncode == 0
    (tmp_path / "elsewhere").mkdir()
    replay = mlpcli(
        "train", "../run/config.toml", "--json", "--out", "again", cwd=tmp_path / "elsewhere"
    )
    first, second = read_json(tmp_path / "run" / "result.json"), json.loads(replay.stdout)
    assert all(
        first[part] == second[part]
        for part in ("data", "train", "validation", "test", "best_epoch")
    )


def test_a_configuration_in_memory_is_enough(tmp_path: Path) -> None:
    settings = with_values(Config(), {"training.epochs": 1, "network.hidden": 4})
    assert run.execute(planning.prepare(settings, tmp_path / "run", False, print)).epochs == 1
