"""One run: the files it writes, the weights it keeps however it ends, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import config, modelfile, network, optimizers, run
from mlpcli.arrays import Floats, Shape, shared_zeros
from mlpcli.config import Config
from mlpcli.errors import ConfigError, DivergedError, OutputError
from mlpcli.events import EpochDone, Event, StopReason
from mlpcli.machine import blas
from mlpcli.optimizers import RULES
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
        *("seconds", "threads", "blas", "versions"),
    ]
    assert (result["schema"], result["run"], result["stopped"]) == (1, str(digits_run), "finished")
    assert result["epochs"] == 2
    data = result["data"]
    assert (data["source"], data["rows"], data["features"]) == ("digits", 1797, 64)
    assert data["classes"] == [str(digit) for digit in range(10)]
    assert len(data["sha256"]) == 64
    assert sum(result[part]["rows"] for part in ("train", "validation", "test")) == 1797
    assert all(list(result[part]) == ["rows", "loss", "accuracy"] for part in ("train", "validation", "test"))
    assert (result["threads"], result["blas"]) == (1, blas())
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


# Cores


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
    assert run.share_out(shape, rows, cores) == processes


@pytest.mark.parametrize(("threads", "processes"), [(0, 3), (1, 1), (2, 2), (5, 5)])
def test_a_plan_takes_all_cores_unless_it_is_told_how_many(
    threads: int, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "cores", lambda: 3)
    plan = planned(tmp_path / "run", f"training.threads={threads}", "network.hidden=2000", "training.batch_size=100")
    assert plan.document()["threads"] == processes
    alone = planned(tmp_path / "run", "training.threads=1", "network.hidden=2000", "training.batch_size=100")
    assert (plan.memory > alone.memory) == (processes > 1)


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
        words = ("train", "--data", path, *WIDE, "--epochs", 25, "--threads", threads, "--out", f"run{threads}")
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


def counted(vector: Floats, sizes: list[int]) -> Floats:
    sizes.append(vector.nbytes)
    return vector


@pytest.mark.parametrize(("name", "hidden", "batch"), [("sgd", 512, 32), ("momentum", 64, 1000), ("adam", 3000, 100)])
def test_the_memory_that_a_plan_names_is_what_the_run_takes(
    name: str, hidden: int, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that processes share is not traced, so it is counted."""
    sets = (f"optimizer.name={name}", f"network.hidden={hidden}", f"training.batch_size={batch}", "training.epochs=1")
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


@contextmanager
def two_processes(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A long run in two processes, in a process group of its own and after a few epochs; and its worker's id."""
    path = write_wide(folder / "wide.npz")
    words = ["train", "--data", path, *WIDE, "--epochs", "1000000", "--threads", "2", "--out", "run", "--json"]
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
    assert "Stopping. Press Ctrl-C again" in stderr
    result = json.loads(stdout)
    assert result == read_json(tmp_path / "run" / "result.json")
    assert (result["stopped"], result["threads"]) == ("interrupted", 2)
    assert result["epochs"] == len(metrics(tmp_path / "run"))
    assert_the_best_weights_were_kept(tmp_path / "run", rounding=1e-5)
    assert not Path(f"/proc/{worker}").exists()


def test_a_worker_that_is_killed_ends_the_run_in_a_sentence_with_the_best_model(tmp_path: Path) -> None:
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
