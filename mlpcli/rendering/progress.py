"""What `mlpcli train` shows while it trains: a table of epochs and, on a terminal, a bar."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from mlpcli.rendering.console import duration, percent, say
from mlpcli.rendering.epochs import EpochRow, EpochTable
from mlpcli.storage.checkpoint import Checkpoint
from mlpcli.training.events import BatchDone, EpochDone, Event, Started, Stopped

REFRESH = 0.1  # seconds between two pictures of the progress bar
BESIDE_SCORES = 16  # columns of the progress bar beside the epoch and the scores: bar, time, gaps


class Screen:
    """Shows training: a table with a row for some epochs and, on a terminal, a live progress bar.

    An observer, and a context manager that leaves the terminal as it was. `saved` is where a run
    goes on. A drawing that fails is the last one: it never ends training.
    """

    def __init__(
        self,
        out: Console,
        saved: Checkpoint | None = None,
        has_validation: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.out = out
        self.clock = clock
        self.has_validation = has_validation
        self.live = out.is_terminal and not out.is_dumb_terminal and not out.quiet
        self.bar = _progress_bar(out, self.live)
        self.task: TaskID | None = None
        self.table: EpochTable | None = None
        self.epochs = self.batches = 0
        self.drawn = self.began = self.epoch_began = 0.0  # times
        self.accuracy = "-" if has_validation else ""
        self.seen = 0  # rows of the epoch in progress
        self.failed = False
        self.best_epoch, self.best_loss, self.seconds_before = 0, math.inf, 0.0
        if saved:
            self.best_epoch, self.best_loss = saved.best.epoch, saved.best.loss
            self.seconds_before = saved.record.seconds

    def __enter__(self) -> Self:
        if self.live:
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.live:  # rich before 14.3 prints an empty line even for a bar that is disabled
            with suppress(Exception):
                self.bar.stop()

    def __call__(self, event: Event) -> None:
        """Draw the event; minibatches at most ten times a second."""
        if self.failed:
            return
        try:
            self._draw(event)
        except Exception as error:
            self.failed = True
            with suppress(Exception):
                say(self.out, f"The display of progress failed; training goes on: {error!r}")

    def _draw(self, event: Event) -> None:
        if isinstance(event, Started):
            self._start(event)
        elif isinstance(event, BatchDone):
            if self.live:
                self._batch(event)
        elif isinstance(event, EpochDone):
            self._epoch(event)
        elif isinstance(event, Stopped) and self.table:
            self.table.end()

    def _start(self, event: Started) -> None:
        self.epochs, self.batches = event.epochs, event.batches
        now = self.clock()
        self.epoch_began = now
        self.began = now - self.seconds_before
        self.table = EpochTable(
            self.out, event.epochs, self.best_epoch, self.best_loss, self.has_validation
        )

    def _batch(self, event: BatchDone) -> None:
        self.seen += event.rows
        now = self.clock()
        if now - self.drawn <= REFRESH:
            return
        self.drawn = now
        done = (event.epoch - 1) * self.batches + event.batch
        speed = self.seen / max(now - self.epoch_began, 1e-9)
        fields: dict[str, Any] = {
            "epoch": f"{event.epoch}/{self.epochs}",
            "loss": f"{event.loss:.3f}",
            "accuracy": self.accuracy,
            "speed": f"{speed:,.0f}",
        }
        if self.task is None:  # begun only here, so that the time left is right if the run goes on
            total = self.epochs * self.batches
            self.task = self.bar.add_task("", total=total, completed=done, **fields)
        else:
            self.bar.update(self.task, completed=done, refresh=True, **fields)

    def _epoch(self, event: EpochDone) -> None:
        now = self.clock()
        speed = event.rows / max(now - self.epoch_began, 1e-9)
        self.epoch_began = now
        self.seen = 0
        loss = math.nan
        if event.validation:
            loss = event.validation.loss
            self.accuracy = percent(event.validation.accuracy)
        if self.table:
            row = EpochRow(
                event.epoch,
                loss,
                self.table.improves(loss),
                self.accuracy,
                duration(now - self.began),
                f"{event.train_loss:.4f}",
                f"{event.lr:.2g}",
                f"{speed:,.0f}",
            )
            self.table.add(row)


class ScoresColumn(ProgressColumn):
    """As many scores as the screen has room for beside the epoch, the bar and the time left."""

    def __init__(self, out: Console) -> None:
        super().__init__(Column(no_wrap=True))
        self.out = out

    def render(self, task: Task) -> Text:
        """The widest text that fits, or none."""
        room = self.out.width - BESIDE_SCORES - len(f"epoch {task.fields['epoch']}")
        for text in _scores(task):
            if len(text) <= room:
                return Text(text)
        return Text("")


def _scores(task: Task) -> Sequence[str]:
    """The scores of the progress bar, from the most words to the fewest."""
    loss = f"loss {task.fields['loss']}"
    speed = f"{task.fields['speed']} rows/s"
    if not task.fields["accuracy"]:  # without validation rows
        return f"{loss} · {speed}", loss
    validation = f"validation {task.fields['accuracy']}"
    return f"{loss} · {validation} · {speed}", f"{loss} · {validation}", validation


def _progress_bar(out: Console, live: bool) -> Progress:
    return Progress(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(bar_width=None),
        ScoresColumn(out),
        TimeRemainingColumn(compact=True),
        console=out,
        auto_refresh=False,  # a thread would run while training forks
        transient=True,
        expand=True,
        disable=not live,
    )
