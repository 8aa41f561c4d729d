"""What `mlpcli train` shows: the plan, the epochs as they go by, and the result."""

import shlex
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from mlpcli.commands.plan import Plan
from mlpcli.commands.train import Result
from mlpcli.config import Config
from mlpcli.model.state import TrainingState
from mlpcli.rendering.console import count, framed, grid, interval, percent
from mlpcli.storage.checkpoint import Checkpoint
from mlpcli.storage.reading import size
from mlpcli.training.events import BatchDone, EpochDone, Event, Started, Stopped
from mlpcli.training.observers import EXIT_CODES

REFRESH = 0.1  # seconds between two pictures of the progress bar
TABLE_ROWS = 20  # epochs shown of a long run; metrics.jsonl has them all


def show_plan(out: Console, plan: Plan, title: str = "mlpcli train") -> None:
    """Say what is about to happen: data, network, steps, memory, and where it is written."""
    data, config = plan.data, plan.config
    image = f" ({data.image[0]} × {data.image[1]} pixels)" if data.image else ""
    shares = (
        f", the hidden units shared out over {plan.processes} processes"
        if plan.processes > 1
        else ""
    )
    steps = f"{count(config.training.epochs, 'epoch')} of {count(plan.batches, 'batch', 'batches')}"
    patience = f", patience {config.training.patience}" if config.training.patience else ""
    rows = [
        ("data", data.source),
        (
            "",
            f"{count(data.features, 'feature')}{image}, {count(len(data.classes), 'class', 'classes')}",
        ),
        ("rows", " · ".join(f"{len(rows):,} {part}" for part, rows in data.parts.items())),
        *(
            (name, path)
            for name in ("validation", "test")
            if isinstance(path := getattr(config.data, name), str)
        ),
        ("network", f"{plan.shape} · {_network(config)}"),
        (
            "parameters",
            f"{plan.shape.parameters:,} · about {size(plan.memory)} of memory beside the data",
        ),
        ("training", f"{steps} of {count(plan.B, 'row')}{patience}{shares}"),
        ("optimizer", _optimizer(config)),
        ("seed", str(config.seed)),
        ("folder", str(plan.folder)),
        *([("goes on", _progress(plan.saved.state, plan))] if plan.saved else []),
    ]
    out.print(framed(out, grid(rows), title))


def _progress(state: TrainingState, plan: Plan) -> str:
    if state.epoch >= plan.config.training.epochs:
        return f"the run is finished: all {count(state.epoch, 'epoch')} are done"
    return f"from epoch {state.epoch + 1}, batch {state.batch + 1} of {plan.batches}"


def _network(config: Config) -> str:
    n = config.network
    extras = {
        "dropout": n.dropout,
        "input dropout": n.input_dropout,
        "L2": n.l2,
        "max-norm": n.max_norm,
    }
    return ", ".join(
        [n.activation, *(f"{name} {value:g}" for name, value in extras.items() if value)]
    )


def _optimizer(config: Config) -> str:
    o = config.optimizer
    momentum = (
        f" {o.momentum:g}{' (Nesterov)' if o.nesterov else ''}" if o.name == "momentum" else ""
    )
    extras = {"warm-up epochs": o.warmup_epochs, "weight decay": o.weight_decay}
    said = "".join(f", {name} {value:g}" for name, value in extras.items() if value)
    return f"{o.name}{momentum}, learning rate {o.lr:g}, {o.schedule}{said}"


class Screen:
    """Shows training as it goes: a table that grows by the epoch and, on a terminal, a live progress bar.

    An observer, and a context manager that leaves the terminal as it was.
    """

    def __init__(self, out: Console, saved: Checkpoint | None = None) -> None:
        self.out = out
        self.live = out.is_terminal and not out.is_dumb_terminal and not out.quiet
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn(
                "loss {task.fields[loss]} · validation {task.fields[accuracy]} · {task.fields[speed]} rows/s"
            ),
            TimeRemainingColumn(compact=True),
            console=out,
            auto_refresh=False,
            transient=True,
            expand=True,
            disable=not self.live,
        )
        self.task: TaskID | None = None
        self.epochs = self.batches = 0
        self.drawn = self.epoch_began = 0.0
        self.accuracy = "-"
        self.best = saved.best.loss if saved else float("inf")  # the lowest validation loss so far
        self.seen, self.unprinted = 0, ""

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        """Draw the event, a batch at most ten times a second."""
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
        if now - self.drawn > REFRESH and self.task is not None:
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
        self.epoch_began, self.seen = now, 0
        self.accuracy = percent(event.validation.accuracy)
        better = event.validation.loss < self.best
        self.best = min(self.best, event.validation.loss)
        every = -(-self.epochs // TABLE_ROWS)
        self.unprinted = _line(event, speed) + ("  *" if better else "")
        if event.epoch % every == 0 or event.epoch in (1, self.epochs):
            self.out.print(self.unprinted)
            self.unprinted = ""


HEADER = " epoch  train loss  validation loss  accuracy        lr     rows/s  * best"


def _line(event: EpochDone, speed: float) -> str:
    v = event.validation
    scores = f"{event.train_loss:12.4f}{v.loss:17.4f}{percent(v.accuracy):>10}"
    return f"{event.epoch:6,}{scores}{event.lr:10.2g}{speed:11,.0f}"


def show_result(out: Console, result: Result) -> None:
    """Say how training ended, what the best weights score, where they are, and what to type next."""
    scores = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "rows", "loss", "accuracy", ""):
        scores.add_column(name, justify="left" if not name else "right")
    for part, s in result.scores.items():
        note = interval(s.interval) if part == "test" else ""
        scores.add_row(
            part,
            f"{s.rows:,}",
            f"{s.loss:.4f}",
            percent(s.accuracy),
            note,
            style="bold" if note else "",
        )
    folder = result.plan.folder
    rows = [
        ("written", f"{folder}/ config.toml metrics.jsonl checkpoint.npz model.npz result.json")
    ]
    rows.append(("next", next_command(result)))
    out.print(framed(out, Group(scores, "", grid(rows)), _ending(result)))


def next_command(result: Result) -> str:
    """What to type next: that which goes on with a run that was stopped, or scores its model once more."""
    command = "train --resume" if result.stopped in EXIT_CODES else "eval"
    return f"mlpcli {command} {shlex.quote(str(result.plan.folder))}"


def _ending(result: Result) -> str:
    how = "" if result.stopped == "finished" else f" ({result.stopped})"
    epochs = count(result.epochs, "epoch")
    best = (
        f"best by validation loss: epoch {result.best_epoch}"
        if result.best_epoch
        else "the first was not finished"
    )
    return f"{epochs} in {result.seconds:.1f} s{how}, {best}"
