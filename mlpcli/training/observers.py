"""Observers of training: each is called with every event, and may answer with a reason to stop."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mlpcli.model.network import Network
from mlpcli.model.state import Best, TrainingState
from mlpcli.storage.writing import append_line, flush, keep_first
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
MAX_SAVING_SHARE = 0.05  # of the time of a run, for its checkpoints


def drive(events: Events, observers: Sequence[Observer]) -> Stopped:
    """Pass every event to every observer, and their answer back; returns the last event."""
    with closing(events):
        event = next(events)
        while not isinstance(event, Stopped):
            answers = [observer(event) for observer in observers]
            event = events.send(_answer(answers))
    for observer in observers:
        observer(event)
    return event


def _answer(answers: list[Answer]) -> Answer:
    """The first reason to stop; if there is none, a pause if an observer asked for one."""
    for answer in answers:
        if answer and answer != "pause":
            return answer
    return "pause" if "pause" in answers else None


class BestModel:
    """Keeps a copy of the weights with the lowest validation loss so far, and their epoch.

    Without validation rows, the latest weights are kept.
    """

    def __init__(self, network: Network, best: Best) -> None:
        self.network = network
        self.best = best

    def __call__(self, event: Event) -> None:
        """Copy the weights if an epoch has improved on the best one."""
        if not isinstance(event, EpochDone):
            return
        if event.validation is None:
            self._keep(event.epoch, math.inf)
        elif event.validation.loss < self.best.loss:
            self._keep(event.epoch, event.validation.loss)

    def _keep(self, epoch: int, loss: float) -> None:
        self.best.loss = loss
        self.best.epoch = epoch
        self.best.theta[:] = self.network.theta


class EarlyStopping:
    """Asks to stop after `patience` epochs without a lower validation loss; never if it is 0."""

    def __init__(self, patience: int, state: TrainingState, best: Best) -> None:
        self.patience = patience
        self.state = state
        self.best = best

    def __call__(self, event: Event) -> StopReason | None:
        """Count the epochs since the best one, so that a resumed run counts as before."""
        waited = self.state.epoch - self.best.epoch
        if self.patience and waited >= self.patience:
            return "early stopping"
        return None


class MetricsLog:
    """Writes one JSON object for each epoch into a file, on a line of its own.

    As training starts, the file is cut back to `length` bytes: what it had when the run was saved.
    `seconds` is the time of the whole epoch, its scoring included. `dir_fd` is the descriptor of
    the file's folder, if that is open.
    """

    def __init__(
        self,
        path: Path,
        length: int = 0,
        clock: Callable[[], float] = time.perf_counter,
        dir_fd: int | None = None,
    ) -> None:
        self.path = path
        self.length = length
        self.clock = clock
        self.dir_fd = dir_fd
        self.sha256 = hashlib.sha256()
        self.epoch_began = 0.0

    def __call__(self, event: Event) -> None:
        """Cut the file as training starts, and add a line at the end of each epoch."""
        if isinstance(event, Started):
            self.length, self.sha256 = keep_first(self.path, self.length, self.dir_fd)
            self.epoch_began = self.clock()
        if isinstance(event, EpochDone):
            now = self.clock()
            line = json.dumps(_metrics(event, now - self.epoch_began))
            content = append_line(self.path, line, self.dir_fd)
            self.length += len(content)
            self.sha256.update(content)
            self.epoch_began = now

    def saved(self) -> tuple[int, str]:
        """The length of the file in bytes and its SHA-256, once all its lines are on disk."""
        flush(self.path, self.dir_fd)
        return self.length, self.sha256.hexdigest()


def _metrics(event: EpochDone, seconds: float) -> dict[str, Any]:
    """One line of metrics.jsonl."""
    return {
        "epoch": event.epoch,
        "train_loss": event.train_loss,
        "validation_loss": event.validation.loss if event.validation else None,
        "validation_accuracy": event.validation.accuracy if event.validation else None,
        "lr": event.lr,
        "seconds": round(seconds, 6),
        "rows_per_second": round(event.rows / max(seconds, 1e-9)),
    }


class Checkpoints:
    """Saves the run at the end of an epoch, and every `every` seconds within one.

    Saving takes at most a twentieth of the time. To save within an epoch it asks for a pause, at
    which the state is complete.
    """

    def __init__(
        self,
        save: Callable[[], object],
        every: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.save = save
        self.every = every
        self.clock = clock
        self.began = self.saved = 0.0  # times by the clock
        self.spent = self.longest = 0.0  # seconds in all saves, and in the longest one

    def __call__(self, event: Event) -> Literal["pause"] | None:
        """Save if it is time to, or ask for the pause to do it in."""
        now = self.clock()
        if isinstance(event, Started):
            self.began = self.saved = now
        affordable = self.spent + self.longest <= MAX_SAVING_SHARE * (now - self.began)
        if isinstance(event, BatchDone) and affordable and now - self.saved >= self.every:
            return "pause"
        at_epoch = isinstance(event, EpochDone) and affordable
        if at_epoch or isinstance(event, Paused) or _ended_well(event):
            self._save(now)
        return None

    def _save(self, now: float) -> None:
        self.save()
        self.saved = self.clock()
        self.spent += self.saved - now
        self.longest = max(self.longest, self.saved - now)


def _ended_well(event: Event) -> bool:
    return isinstance(event, Stopped) and event.reason != "diverged"
