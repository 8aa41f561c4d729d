"""Who listens while training goes on: each takes an event and may answer with a reason to stop."""

import json
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, Self, TypeAlias

from mlpcli.model.network import Network
from mlpcli.model.state import Best, TrainingState
from mlpcli.storage.writing import append_line, cut, flush
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

Observer: TypeAlias = Callable[[Event], Answer]
MOST_SAVING = 0.05  # of the time so far


def drive(events: Events, observers: Sequence[Observer]) -> Stopped:
    """Show every event to every observer, pass their answer back, and return the last event."""
    with closing(events):
        event = next(events)
        while not isinstance(event, Stopped):
            answers = [observer(event) for observer in observers]
            event = events.send(_answer(answers) if any(answers) else None)
    for observer in observers:
        observer(event)
    return event


def _answer(answers: list[Answer]) -> Answer:
    """The first reason to stop, or else a pause."""
    return next((answer for answer in answers if answer and answer != "pause"), "pause")


class BestModel:
    """Keeps a copy of the weights with the lowest validation loss so far, and their epoch."""

    def __init__(self, network: Network, best: Best) -> None:
        self.network, self.best = network, best

    def __call__(self, event: Event) -> None:
        """Copy the weights when an epoch has improved on the best."""
        if isinstance(event, EpochDone) and event.validation.loss < self.best.loss:
            self.best.loss, self.best.epoch = event.validation.loss, event.epoch
            self.best.theta[:] = self.network.theta


class EarlyStopping:
    """Asks to stop after `patience` epochs without a better validation loss; never where it is 0."""

    def __init__(self, patience: int, state: TrainingState, best: Best) -> None:
        self.patience, self.state, self.best = patience, state, best

    def __call__(self, event: Event) -> StopReason | None:
        """Count the epochs since the last improvement."""
        waited = self.state.epoch - self.best.epoch
        return "early stopping" if self.patience and waited >= self.patience else None


class MetricsLog:
    """Writes one JSON object a line and epoch; `seconds` is the whole epoch's, scoring included.

    The file is begun, or cut back to the `length` that it had when the run was saved, as training starts.
    """

    def __init__(
        self, path: Path, length: int = 0, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.path, self.length, self.clock, self.since = path, length, clock, 0.0

    def __call__(self, event: Event) -> None:
        """Begin the file, and add a line at each epoch's end."""
        if isinstance(event, Started):
            self.length = cut(self.path, self.length)
            self.since = self.clock()
        if isinstance(event, EpochDone):
            now = self.clock()
            self.length += append_line(self.path, json.dumps(self._line(event, now - self.since)))
            self.since = now

    def saved_length(self) -> int:
        """How long the file is, once all its lines are on disk."""
        flush(self.path)
        return self.length

    def _line(self, event: EpochDone, seconds: float) -> dict[str, Any]:
        return {
            "epoch": event.epoch,
            "train_loss": event.train_loss,
            "validation_loss": event.validation.loss,
            "validation_accuracy": event.validation.accuracy,
            "lr": event.lr,
            "seconds": round(seconds, 6),
            "rows_per_second": round(event.rows / max(seconds, 1e-9)),
        }


class Checkpoints:
    """Saves the run at an epoch's end, and every so many seconds in between, but never for more than its share of time.

    Asks for a pause, in which the state is whole, where it wants to save within an epoch.
    """

    def __init__(
        self,
        save: Callable[[], object],
        every: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.save, self.every, self.clock = save, every, clock
        self.began = self.saved = self.spent = self.longest = 0.0

    def __call__(self, event: Event) -> Literal["pause"] | None:
        """Save where it is time to."""
        now = self.clock()
        if isinstance(event, Started):
            self.began = self.saved = now
        affordable = self.spent + self.longest <= MOST_SAVING * (now - self.began)
        if isinstance(event, BatchDone) and affordable and now - self.saved >= self.every:
            return "pause"
        if (
            (isinstance(event, EpochDone) and affordable)
            or isinstance(event, Paused)
            or _ended_well(event)
        ):
            self.save()
            self.saved = self.clock()
            self.spent += self.saved - now
            self.longest = max(self.longest, self.saved - now)
        return None


def _ended_well(event: Event) -> bool:
    return isinstance(event, Stopped) and event.reason != "diverged"


REASONS: dict[int, StopReason] = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "terminated",
}
EXIT_CODES: dict[StopReason, int] = {"interrupted": 130, "terminated": 143}


class Signals:
    """Turns the first Ctrl-C, SIGTERM or SIGHUP into a reason to stop; a second one ends the process, a third at once.

    A context manager: signals are watched inside it, and as they were before after it. One that
    the process was started to ignore stays ignored.
    """

    def __init__(self, notify: Callable[[str], object]) -> None:
        self.notify = notify
        self.reason: StopReason | None = None
        self.told = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in REASONS if signal.getsignal(number) is not signal.SIG_IGN]
            self.before = {number: signal.signal(number, self._caught) for number in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __call__(self, event: Event) -> StopReason | None:
        """The reason to stop, once a signal has come; it is said here, since a handler had better not print."""
        if self.reason and not self.told:
            self.told = True
            self.notify(
                "Stopping after this minibatch, and saving. Press Ctrl-C again to stop at once."
            )
        return self.reason

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.reason:
            for each in self.before:
                signal.signal(each, signal.SIG_DFL)
            raise SystemExit(EXIT_CODES[REASONS[number]])
        self.reason = REASONS[number]
