"""The table of epochs and the progress bar, on screens of any width."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress

from mlpcli.commands import plan as planning
from mlpcli.commands import settings
from mlpcli.commands import train as run
from mlpcli.model.metrics import Scores
from mlpcli.rendering.console import console
from mlpcli.rendering.epochs import COLUMNS, columns_for
from mlpcli.rendering.progress import Screen
from mlpcli.storage import checkpoint
from mlpcli.training.events import BatchDone, EpochDone, Paused, Started, Stopped
from tests.support.terminal import Terminal, lines_of, printed

EPOCH = re.compile(r" *([\d,]+) +[\d.]+ ")


def epoch_done(epoch: int, loss: float) -> EpochDone:
    scores = Scores(loss, np.array([0, 1]), np.array([0, 1]), np.ones(2), 2)
    return EpochDone(epoch, 0.5, scores, 0.1, 40)


def shown(lines: Iterable[str]) -> dict[int, bool]:
    """The epochs that have a row, in the order of the rows, and whether they have a star."""
    rows = [(EPOCH.match(line), line) for line in lines]
    return {int(match[1].replace(",", "")): line.endswith(" *") for match, line in rows if match}


def shown_of(losses: list[float], capsys: pytest.CaptureFixture[str]) -> dict[int, bool]:
    """The rows of a run with these validation losses."""
    with Screen(console()) as screen:
        screen(Started(len(losses), 1))
        for epoch, loss in enumerate(losses, 1):
            screen(epoch_done(epoch, loss))
        screen(Stopped("finished"))
    return shown(capsys.readouterr().out.splitlines())


# Which epochs have a row


def test_a_long_run_shows_some_twenty_epochs(terminal: Terminal) -> None:
    def train(out: Console) -> None:
        with Screen(out) as screen:
            screen(Started(1000, 1))
            for epoch in range(1, 1001):
                screen(BatchDone(epoch, 1, 40, 0.5))
                screen(epoch_done(epoch, 1 / epoch if epoch < 475 else 1.0))
            screen(Stopped("finished"))

    lines = lines_of(printed(terminal(), train))
    rows = shown(lines)
    assert list(rows) == [1, *range(50, 451, 50), 474, *range(550, 1001, 50)]
    assert all(star == (epoch <= 474) for epoch, star in rows.items())
    assert any(re.match(r"epoch 1/1000 .* loss 0.500 · validation - ", line) for line in lines)


@pytest.mark.parametrize("n_epochs", [1, 2, 19, 20, 21, 59, 60, 200, 333])
@pytest.mark.parametrize("seed", range(6))
def test_the_best_epoch_has_the_last_star_and_the_table_is_short(
    n_epochs: int, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(seed)
    losses = rng.random(n_epochs).tolist()
    rows = shown_of(losses, capsys)
    starred = [epoch for epoch, star in rows.items() if star]
    assert starred[-1] == 1 + int(np.argmin(losses))
    assert list(rows) == sorted(rows)
    assert {1, n_epochs} <= set(rows)
    assert len(rows) <= 22
    for epoch in starred:
        assert losses[epoch - 1] < min(losses[: epoch - 1], default=2)


def test_of_two_equal_losses_the_first_is_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown_of([0.5, 0.25, 0.25], capsys) == {1: True, 2: True, 3: False}


def test_a_run_that_goes_on_begins_with_its_best_epoch_so_far(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planning.prepare(
        settings.load(None, {}, ["network.hidden=4"]), tmp_path / "run", False, print
    )
    run.execute(plan, [lambda event: "interrupted" if isinstance(event, BatchDone) else None])
    saved = checkpoint.load(tmp_path / "run")
    saved.best.loss, saved.best.epoch = 0.25, 7
    saved = replace(saved, record=replace(saved.record, seconds=3600))
    with Screen(console(), saved) as screen:
        screen(Started(11, 1))
        for epoch, loss in ((9, 0.5), (10, 0.25), (11, 0.125)):
            screen(epoch_done(epoch, loss))
    _, best, *others = capsys.readouterr().out.splitlines()
    assert best.split() == ["7", "0.2500", "*"]
    assert shown(others) == {9: False, 10: False, 11: True}
    assert all(line.split()[-1 - line.endswith("*")] == "1:00:00" for line in others)


def test_a_run_that_goes_on_before_its_first_epoch_has_no_best_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planning.prepare(
        settings.load(None, {}, ["network.hidden=4"]), tmp_path / "run", False, print
    )
    run.execute(plan, [lambda event: "interrupted" if isinstance(event, BatchDone) else None])
    with Screen(console(), checkpoint.load(tmp_path / "run")) as screen:
        screen(Started(4, 1))
        screen(epoch_done(1, 0.5))
    assert shown(capsys.readouterr().out.splitlines()) == {1: True}


def test_a_run_that_ends_between_two_rows_shows_its_last_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Screen(console()) as screen:
        screen(Started(1000, 1))
        for epoch in range(1, 8):
            screen(epoch_done(epoch, 1.0))
        screen(Paused())
        screen(Stopped("interrupted"))
    assert shown(capsys.readouterr().out.splitlines()) == {1: True, 7: False}


def test_a_run_that_ends_after_its_best_epoch_shows_both(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Screen(console()) as screen:
        screen(Started(1000, 1))
        for epoch, loss in enumerate((3.0, 2.0, 1.0, 2.0, 2.5), 1):
            screen(epoch_done(epoch, loss))
        screen(Stopped("early stopping"))
    assert shown(capsys.readouterr().out.splitlines()) == {1: True, 3: True, 5: False}


# What a row shows


def test_off_a_terminal_the_epochs_are_lines_and_nothing_moves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = iter([10.0, 72.5])
    with Screen(console(), clock=lambda: next(times)) as screen:
        screen(Started(1, 1))
        screen(BatchDone(1, 1, 40, 0.5))
        screen(epoch_done(1, 0.25))
    header, line = capsys.readouterr().out.splitlines()
    assert re.split(r"  +", header.strip()) == [
        "epoch",
        "train loss",
        "validation loss",
        "accuracy",
        "lr",
        "rows/s",
        "time * best",
    ]
    assert line.split() == ["1", "0.5000", "0.2500", "100.00", "%", "0.1", "1", "1:02", "*"]


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (13, "epoch"),
        (30, "epoch, validation loss"),
        (40, "epoch, validation loss, accuracy"),
        (50, "epoch, validation loss, accuracy, time"),
        (60, "epoch, train loss, validation loss, accuracy, time"),
        (70, "epoch, train loss, validation loss, accuracy, lr, time"),
        (80, "epoch, train loss, validation loss, accuracy, lr, rows/s, time"),
        (120, "epoch, train loss, validation loss, accuracy, lr, rows/s, time"),
    ],
)
def test_a_narrow_screen_gets_the_columns_that_fit(width: int, headings: str) -> None:
    assert ", ".join(column.heading for column in columns_for(width)) == headings


def test_every_column_has_a_place_of_its_own() -> None:
    assert sorted(column.place for column in COLUMNS) == list(range(len(COLUMNS)))


# The progress bar


@pytest.mark.parametrize(
    ("width", "bar"),
    [
        (120, r"epoch 12/200 [━╸╺]{30,} loss 0\.500 · validation 100\.00 % · [\d,]+ rows/s --:--"),
        (80, r"epoch 12/200 [━╸╺]{5,} loss 0\.500 · validation 100\.00 %( · [\d,]+ rows/s)? --:--"),
        (50, r"epoch 12/200 [━╸╺]{5,} validation 100\.00 % --:--"),
        (30, r"epoch 12/200 [━╸╺]{5,} +--:--"),
        (24, r"epoch 12/200 [━╸╺]+ +--:--"),
    ],
)
def test_of_the_bar_the_epoch_and_the_time_left_are_the_last_to_go(
    width: int, bar: str, terminal: Terminal
) -> None:
    def train(out: Console) -> None:
        with Screen(out) as screen:
            screen(Started(200, 10))
            for epoch in range(1, 12):
                screen(epoch_done(epoch, 1.0))
            screen(BatchDone(12, 3, 40, 0.5))

    lines = lines_of(printed(terminal(width), train))
    assert any(re.fullmatch(bar, line.rstrip()) for line in lines), lines
    assert max(map(cell_len, lines)) <= width


def test_the_bar_of_a_run_that_goes_on_begins_where_the_run_does(terminal: Terminal) -> None:
    out = terminal(80)
    with out.capture(), Screen(out) as screen:
        screen(Started(200, 10))
        screen(BatchDone(100, 5, 40, 0.5))
        (task,) = screen.bar.tasks
        assert (task.completed, task.total) == (995, 2000)
        assert task.speed is None  # which the steps that were done before do not count for


def test_a_display_that_fails_is_told_of_once_and_ends_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*values: object, **options: object) -> None:
        raise ValueError("no room")

    def train(out: Console) -> None:
        monkeypatch.setattr(Progress, "update", fail)
        monkeypatch.setattr(Progress, "add_task", fail)
        monkeypatch.setattr(Progress, "stop", fail)
        with Screen(out) as screen:
            screen(Started(3, 2))
            for epoch in range(1, 4):
                for batch in (1, 2):
                    screen(BatchDone(epoch, batch, 40, 0.5))
                screen(epoch_done(epoch, 1.0))
            screen(Stopped("finished"))

    output = printed(terminal(), train)
    assert output.count("The display of progress failed") == 1
    assert "training goes on: ValueError('no room')" in output
