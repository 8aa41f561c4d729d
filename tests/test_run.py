"""One run: the files it writes, the weights it keeps however it ends, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from mlpcli import config, modelfile, run
from mlpcli.config import Config
from mlpcli.errors import ConfigError, DivergedError, OutputError
from mlpcli.events import EpochDone, Event, StopReason
from mlpcli.run import Plan, Result
from tests.conftest import SMALL, Command, Run, write_csv

KEYS = dict(config.every_key())
QUICK = ("network.hidden=8", "training.epochs=2")
LATE_DIVERGENCE = (  # the learning rate rises by the epoch; after a few it is too high for this network
    *("network.activation=identity", "network.dropout=0", "network.input_dropout=0", "network.max_norm=0"),
    *("optimizer.name=sgd", "optimizer.lr=3", "optimizer.warmup_epochs=12", "training.epochs=12"),
)


def planned(out: Path, *sets: str) -> Plan:
    return run.prepare(config.load(None, {}, [*QUICK, *sets]), out, False, print)


def executed(out: Path, *sets: str) -> Result:
    return run.execute(planned(out, *sets))


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def assert_the_best_weights_were_kept(folder: Path) -> None:
    """The model file's validation score is that of the epoch with the lowest validation loss."""
    losses = [line["validation_loss"] for line in metrics(folder)]
    header = modelfile.load(folder / "model.npz").header
    assert header["best_epoch"] == 1 + losses.index(min(losses))
    assert header["scores"]["validation"]["loss"] == min(losses)
    assert read_json(folder / "result.json")["best_epoch"] == header["best_epoch"]


# The files


def test_a_run_folder_holds_its_four_files(digits_run: Path) -> None:
    assert sorted(os.listdir(digits_run)) == ["config.toml", "metrics.jsonl", "model.npz", "result.json"]


def test_metrics_has_one_object_a_line_and_epoch(digits_run: Path) -> None:
    lines = metrics(digits_run)
    keys = ["epoch", "train_loss", "validation_loss", "validation_accuracy", "lr", "seconds", "rows_per_second"]
    assert [list(line) for line in lines] == [keys, keys]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(0 <= line["validation_accuracy"] <= 1 and line["lr"] > 0 for line in lines)
    assert_the_best_weights_were_kept(digits_run)


def test_result_says_what_came_of_the_run(digits_run: Path) -> None:
    result = read_json(digits_run / "result.json")
    assert list(result) == [
        *("schema", "run", "data", "stopped", "epochs", "best_epoch", "train", "validation", "test"),
        *("seconds", "versions"),
    ]
    assert (result["schema"], result["run"], result["stopped"]) == (1, str(digits_run), "finished")
    assert result["epochs"] == 2
    data = result["data"]
    assert (data["source"], data["rows"], data["features"]) == ("digits", 1797, 64)
    assert data["classes"] == [str(digit) for digit in range(10)]
    assert len(data["sha256"]) == 64
    assert sum(result[part]["rows"] for part in ("train", "validation", "test")) == 1797
    assert all(list(result[part]) == ["rows", "loss", "accuracy"] for part in ("train", "validation", "test"))
    assert list(result["versions"]) == ["mlpcli", "python", "numpy"]


def test_config_toml_holds_every_value_in_force(tmp_path: Path) -> None:
    result = executed(tmp_path / "run", "data.scaling=auto", "optimizer.name=adam")
    read = config.load(tmp_path / "run" / "config.toml", {}, [])
    assert read == result.plan.config
    assert (read.data.scaling, read.optimizer.lr) == ("unit", 0.001)
    text = (tmp_path / "run" / "config.toml").read_text(encoding="utf-8")
    assert all(f"{key.split('.')[-1]} = " in text for key in KEYS)


def test_a_run_can_be_called_without_any_observer(tmp_path: Path) -> None:
    result = executed(tmp_path / "run")
    assert (result.stopped, result.epochs) == ("finished", 2)
    assert read_json(tmp_path / "run" / "result.json") == result.document()


def test_a_plan_says_how_much_is_to_be_done(tmp_path: Path) -> None:
    plan = planned(tmp_path / "run", "training.batch_size=100")
    document = plan.document()
    assert document["rows"] == {"train": 1259, "validation": 179, "test": 359}
    assert document["parameters"] == 64 * 8 + 8 + 8 * 10 + 10
    assert document["batches"] == 13
    assert document["config"] == plan.config.model_dump()
    assert not (tmp_path / "run").exists()


# Unusual data and sizes


