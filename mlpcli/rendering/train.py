"""What `mlpcli train` shows before and after it trains: the plan, and the result."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console, Group
from rich.table import Table

from mlpcli.commands.plan import Plan, Resume
from mlpcli.commands.train import Result
from mlpcli.config import Config
from mlpcli.datasets.dataset import Dataset, Rows
from mlpcli.invocation import command_line, path_word
from mlpcli.messages import names_in_words, size_in_words
from mlpcli.model.metrics import Scores
from mlpcli.model.state import TrainingState
from mlpcli.preprocessing.encoding import NOWHERE, Encoding
from mlpcli.rendering.console import (
    NO_BETTER,
    Column,
    count,
    duration,
    fitting_table,
    framed,
    grid,
    inner_width,
    interval,
    percent,
    say,
)
from mlpcli.storage.checkpoint import NEWEST
from mlpcli.training.signals import EXIT_CODES

MOST_CLASSES = 4  # whose shares the plan shows
FILES = "config.toml metrics.jsonl checkpoint.npz model.npz result.json"


def show_plan(out: Console, plan: Plan, title: str = "mlpcli train") -> None:
    """Show what is about to happen: data, network, steps, memory, and where it is written."""
    rows = [*_data_rows(plan), *_network_rows(plan), *_run_rows(plan)]
    out.print(framed(out, grid(out, rows), title))


def _data_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    data, settings = plan.data, plan.config.data
    yield "data", data.source
    yield "label", _label(data)
    yield "columns", " · ".join(_columns(data))
    yield "rows", " · ".join(_n_rows(rows, part) for part, rows in data.parts.items())
    for part in ("validation", "test"):
        source = getattr(settings, part)
        if isinstance(source, str):
            yield part, source


def _n_rows(rows: Rows, part: str) -> str:
    if not len(rows):
        return f"no {part}"
    return f"{len(rows):,} {part}"


def _label(data: Dataset) -> str:
    """The label's column, the number of classes, and the shares of the largest of them."""
    places = [place for place, column in enumerate(data.columns) if column.kind == "label"]
    names = [_name(data, place) for place in places]
    counts = np.bincount(data.train.labels[data.train.index], minlength=len(data.classes))
    commonest = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    shares = [f"{data.classes[k]} {percent(counts[k] / counts.sum())}" for k in commonest]
    if len(data.classes) > MOST_CLASSES:
        shares = [f"the largest {shares[0]}"]
    n_classes = count(len(data.classes), "class", "classes")
    return " · ".join([*names, n_classes, ", ".join(shares)])


def _columns(data: Dataset) -> Iterator[str]:
    """How many columns there are of each kind, and the length of the network's input."""
    if data.image:
        height, width = data.image
        yield f"{count(data.features, 'feature')} ({height} × {width} pixels)"
        return
    kinds = [column.kind for column in data.columns]
    n_categories = kinds.count("category")
    n_numbers = data.features - n_categories
    if n_numbers:
        yield count(n_numbers, "number")
    if n_categories:
        yield count(n_categories, "category", "categories")
    if "ignored" in kinds:
        ignored = [place for place, kind in enumerate(kinds) if kind == "ignored"]
        names = names_in_words([_name(data, place) for place in ignored])
        yield f"{kinds.count('ignored'):,} ignored ({names})"
    if isinstance(data.preprocessing, Encoding):
        gaps = sum(inputs.missing != NOWHERE for inputs in data.preprocessing.inputs)
        if gaps:
            yield f"{gaps:,} with missing cells"
        yield count(data.n_inputs, "input")


def _name(data: Dataset, place: int) -> str:
    """The name of a column, or its number."""
    return data.columns[place].name or f"column {place + 1:,}"


