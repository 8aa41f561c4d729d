"""Those who listen: what they keep, what they write, and when they ask to stop."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import pytest

from mlpcli.arrays import Shape
from mlpcli.errors import OutputError
from mlpcli.evaluation import Scores
from mlpcli.events import BatchDone, EpochDone, Event, Started, Stopped, StopReason
from mlpcli.network import Network
from mlpcli.observers import BestModel, EarlyStopping, MetricsLog, Observer, Signals, drive

LOSSES = [0.9, 0.5, 0.6, 0.5, 0.4, 0.7]


def epoch_done(epoch: int, validation_loss: float, rows: int = 23) -> EpochDone:
    scores = Scores(validation_loss, np.array([0, 1, 1, 0]), np.array([0, 1, 1, 1]), np.ones(4), 2)
    return EpochDone(epoch, train_loss=validation_loss + 1, validation=scores, lr=0.05 / epoch, rows=rows)


def epochs() -> Iterator[EpochDone]:
    return (epoch_done(n, loss) for n, loss in enumerate(LOSSES, 1))


def a_run(answers: list[StopReason | None]) -> Generator[Event, StopReason | None, None]:
    """A run that writes down each answer, and stops at the first that is not None."""
    for event in [Started(2, 1), BatchDone(1, 1, 23, 0.5), epoch_done(1, 0.5), BatchDone(2, 1, 23, 0.4)]:
        answers.append((yield event))
        if answers[-1]:
            yield Stopped(answers[-1])
            return
    yield Stopped("finished")


def asking(reason: StopReason, kind: type[Event]) -> Observer:
    return lambda event: reason if isinstance(event, kind) else None


def test_drive_shows_every_event_to_every_observer_in_turn_and_returns_the_last() -> None:
    shown: list[tuple[str, type[Event]]] = []
    observers = [lambda event, name=name: shown.append((name, type(event))) for name in "ab"]
    answers: list[StopReason | None] = []
    assert drive(a_run(answers), observers) == Stopped("finished")
    kinds = [Started, BatchDone, EpochDone, BatchDone, Stopped]
    assert shown == [(name, kind) for kind in kinds for name in "ab"]
    assert answers == [None] * 4


@pytest.mark.parametrize(("kind", "asked"), [(Started, 1), (BatchDone, 2), (EpochDone, 3)])
def test_drive_passes_a_reason_back_and_shows_stopped_to_all(kind: type[Event], asked: int) -> None:
    shown: list[Event] = []
    answers: list[StopReason | None] = []
    stopped = drive(a_run(answers), [asking("interrupted", kind), lambda event: shown.append(event)])
    assert stopped == Stopped("interrupted")
    assert answers == [None] * (asked - 1) + ["interrupted"]
    assert len(shown) == asked + 1
    assert shown[-1] is stopped


def test_drive_passes_back_the_first_of_two_reasons() -> None:
    early, signalled = asking("early stopping", EpochDone), asking("interrupted", EpochDone)
    assert drive(a_run([]), [early, signalled]) == Stopped("early stopping")
    assert drive(a_run([]), [signalled, early]) == Stopped("interrupted")


def test_drive_without_observers_runs_to_the_end() -> None:
    assert drive(a_run([]), []) == Stopped("finished")


@pytest.fixture
def network() -> Network:
    return Network(Shape(7, 11, 3), "relu")


def test_the_best_model_is_the_first_with_the_lowest_validation_loss(network: Network) -> None:
    best = BestModel(network)
    seen = []
    for event in epochs():
        network.theta[:] = event.epoch
        assert best(event) is None
        seen.append((best.epoch, best.loss))
    assert seen == [(1, 0.9), (2, 0.5), (2, 0.5), (2, 0.5), (5, 0.4), (5, 0.4)]
    assert np.all(network.theta == 6)
    best.restore()
    assert np.all(network.theta == 5)
    assert np.all(network.W1 == 5)


def test_without_a_finished_epoch_there_is_no_best_model_to_restore(network: Network) -> None:
    best = BestModel(network)
    network.theta[:] = 7
    best(Started(2, 1))
    best(BatchDone(1, 1, 23, 0.1))
    best.restore()
    assert best.epoch == 0
    assert np.all(network.theta == 7)


@pytest.mark.parametrize(("patience", "stop"), [(1, 3), (2, 4), (3, None)])
def test_early_stopping_waits_its_patience_for_a_better_loss_and_an_equal_one_is_not_better(
    patience: int, stop: int | None
) -> None:
    observer = EarlyStopping(patience)
    asked = [event.epoch for event in epochs() if observer(event)]
    assert (asked[0] if asked else None) == stop


def test_early_stopping_says_its_name_and_counts_epochs_only() -> None:
    observer = EarlyStopping(1)
    assert observer(epoch_done(1, 0.5)) is None
    assert all(observer(event) is None for event in (Started(9, 9), BatchDone(2, 1, 5, 9.0), BatchDone(2, 2, 5, 9.0)))
    assert observer(epoch_done(2, 0.5)) == "early stopping"


def test_a_patience_of_0_never_stops() -> None:
    observer = EarlyStopping(0)
    assert [observer(epoch_done(n, 0.5)) for n in range(1, 50)] == [None] * 49


def clock(*times: float) -> Callable[[], float]:
    return iter(times).__next__


def test_the_metrics_log_writes_a_line_an_epoch_with_its_time_and_speed(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, clock(100.0, 102.0, 102.5))
    for event in [Started(2, 1), BatchDone(1, 1, 23, 1.0), epoch_done(1, 0.9), epoch_done(2, 0.5), Stopped("finished")]:
        assert log(event) is None
    common = {"validation_accuracy": 0.75}
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        common
        | {"epoch": 1, "train_loss": 1.9, "validation_loss": 0.9, "lr": 0.05, "seconds": 2.0, "rows_per_second": 12},
        common
        | {"epoch": 2, "train_loss": 1.5, "validation_loss": 0.5, "lr": 0.025, "seconds": 0.5, "rows_per_second": 46},
    ]


def test_each_line_of_the_metrics_log_can_be_read_as_soon_as_its_epoch_is_done(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock(*range(9)))
    log(Started(6, 1))
    for event in epochs():
        log(event)
        assert len((tmp_path / "metrics.jsonl").read_bytes().splitlines()) == event.epoch


def test_an_epoch_that_took_no_measurable_time_still_has_a_finite_speed(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock(5.0, 5.0))
    log(Started(1, 1))
    log(epoch_done(1, 0.5))
    line = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert (line["seconds"], line["rows_per_second"]) == (0.0, 23_000_000_000)


def test_a_new_run_begins_the_metrics_log_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("an older run's\n")
    MetricsLog(path, clock(0.0))(Started(1, 1))
    assert path.read_text() == ""


def test_a_metrics_log_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere.metrics\.jsonl: cannot be written: "):
        MetricsLog(tmp_path / "nowhere" / "metrics.jsonl", clock(0.0))(Started(1, 1))


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_the_first_signal_becomes_a_reason_to_stop_and_handlers_are_put_back(
    number: signal.Signals, reason: StopReason
) -> None:
    said: list[str] = []
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with Signals(said.append) as signals:
        assert signals(Started(1, 1)) is None
        os.kill(os.getpid(), number)
        assert signals(BatchDone(1, 1, 5, 0.5)) == reason
        assert drive(a_run([]), [signals]) == Stopped(reason)
        assert signals(BatchDone(1, 2, 5, 0.5)) == reason
    assert said == ["Stopping. Press Ctrl-C again to stop at once and lose the run."]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_without_a_signal_there_is_nothing_to_say_and_handlers_are_put_back() -> None:
    said: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with Signals(said.append) as signals:
        assert signal.getsignal(signal.SIGINT) != before
        assert drive(a_run([]), [signals]) == Stopped("finished")
    assert said == []
    assert signal.getsignal(signal.SIGINT) == before


def test_handlers_are_put_back_after_an_error_too() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), Signals(print):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
def test_the_second_signal_leaves_what_is_going_on_by_the_ways_out_and_the_third_does_not(second: str) -> None:
    program = (
        "import os, signal\n"
        "from mlpcli.observers import Signals\n"
        "with Signals(print):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('going on', flush=True)\n"
        "    try:\n"
        f"        os.kill(os.getpid(), signal.{second})\n"
        "        print('still here', flush=True)\n"
        "    finally:\n"
        "        print('on the way out', flush=True)\n"
        "        THIRD\n"
    )
    code = {"SIGINT": 130, "SIGTERM": 143}[second]
    third = f"os.kill(os.getpid(), signal.{second})"
    for last, expected in (("pass", code), (third, -getattr(signal, second))):
        command = [sys.executable, "-c", program.replace("THIRD", last)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == expected
        assert done.stdout.splitlines() == ["going on", "on the way out"]
        assert done.stderr == ""


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals(print) as signals:
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGINT)
            assert signals(Started(1, 1)) is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    program = (
        "import signal, threading\n"
        "from mlpcli.observers import Signals\n"
        "before, seen = signal.getsignal(signal.SIGINT), []\n"
        "def work():\n"
        "    with Signals(print) as signals:\n"
        "        seen.extend([signal.getsignal(signal.SIGINT) == before, signals(None)])\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start(); thread.join()\n"
        "print(seen)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[True, None]\n"