def test_a_batch_larger_than_the_data_is_one_batch_of_all_rows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", rows=30)
    result = executed(tmp_path / "run", f"data.source={path}", "training.batch_size=5000", "training.epochs=3")
    assert (result.plan.batches, result.epochs) == (1, 3)
    assert result.plan.memory < 2**20


@pytest.mark.parametrize("classes", [("no", "yes"), ("1", "10", "2"), ("-1", "1"), ("é", "[b]", "a b"), ("0.0", "1.0")])
def test_classes_keep_their_names(classes: tuple[str, ...], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", classes, rows=90)
    result = executed(tmp_path / "run", f"data.source={path}", "training.epochs=30", "network.hidden=16")
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


def test_a_folder_whose_name_is_no_text_cannot_be_replayed_and_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    write_csv(folder / "rows.csv")
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=r"data\.source = .* is refused"):
        planned(tmp_path / "run", "data.source=rows.csv")


# How it ends


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    result = executed(
        tmp_path / "run", "training.patience=2", "training.epochs=60", "optimizer.lr=0.5", "optimizer.schedule=constant"
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
    plan = planned(tmp_path / "run", "training.epochs=9", "optimizer.lr=0.4", "optimizer.schedule=constant")
    result = run.execute(plan, [stop_after(4, reason)])
    assert (result.stopped, result.epochs) == (reason, 4)
    assert_the_best_weights_were_kept(tmp_path / "run")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OutputError("disk full"), RuntimeError("a bug")])
def test_the_best_weights_are_kept_when_an_observer_fails(error: BaseException, tmp_path: Path) -> None:
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
def test_divergence_is_told_by_epoch_batch_and_learning_rate(words: tuple[str, ...], command: Command) -> None:
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


# Memory


def test_a_network_that_cannot_fit_in_memory_is_refused_at_once(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(run, "available_memory", lambda: 4 * 2**30)
    done = command("train", "--set", "network.hidden=16000000", "--out", "run")
    assert done.exit_code == 2
    assert "network.hidden = 16,000,000 with 64 features and 10 classes needs " in done.stderr
    assert "GiB of memory, and 4.0 GiB is free. Lower network.hidden or training.batch_size." in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "hidden", "batch"), [("sgd", 512, 32), ("momentum", 64, 1000), ("adam", 3000, 100)])
def test_the_memory_that_a_plan_names_is_what_the_run_takes(name: str, hidden: int, batch: int, tmp_path: Path) -> None:
    sets = (f"optimizer.name={name}", f"network.hidden={hidden}", f"training.batch_size={batch}", "training.epochs=1")
    plan = planned(tmp_path / "run", *sets)
    tracemalloc.start()
    run.execute(plan)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.7 < peak / plan.memory < 1.05


def test_a_size_that_memory_refuses_after_all_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(run, "new_state", too_much)
    done = command("train", *SMALL, "--out", "run")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("mlpcli: there is not enough memory. Lower network.hidden")


# Signals, to a real process


def wait_for_epochs(folder: Path, process: "subprocess.Popen[str]") -> None:
    path = folder / "metrics.jsonl"
    while process.poll() is None and not (path.exists() and path.read_bytes().count(b"\n") > 2):
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "code", "stopped"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
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
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also where the tests run in the background
    )
    try:
        wait_for_epochs(tmp_path / "run", process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    assert "Stopping. Press Ctrl-C again" in stderr
    assert json.loads(stdout) == read_json(tmp_path / "run" / "result.json")
    assert json.loads(stdout)["stopped"] == stopped
    assert_the_best_weights_were_kept(tmp_path / "run")


def test_ctrl_c_before_training_is_told_without_a_traceback(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "prepare", pressed)
    done = command("train", "--json")
    assert (done.exit_code, done.stderr) == (130, "mlpcli: stopped.\n")
    assert json.loads(done.stdout) == {"schema": 1, "error": "stopped."}


def test_a_run_of_a_csv_and_its_replay_from_elsewhere_score_alike(mlpcli: Run, tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv")
    assert mlpcli("train", "--data", "rows.csv", *SMALL, "--out", "run").returncode == 0
    (tmp_path / "elsewhere").mkdir()
    replay = mlpcli("train", "../run/config.toml", "--json", "--out", "again", cwd=tmp_path / "elsewhere")
    first, second = read_json(tmp_path / "run" / "result.json"), json.loads(replay.stdout)
    assert all(first[part] == second[part] for part in ("data", "train", "validation", "test", "best_epoch"))


def test_a_configuration_in_memory_is_enough(tmp_path: Path) -> None:
    settings = config.with_values(Config(), {"training.epochs": 1, "network.hidden": 4})
    assert run.execute(run.prepare(settings, tmp_path / "run", False, print)).epochs == 1