def _network_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    training = plan.config.training
    memory = f"about {size_in_words(plan.memory)} of memory beside the data"
    epochs = count(training.epochs, "epoch")
    batches = count(plan.batches, "batch", "batches")
    steps = f"{epochs} of {batches} of {count(plan.B, 'row')}"
    if training.patience:
        steps += f", patience {training.patience}"
    if training.label_smoothing:
        steps += f", label smoothing {training.label_smoothing:g}"
    if plan.data.train.weights is not None:
        steps += ", weighted rows"
    if plan.processes > 1:
        steps += f", the hidden units shared out over {plan.processes} processes"
    yield "network", f"{plan.shape} · {_network(plan.config)}"
    yield "parameters", f"{plan.shape.parameters:,} · {memory}"
    yield "training", steps
    yield "optimizer", _optimizer(plan.config)
    yield "recipe", plan.config.recipe


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


def show_result(out: Console, result: Result) -> None:
    """Show how training ended, the best weights' scores, where they are, and what to type next."""
    rows = [("best", _best(result))]
    rows += [("note", note) for note in _notes(result)]
    test = result.scores["test"]
    rows.append(("accuracy", f"{interval(test.interval)} on the test rows"))
    rows.append(("written", f"{result.plan.folder}/ {FILES}"))
    loss = "loss" if result.plan.data.train.weights is None else "weighted loss"
    content = Group(_scores(result.scores, inner_width(out), loss), "", grid(out, rows))
    out.print(framed(out, content, _ending(result)))
    say(out, f"next     {next_command(result)}")


def _scores(by_part: dict[str, Scores], room: int, loss: str) -> Table:
    """A row for each part, and as many of its scores as there is room for."""
    scores = by_part.values()
    n_rows = [f"{s.n_rows:,}" for s in scores]
    losses = [f"{s.loss:.4f}" for s in scores]
    accuracies = [percent(s.accuracy) for s in scores]
    balanced = [percent(s.balanced_accuracy) for s in scores]
    largest = [percent(s.largest_class) for s in scores]
    columns = [
        Column("", list(by_part), 0),
        Column("rows", n_rows, 5, is_number=True),
        Column(loss, losses, 4, is_number=True),
        Column("accuracy", accuracies, 1, is_number=True),
        Column("balanced", balanced, 3, is_number=True),
        Column("largest class", largest, 2, is_number=True),
    ]
    styles = ["bold" if part == "test" else "" for part in by_part]
    return fitting_table(columns, room, styles)


def _notes(result: Result) -> Iterator[str]:
    """What a careful reader of the scores would remark on."""
    if result.best_epoch == 1 and result.epochs > 1 and "validation" in result.scores:
        lr = result.plan.config.optimizer.lr
        yield (
            "no epoch was better than the first. "
            f"A lower learning rate may help: it is {lr:g} (--lr)."
        )
    test = result.scores["test"]
    if test.accuracy <= test.largest_class:
        yield f"on the test rows, {NO_BETTER}."


def next_command(result: Result) -> str:
    """What to type next: the command that resumes a stopped run, or scores a finished one."""
    folder = path_word(result.plan.folder)
    if result.stopped in EXIT_CODES:
        return command_line("train", "--resume", folder)
    return command_line("eval", folder)


def stopped_at_once(folder: Path) -> str:
    """What is saved of a run that a second signal ended, and how to go on."""
    command = command_line("train", "--resume", path_word(folder))
    try:
        age = time.time() - os.stat(folder / NEWEST).st_mtime
    except OSError:
        return f"stopped at once, before the run was first saved. To begin it again: {command}"
    saved = f"The run was saved {max(age, 0):.0f} s ago."
    return f"stopped at once. {saved} To go on from there: {command}"


def _ending(result: Result) -> str:
    how = "" if result.stopped == "finished" else f" ({result.stopped})"
    return f"{count(result.epochs, 'epoch')} in {duration(result.seconds)}{how}"


def _best(result: Result) -> str:
    if not result.best_epoch:
        return "the weights as they are, since the first epoch was not finished"
    if "validation" not in result.scores:
        return (
            f"epoch {result.best_epoch:,}, the last one: there are no validation rows to choose by"
        )
    return f"epoch {result.best_epoch:,}, which has the lowest validation loss"
