"""Who listens while training goes on: each takes an event and may answer with a reason to stop."""

import json
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TypeAlias

from mlpcli.events import EpochDone, Event, Started, Stopped, StopReason
from mlpcli.files import append_line, write_text
from mlpcli.network import Network
from mlpcli.training import Events

Observer: TypeAlias = Callable[[Event], StopReason | None]


def drive(events: Events, observers: Sequence[Observer]) -> Stopped:
    """Show every event to every observer, pass the first answer back, and return the last event."""
    with closing(events):
        event = next(events)
        while not isinstance(event, Stopped):
            answers = [observer(event) for observer in observers]
            event = events.send(next(filter(None, answers), None))
    for observer in observers:
        observer(event)
    return event


class BestModel:
    """Keeps a copy of the weights with the lowest validation loss so far, and their epoch."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.theta = network.theta.copy()
        self.epoch = 0
        self.loss = float("inf")

    def __call__(self, event: Event) -> None:
        """Copy the weights when an epoch has improved on the best."""
        if isinstance(event, EpochDone) and event.validation.loss < self.loss:
            self.loss, self.epoch = event.validation.loss, event.epoch
            self.theta[:] = self.network.theta

    def restore(self) -> None:
        """Put the best weights into the network, once an epoch has been finished."""
        if self.epoch:
            self.network.theta[:] = self.theta


class EarlyStopping:
    """Asks to stop after `patience` epochs without a better validation loss; never where it is 0."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = float("inf")
        self.waited = 0

    def __call__(self, event: Event) -> StopReason | None:
        """Count the epochs since the last improvement."""
        if isinstance(event, EpochDone):
            self.waited = 0 if event.validation.loss < self.best else self.waited + 1
            self.best = min(self.best, event.validation.loss)
        return "early stopping" if self.patience and self.waited >= self.patience else None


class MetricsLog:
    """Writes one JSON object a line and epoch; `seconds` is the whole epoch's, scoring included."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.perf_counter) -> None:
        self.path, self.clock, self.since = path, clock, 0.0

    def __call__(self, event: Event) -> None:
        """Begin the file, and add a line at each epoch's end."""
        if isinstance(event, Started):
            write_text(self.path, "")
            self.since = self.clock()
        if isinstance(event, EpochDone):
            now = self.clock()
            append_line(self.path, json.dumps(self._line(event, now - self.since)))
            self.since = now

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

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.tell = tell
        self.reason: StopReason | None = None
        self.told = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in REASONS if signal.getsignal(number) is not signal.SIG_IGN]
            self.before = {number: signal.signal(number, self._caught) for number in heard}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __call__(self, event: Event) -> StopReason | None:
        """The reason to stop, once a signal has come; it is said here, since a handler had better not print."""
        if self.reason and not self.told:
            self.told = True
            self.tell("Stopping. Press Ctrl-C again to stop at once and lose the run.")
        return self.reason

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.reason:
            for each in self.before:
                signal.signal(each, signal.SIG_DFL)
            raise SystemExit(EXIT_CODES[REASONS[number]])
        self.reason = REASONS[number]
