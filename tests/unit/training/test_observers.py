"""Those who listen: what they keep, what they write, and when they ask to stop."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mlpcli.arrays import Shape
from mlpcli.errors import OutputError, StoppedAtOnce
from mlpcli.model.metrics import Scores
from mlpcli.model.network import Network
from mlpcli.model.optimizers import Hyperparameters, Optimizer
from mlpcli.model.state import Best, TrainingState
from mlpcli.training import signals
from mlpcli.training.events import (
    Answer,
    BatchDone,
    EpochDone,
    Event,
    Paused,
    Started,
    Stopped,
    StopReason,
)
from mlpcli.training.loop import Events
from mlpcli.training.observers import (
    MAX_SAVING_SHARE,
    BestModel,
    Checkpoints,
    EarlyStopping,
    MetricsLog,
    Observer,
    drive,
)
from mlpcli.training.signals import SAME_ACT, STOPPING, Signals

LOSSES = [0.9, 0.5, 0.6, 0.5, 0.4, 0.7]


def epoch_done(epoch: int, validation_loss: float, rows: int = 23) -> EpochDone:
    scores = Scores(validation_loss, np.array([0, 1, 1, 0]), np.array([0, 1, 1, 1]), np.ones(4), 2)
    return EpochDone(
        epoch, train_loss=validation_loss + 1, validation=scores, lr=0.05 / epoch, rows=rows
    )


def epochs() -> Iterator[EpochDone]:
    return (epoch_done(n, loss) for n, loss in enumerate(LOSSES, 1))


def a_run(answers: list[Answer]) -> Events:
    """A run that writes down each answer, and stops at the first that is not None."""
    events: list[Event] = [
        Started(2, 1),
        BatchDone(1, 1, 23, 0.5),
        epoch_done(1, 0.5),
        BatchDone(2, 1, 23, 0.4),
    ]
    for event in events:
        answer = yield event
        answers.append(answer)
        if answer and answer != "pause":
            yield Stopped(answer)
            return
    yield Stopped("finished")


def asking(reason: StopReason, kind: type[Event]) -> Observer:
    return lambda event: reason if isinstance(event, kind) else None


def test_drive_shows_every_event_to_every_observer_in_turn_and_returns_the_last() -> None:
    shown: list[tuple[str, type[Event]]] = []

    def observer(name: str) -> Observer:
        def note(event: Event) -> None:
            shown.append((name, type(event)))

        return note

    observers = [observer(name) for name in "ab"]
    answers: list[Answer] = []
    assert drive(a_run(answers), observers) == Stopped("finished")
    kinds = [Started, BatchDone, EpochDone, BatchDone, Stopped]
    assert shown == [(name, kind) for kind in kinds for name in "ab"]
    assert answers == [None] * 4


@pytest.mark.parametrize(("kind", "asked"), [(Started, 1), (BatchDone, 2), (EpochDone, 3)])
def test_drive_passes_a_reason_back_and_shows_stopped_to_all(kind: type[Event], asked: int) -> None:
    shown: list[Event] = []
    answers: list[Answer] = []

    def note(event: Event) -> None:
        shown.append(event)

    stopped = drive(a_run(answers), [asking("interrupted", kind), note])
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
    best = Best(network.theta.copy())
    observer = BestModel(network, best)
    seen = []
    for event in epochs():
        network.theta[:] = event.epoch
        observer(event)
        seen.append((best.epoch, best.loss))
    assert seen == [(1, 0.9), (2, 0.5), (2, 0.5), (2, 0.5), (5, 0.4), (5, 0.4)]
    assert np.all(network.theta == 6)
    assert np.all(best.theta == 5)


def unscored(epoch: int) -> EpochDone:
    """The end of an epoch of a run without validation rows."""
    return EpochDone(epoch, train_loss=0.5, validation=None, lr=0.05, rows=23)


def test_without_validation_rows_the_best_model_is_the_latest(network: Network) -> None:
    best = Best(network.theta.copy())
    observer = BestModel(network, best)
    for epoch in (1, 2, 3):
        network.theta[:] = epoch
        observer(unscored(epoch))
        assert (best.epoch, best.loss) == (epoch, float("inf"))
        assert np.all(best.theta == epoch)


def test_without_a_finished_epoch_there_is_no_best_model(network: Network) -> None:
    best = Best(network.theta.copy())
    observer = BestModel(network, best)
    network.theta[:] = 7
    for event in (Started(2, 1), BatchDone(1, 1, 23, 0.1), Paused(), Stopped("interrupted")):
        observer(event)
    assert (best.epoch, best.loss) == (0, float("inf"))
    assert np.all(best.theta == 0)


def test_the_best_model_of_a_run_that_goes_on_must_be_better_than_that_before(
    network: Network,
) -> None:
    best = Best(network.theta.copy(), epoch=7, loss=0.5)
    observer = BestModel(network, best)
    network.theta[:] = 1
    observer(epoch_done(8, 0.5))
    assert best.epoch == 7
    assert np.all(best.theta == 0)
    observer(epoch_done(9, 0.4))
    assert (best.epoch, best.loss) == (9, 0.4)
    assert np.all(best.theta == 1)


def patient(
    patience: int, network: Network, losses: list[float], state: TrainingState, best: Best
) -> list[int]:
    """The epochs after which early stopping asks to stop, in a resumed run."""
    keeps, stops = BestModel(network, best), EarlyStopping(patience, state, best)
    asked = []
    for loss in losses:
        state.epoch += 1
        keeps(epoch_done(state.epoch, loss))
        if stops(epoch_done(state.epoch, loss)):
            asked.append(state.epoch)
    return asked


@pytest.fixture
def state(network: Network) -> TrainingState:
    streams = np.random.default_rng(1), np.random.default_rng(2)
    hyper = Hyperparameters(0.9, True, 0.9, 0.999, 1e-8)
    return TrainingState(network, Optimizer("sgd", network, hyper), *streams)


@pytest.mark.parametrize(("patience", "stop"), [(1, 3), (2, 4), (3, None)])
def test_early_stopping_waits_its_patience_for_a_better_loss_and_an_equal_one_is_not_better(
    patience: int, stop: int | None, network: Network, state: TrainingState
) -> None:
    asked = patient(patience, network, LOSSES, state, Best(network.theta.copy()))
    assert (asked[0] if asked else None) == stop


@pytest.mark.parametrize("cut", range(7))
def test_early_stopping_in_a_run_that_goes_on_counts_the_epochs_before(
    cut: int, network: Network, state: TrainingState
) -> None:
    best = Best(network.theta.copy())
    asked = patient(2, network, LOSSES[:cut], state, best)
    assert asked + patient(2, network, LOSSES[cut:], state, best) == [4]


def test_early_stopping_says_its_name_and_says_it_again_at_the_start(
    network: Network, state: TrainingState
) -> None:
    best = Best(network.theta, 3, 0.5)
    state.epoch = 4
    for event in (Started(9, 9), BatchDone(2, 1, 5, 9.0), epoch_done(5, 1.0)):
        assert EarlyStopping(1, state, best)(event) == "early stopping"
        assert EarlyStopping(2, state, best)(event) is None


def test_a_patience_of_0_never_stops(network: Network, state: TrainingState) -> None:
    assert patient(0, network, [0.5] * 50, state, Best(network.theta.copy())) == []


def clock(*times: float) -> Callable[[], float]:
    return iter(times).__next__


def test_the_metrics_log_writes_a_line_an_epoch_with_its_time_and_speed(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, clock=clock(100.0, 102.0, 102.5))
    events: list[Event] = [
        Started(2, 1),
        BatchDone(1, 1, 23, 1.0),
        epoch_done(1, 0.9),
        epoch_done(2, 0.5),
        Stopped("finished"),
    ]
    for event in events:
        log(event)
    common = {"validation_accuracy": 0.75}
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        common
        | {
            "epoch": 1,
            "train_loss": 1.9,
            "validation_loss": 0.9,
            "lr": 0.05,
            "seconds": 2.0,
            "rows_per_second": 12,
        },
        common
        | {
            "epoch": 2,
            "train_loss": 1.5,
            "validation_loss": 0.5,
            "lr": 0.025,
            "seconds": 0.5,
            "rows_per_second": 46,
        },
    ]


def test_the_metrics_of_a_run_without_validation_rows_have_null_in_their_place(
    tmp_path: Path,
) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock=clock(5.0, 6.0))
    log(Started(1, 1))
    log(unscored(1))
    line = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert (line["validation_loss"], line["validation_accuracy"]) == (None, None)
    assert (line["epoch"], line["train_loss"], line["seconds"]) == (1, 0.5, 1.0)


def test_each_line_of_the_metrics_log_can_be_read_as_soon_as_its_epoch_is_done(
    tmp_path: Path,
) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock=clock(*range(9)))
    log(Started(6, 1))
    for event in epochs():
        log(event)
        assert len((tmp_path / "metrics.jsonl").read_bytes().splitlines()) == event.epoch


def test_an_epoch_that_took_no_measurable_time_still_has_a_finite_speed(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock=clock(5.0, 5.0))
    log(Started(1, 1))
    log(epoch_done(1, 0.5))
    line = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert (line["seconds"], line["rows_per_second"]) == (0.0, 23_000_000_000)


def test_a_new_run_begins_the_metrics_log_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("an older run's\n")
    MetricsLog(path, clock=clock(0.0))(Started(1, 1))
    assert path.read_text() == ""


def test_a_run_that_goes_on_cuts_the_metrics_log_back_to_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("one\ntwo\nhal")
    log = MetricsLog(path, 4, clock(*range(9)))
    log(Started(3, 1))
    log(epoch_done(2, 0.5))
    one, two = path.read_text().splitlines()
    assert (one, json.loads(two)["epoch"]) == ("one", 2)
    assert log.saved() == (log.length, hashlib.sha256(path.read_bytes()).hexdigest())
    assert log.length == path.stat().st_size


def test_a_metrics_log_that_lost_lines_goes_on_from_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("one\n")
    log = MetricsLog(path, 1000, clock(*range(9)))
    log(Started(3, 1))
    log(epoch_done(2, 0.5))
    assert path.read_text().startswith('one\n{"epoch": 2')
    assert log.saved() == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


def test_the_lines_that_a_checkpoint_counts_are_on_disk_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", clock=clock(*range(9)))
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    log(Started(2, 1))
    synced.clear()
    log(epoch_done(1, 0.5))
    assert synced == []  # a line an epoch is no reason to wait for a disk
    assert log.saved()[0] > 0
    assert synced == [log.length]


def test_a_metrics_log_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere.metrics\.jsonl: cannot be written: "):
        MetricsLog(tmp_path / "nowhere" / "metrics.jsonl", clock=clock(0.0))(Started(1, 1))


# Saving


class World:
    """A clock that stands still but for steps and saves, which take their time."""

    def __init__(self, every: float, cost: float) -> None:
        self.now, self.cost, self.saved = 1000.0, cost, list[tuple[float, str]]()
        self.event: Event = Started(1, 1)
        self.observer = Checkpoints(self.save, every, lambda: self.now)
        self.show(Started(1000, 1000))

    def save(self) -> None:
        self.saved.append((round(self.now - 1000, 3), type(self.event).__name__))
        self.now += self.cost

    def show(self, event: Event, seconds: float = 0.0) -> Answer:
        """Let time pass, show the event, and a pause where that is asked for."""
        self.now += seconds
        self.event = event
        answer = self.observer(event)
        if answer == "pause":
            assert isinstance(event, BatchDone)
            self.event = Paused()
            assert self.observer(self.event) is None
        return answer

    @property
    def share(self) -> float:
        return self.observer.spent / (self.now - 1000)


BATCH, EPOCH = BatchDone(1, 1, 5, 0.5), epoch_done(1, 0.5)


def test_a_run_is_saved_at_each_epochs_end_where_that_costs_little() -> None:
    world = World(every=60, cost=0.1)
    for _ in range(5):
        assert world.show(BATCH, seconds=5) is None
        assert world.show(EPOCH, seconds=5) is None
    assert world.saved == [(time, "EpochDone") for time in (10, 20.1, 30.2, 40.3, 50.4)]


def test_a_run_is_saved_within_an_epoch_after_so_many_seconds() -> None:
    world = World(every=60, cost=1)
    answers = [world.show(BATCH, seconds=25) for _ in range(6)]
    assert answers == [None, None, "pause", None, None, "pause"]
    assert world.saved == [(75, "Paused"), (151, "Paused")]
    assert world.show(EPOCH, seconds=10) is None
    assert world.saved[2:] == [(162, "EpochDone")]
    assert [world.show(BATCH, seconds=25) for _ in range(3)] == [
        None,
        None,
        "pause",
    ]  # counted from the last save


@pytest.mark.parametrize("cost", [0.001, 0.02, 1.0])
@pytest.mark.parametrize("every", [0, 0.5])
def test_saving_takes_no_more_than_its_share_of_the_time(every: float, cost: float) -> None:
    """The first save, whose cost nobody knows yet, is the one that may take more, at first."""
    world = World(every, cost)
    world.show(EPOCH, seconds=cost)
    assert len(world.saved) == 1
    for step in range(5000):
        saves = len(world.saved)
        world.show(EPOCH if step % 7 == 0 else BATCH, seconds=0.01)
        if len(world.saved) > saves:
            assert world.share <= MAX_SAVING_SHARE + 1e-9
    assert len(world.saved) > 1
    assert world.share <= MAX_SAVING_SHARE


def test_a_save_that_once_took_long_is_expected_to_take_as_long_again() -> None:
    world = World(every=0, cost=1)
    world.show(EPOCH, seconds=21)
    world.cost = 0.01
    for _ in range(17):
        world.show(EPOCH, seconds=1)
        assert world.saved == [(21, "EpochDone")]
    world.show(EPOCH, seconds=1)
    assert world.saved == [
        (21, "EpochDone"),
        (40, "EpochDone"),
    ]  # a twentieth of 40 s is two of 1 s


@pytest.mark.parametrize("reason", ["finished", "early stopping", "interrupted", "terminated"])
def test_the_end_is_always_saved(reason: StopReason) -> None:
    world = World(every=60, cost=50)
    world.show(EPOCH, seconds=1)
    world.show(Stopped(reason), seconds=1)
    assert [kind for _, kind in world.saved] == ["EpochDone", "Stopped"]


def test_a_run_that_diverged_is_not_saved_as_it_is() -> None:
    world = World(every=0, cost=0)
    world.show(Stopped("diverged", "It did."), seconds=100)
    assert world.saved == []


def test_drive_prefers_a_reason_to_a_pause_and_shows_the_pause_to_all() -> None:
    def paused(answers: list[Answer]) -> Events:
        answers.append((yield BATCH))
        if answers[-1] == "pause":
            answers.append((yield Paused()))
        yield Stopped("finished")

    answers: list[Answer] = []
    shown: list[type[Event]] = []

    def pausing(event: Event) -> Answer:
        return "pause" if isinstance(event, BatchDone) else None

    def note(event: Event) -> None:
        shown.append(type(event))

    drive(paused(answers), [pausing, note, pausing])
    assert answers == ["pause", None]
    assert shown == [BatchDone, Paused, Stopped]
    answers.clear()
    drive(
        paused(answers),
        [pausing, asking("interrupted", BatchDone), asking("terminated", BatchDone)],
    )
    assert answers == ["interrupted"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated"), (signal.SIGHUP, "terminated")],
)
def test_the_first_signal_becomes_a_reason_to_stop_and_handlers_are_put_back(
    number: signal.Signals, reason: StopReason
) -> None:
    said: list[str] = []
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with Signals(said.append) as signals:
        assert signals(Started(1, 1)) is None
        os.kill(os.getpid(), number)
        assert signals(BatchDone(1, 1, 5, 0.5)) == reason
        assert drive(a_run([]), [signals]) == Stopped(reason)
        assert signals(BatchDone(1, 2, 5, 0.5)) == reason
    assert said == [
        "Stopping after this minibatch, and saving. Press Ctrl-C again to stop at once."
    ]
    assert [
        signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ] == before


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
def test_the_second_signal_leaves_what_is_going_on_by_the_ways_out_and_the_third_does_not(
    second: str,
) -> None:
    program = (
        "import os, signal, sys\n"
        "from mlpcli.errors import StoppedAtOnce\n"
        "from mlpcli.training import signals\n"
        "signals.SAME_ACT = 0.0\n"
        "sys.excepthook = lambda kind, error, traceback: os._exit(error.exit_code)\n"
        "with signals.Signals(print):\n"
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


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_the_same_act_may_send_a_signal_twice() -> None:
    """As `timeout` does, which sends it to the process and then to its group."""
    with Signals(print) as signals:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            send(number)
        assert signals(BATCH) == "terminated"
        time.sleep(SAME_ACT)
        with pytest.raises(StoppedAtOnce) as stopped:
            send(signal.SIGINT)
    assert (stopped.value.exit_code, stopped.value.sentence) == (130, "stopped.")


def test_a_window_that_is_closed_never_counts_as_a_second_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "SAME_ACT", 0.0)
    with Signals(print) as catching:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP):
            send(number)
        assert catching(BATCH) == "terminated"


def test_an_output_is_let_go_of_in_the_handler_and_before_the_message() -> None:
    done: list[str] = []
    with Signals(done.append, lambda: done.append("let go")) as signals:
        send(signal.SIGTERM)
        assert done == ["let go"]
        for _ in range(2):
            signals(BATCH)
    assert done == ["let go", "let go", STOPPING]


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
        "from mlpcli.training.signals import Signals\n"
        "before, seen = signal.getsignal(signal.SIGINT), []\n"
        "def work():\n"
        "    with Signals(print) as signals:\n"
        "        seen.extend([signal.getsignal(signal.SIGINT) == before, signals(None)])\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start(); thread.join()\n"
        "print(seen)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[True, None]\n"
