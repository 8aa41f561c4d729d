"""What `mlpcli train` shows: the plan, the epochs as they end, and the result."""

import math
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from mlpcli.commands.plan import Plan, Resume
from mlpcli.commands.train import Result
from mlpcli.config import Config
from mlpcli.messages import size_in_words
from mlpcli.model.state import TrainingState
from mlpcli.rendering.console import count, framed, grid, interval, percent
from mlpcli.storage.checkpoint import NEWEST
from mlpcli.training.events import BatchDone, EpochDone, Event, Started, Stopped
from mlpcli.training.observers import EXIT_CODES

REFRESH = 0.1  # seconds between two pictures of the progress bar
TABLE_ROWS = 20  # epochs shown of a long run; metrics.jsonl has them all
FILES = "config.toml metrics.jsonl checkpoint.npz model.npz result.json"
HEADER = " epoch  train loss  validation loss  accuracy        lr     rows/s  * best"


def show_plan(out: Console, plan: Plan, title: str = "mlpcli train") -> None:
    """Show what is about to happen: data, network, steps, memory, and where it is written."""
    rows = [*_data_rows(plan), *_network_rows(plan), *_run_rows(plan)]
    out.print(framed(out, grid(rows), title))


def _data_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    data, settings = plan.data, plan.config.data
    features = count(data.features, "feature")
    if data.image:
        height, width = data.image
        features += f" ({height} × {width} pixels)"
    yield "data", data.source
    yield "", f"{features}, {count(len(data.classes), 'class', 'classes')}"
    yield "rows", " · ".join(f"{len(rows):,} {part}" for part, rows in data.parts.items())
    for part in ("validation", "test"):
        source = getattr(settings, part)
        if isinstance(source, str):
            yield part, source


def _network_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    training = plan.config.training
    memory = f"about {size_in_words(plan.memory)} of memory beside the data"
    epochs = count(training.epochs, "epoch")
    batches = count(plan.batches, "batch", "batches")
    steps = f"{epochs} of {batches} of {count(plan.B, 'row')}"
    if training.patience:
        steps += f", patience {training.patience}"
    if plan.processes > 1:
        steps += f", the hidden units shared out over {plan.processes} processes"
    yield "network", f"{plan.shape} · {_network(plan.config)}"
    yield "parameters", f"{plan.shape.parameters:,} · {memory}"
    yield "training", steps
    yield "optimizer", _optimizer(plan.config)


def _run_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "seed", str(plan.config.seed)
    yield "folder", str(plan.folder)
    if isinstance(plan.beginning, Resume):
        yield "goes on", _position(plan.beginning.checkpoint.state, plan)


def _position(state: TrainingState, plan: Plan) -> str:
    if state.epoch >= plan.config.training.epochs:
        return f"the run is finished: all {count(state.epoch, 'epoch')} are done"
    return f"from epoch {state.epoch + 1}, batch {state.batch + 1} of {plan.batches}"


def _network(config: Config) -> str:
    settings = config.network
    extras = {
        "dropout": settings.dropout,
        "input dropout": settings.input_dropout,
        "L2": settings.l2,
        "max-norm": settings.max_norm,
    }
    return settings.activation + _those_in_use(extras)


def _optimizer(config: Config) -> str:
    settings = config.optimizer
    rule: str = settings.name
    if rule == "momentum":
        rule += f" {settings.momentum:g}"
        rule += " (Nesterov)" if settings.nesterov else ""
    extras = {"warm-up epochs": settings.warmup_epochs, "weight decay": settings.weight_decay}
    learning_rate = f"learning rate {settings.lr:g}, {settings.schedule}"
    return f"{rule}, {learning_rate}{_those_in_use(extras)}"


def _those_in_use(extras: dict[str, float]) -> str:
    return "".join(f", {name} {value:g}" for name, value in extras.items() if value)


class Screen:
    """Shows training: a table with a row for an epoch and, on a terminal, a live progress bar.

    An observer, and a context manager that leaves the terminal as it was. `best_loss` is the
    lowest validation loss so far.
    """

    def __init__(self, out: Console, best_loss: float = math.inf) -> None:
        self.out = out
        self.live = out.is_terminal and not out.is_dumb_terminal and not out.quiet
        self.bar = _progress_bar(out, self.live)
        self.task: TaskID | None = None
        self.epochs = self.batches = 0
        self.drawn = self.epoch_began = 0.0  # times
        self.accuracy = "-"
        self.best_loss = best_loss
        self.seen = 0  # rows of the epoch in progress
        self.unprinted = ""  # the last epoch's row, if it is not in the table

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
            self.bar.stop()

    def __call__(self, event: Event) -> None:
        """Draw the event; minibatches at most ten times a second."""
        if isinstance(event, BatchDone):
            if self.live:
                self._batch(event)
        elif isinstance(event, EpochDone):
            self._epoch(event)
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Stopped) and self.unprinted:
            self.out.print(self.unprinted)

    def _start(self, event: Started) -> None:
        self.epochs, self.batches = event.epochs, event.batches
        self.epoch_began = time.perf_counter()
        self.out.print(HEADER, style="bold")
        total = event.epochs * event.batches
        self.task = self.bar.add_task("", total=total, epoch="1", loss="-", accuracy="-", speed="-")

    def _batch(self, event: BatchDone) -> None:
        self.seen += event.rows
        now = time.perf_counter()
        if now - self.drawn <= REFRESH or self.task is None:
            return
        self.drawn = now
        speed = self.seen / max(now - self.epoch_began, 1e-9)
        self.bar.update(
            self.task,
            completed=(event.epoch - 1) * self.batches + event.batch,
            epoch=f"{event.epoch}/{self.epochs}",
            loss=f"{event.loss:.3f}",
            accuracy=self.accuracy,
            speed=f"{speed:,.0f}",
            refresh=True,
        )

    def _epoch(self, event: EpochDone) -> None:
        now = time.perf_counter()
        speed = event.rows / max(now - self.epoch_began, 1e-9)
        self.epoch_began = now
        self.seen = 0
        self.accuracy = percent(event.validation.accuracy)
        self.unprinted = _table_row(event, speed)
        if event.validation.loss < self.best_loss:
            self.best_loss = event.validation.loss
            self.unprinted += "  *"
        every = -(-self.epochs // TABLE_ROWS)
        if event.epoch % every == 0 or event.epoch in (1, self.epochs):
            self.out.print(self.unprinted)
            self.unprinted = ""


def _progress_bar(out: Console, live: bool) -> Progress:
    scores = "loss {task.fields[loss]} · validation {task.fields[accuracy]}"
    return Progress(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(bar_width=None),
        TextColumn(scores + " · {task.fields[speed]} rows/s"),
        TimeRemainingColumn(compact=True),
        console=out,
        auto_refresh=False,  # a thread would run while training forks
        transient=True,
        expand=True,
        disable=not live,
    )


def _table_row(event: EpochDone, speed: float) -> str:
    losses = f"{event.train_loss:12.4f}{event.validation.loss:17.4f}"
    accuracy = f"{percent(event.validation.accuracy):>10}"
    return f"{event.epoch:6,}{losses}{accuracy}{event.lr:10.2g}{speed:11,.0f}"


def show_result(out: Console, result: Result) -> None:
    """Show how training ended, the best weights' scores, where they are, and what to type next."""
    written = f"{result.plan.folder}/ {FILES}"
    rows = [("written", written), ("next", next_command(result))]
    out.print(framed(out, Group(_scores(result), "", grid(rows)), _ending(result)))


def _scores(result: Result) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "rows", "loss", "accuracy", ""):
        table.add_column(name, justify="right" if name else "left")
    for part, scores in result.scores.items():
        cells = [part, f"{scores.n_rows:,}", f"{scores.loss:.4f}", percent(scores.accuracy)]
        if part == "test":
            table.add_row(*cells, interval(scores.interval), style="bold")
        else:
            table.add_row(*cells, "")
    return table


def next_command(result: Result) -> str:
    """What to type next: the command that resumes a stopped run, or scores a finished one."""
    command = "train --resume" if result.stopped in EXIT_CODES else "eval"
    return f"mlpcli {command} {shlex.quote(str(result.plan.folder))}"


def stopped_at_once(folder: Path) -> str:
    """What is saved of a run that a second signal ended, and how to go on."""
    command = f"mlpcli train --resume {shlex.quote(str(folder))}"
    try:
        age = time.time() - os.stat(folder / NEWEST).st_mtime
    except OSError:
        return f"stopped at once, before the run was first saved. To begin it again: {command}"
    saved = f"The run was saved {max(age, 0):.0f} s ago."
    return f"stopped at once. {saved} To go on from there: {command}"


def _ending(result: Result) -> str:
    how = "" if result.stopped == "finished" else f" ({result.stopped})"
    ending = f"{count(result.epochs, 'epoch')} in {result.seconds:.1f} s{how}"
    if not result.best_epoch:
        return f"{ending}, the first was not finished"
    return f"{ending}, best by validation loss: epoch {result.best_epoch}"
