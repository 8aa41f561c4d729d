"""What people see: on real terminals of 80 and 120 columns, and piece by piece."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from mlpcli.arrays import Raw, Shape
from mlpcli.commands import plan as planning
from mlpcli.commands import settings
from mlpcli.commands import train as run
from mlpcli.commands.evaluate import Evaluation
from mlpcli.commands.resume import resuming
from mlpcli.datasets.dataset import Rows
from mlpcli.model.metrics import Scores
from mlpcli.model.network import Network
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.rendering.console import console, count, interval, percent, say
from mlpcli.rendering.evaluation import half_blocks, show_evaluation
from mlpcli.rendering.train import Screen, show_plan, show_result
from mlpcli.storage import checkpoint
from mlpcli.storage.modelfile import Model
from mlpcli.training.events import BatchDone, EpochDone, Paused, Started, Stopped
from tests.support.command import SMALL, Command, write_csv
from tests.support.terminal import COLOUR, Terminal, lines_of, on_terminal, printed

NAMES = (
    "[bold]",
    "[/x]",
    ":cat:",
    "back\\slash",
    "a" * 300,
    "\N{SNOWMAN}\N{CJK UNIFIED IDEOGRAPH-4E2D}",
    'it\'s, "quoted"',
)


def an_evaluation(
    labels: Sequence[int],
    predicted: Sequence[int],
    names: Sequence[str],
    image: tuple[int, int] | None = None,
) -> Evaluation:
    """Scores of rows with these labels and guesses; each row is a picture where `image` says so."""
    D = image[0] * image[1] if image else 1
    model = Model(
        Network(Shape(D, 1, len(names)), "relu"),
        Scaling(np.zeros(D), np.ones(D)),
        {"classes": list(names)},
    )
    model.header["image"] = list(image) if image else None
    truth, guesses, n = np.array(labels), np.array(predicted), len(labels)
    scores = Scores(1.5, truth, guesses, np.linspace(0.5, 0.9, n), len(names))
    x = np.arange(n * D, dtype=np.uint8).reshape(n, D)
    return Evaluation(
        Path("a [b]/model.npz"),
        model,
        "/data [c]/x.csv",
        "test",
        Rows(x, truth, np.arange(n)),
        scores,
    )


# Real terminals


@pytest.mark.parametrize("columns", [80, 120])
def test_training_on_a_terminal_shows_panel_progress_and_summary(
    columns: int, tmp_path: Path
) -> None:
    code, sent = on_terminal(columns, "train", "--epochs", "30", "--hidden", "64", cwd=tmp_path)
    lines = lines_of(sent)
    assert code == 0
    assert lines[0].startswith("╭─ mlpcli train ─")
    assert any(re.match(r"│ parameters +4,810 · about .* of memory", line) for line in lines)
    assert any(
        re.match(r"epoch \d+/30 [━╸╺ ]* loss [\d.]+ · validation .* · [\d,]+ rows/s ", line)
        for line in lines
    )
    assert any(re.match(r" +30 +[\d.]+ +[\d.]+ +[\d.]+ % ", line) for line in lines)
    assert any(
        re.match(r"╭─ 30 epochs in [\d.]+ s, best by validation loss: epoch \d+ ─", line)
        for line in lines
    )
    assert any(re.match(r"│ test .* 95 % interval [\d.]+ to [\d.]+ %", line) for line in lines)
    assert any(re.match(r"│ next +mlpcli eval runs/digits-", line) for line in lines)
    assert max(map(cell_len, lines)) <= columns
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")  # the cursor is back


@pytest.mark.parametrize("columns", [80, 120])
def test_eval_on_a_terminal_shows_classes_confusion_and_mistakes(
    columns: int, digits_run: Path
) -> None:
    code, sent = on_terminal(columns, "eval", str(digits_run), cwd=digits_run.parent)
    lines = lines_of(sent)
    assert code == 0
    assert lines[0] == "by class"
    assert any(
        line.startswith("╭─ mlpcli eval ─") for line in lines[-8:]
    )  # the score stands last, at the prompt
    assert any(re.match(r"9 +36( +[\d.]{6}){3}", line) for line in lines)
    assert any(re.match(r"9 ( +[\d·]+){10}$", line) for line in lines)
    assert any(re.match(r"▀{8}  ▀{8}", line) for line in lines)
    assert any(re.match(r"\d → \d", line) for line in lines)
    assert COLOUR.search(sent)
    assert max(map(cell_len, lines)) <= columns


def test_no_color_leaves_a_terminal_without_colours_and_drawings(
    digits_run: Path, tmp_path: Path
) -> None:
    for words in (("train", *SMALL), ("eval", str(digits_run))):
        code, sent = on_terminal(80, *words, cwd=tmp_path, NO_COLOR="1")
        assert code == 0
        assert "╭─" in sent
        assert "▀" not in sent
        assert not COLOUR.search(sent)


def test_a_dumb_terminal_gets_plain_text_and_no_animation(digits_run: Path, tmp_path: Path) -> None:
    for words in (("train", *SMALL), ("eval", str(digits_run))):
        code, sent = on_terminal(80, *words, cwd=tmp_path, TERM="dumb")
        assert code == 0
        assert "\x1b" not in sent
        assert "rows/s --:--" not in sent


def test_quiet_on_a_terminal_shows_the_summary_alone(tmp_path: Path) -> None:
    code, sent = on_terminal(80, "train", *SMALL, "--quiet", cwd=tmp_path)
    assert code == 0
    assert lines_of(sent)[0].startswith("╭─ 2 epochs in ")
    assert "\x1b[?25" not in sent


# The confusion matrix


@pytest.mark.parametrize(("classes", "columns"), [(2, 80), (10, 80), (19, 80), (31, 130)])
def test_a_confusion_matrix_that_fits_is_shown(
    classes: int, columns: int, terminal: Terminal
) -> None:
    labels = [k for k in range(classes) for _ in range(k + 1)]
    guesses = [0 if k == 1 else k for k in labels]
    text = printed(
        terminal(columns),
        show_evaluation,
        an_evaluation(labels, guesses, [f"{k}" for k in range(classes)]),
    )
    table = text[text.index("confusion: ") :].splitlines()
    assert table[1].split() == [f"{k}" for k in range(classes)]
    assert table[2].split() == ["0", "1", *["·"] * (classes - 1)]
    assert table[3].split() == ["1", "2", *["·"] * (classes - 1)]
    assert table[1 + classes].split()[-1] == (f"{classes}" if classes > 2 else "·")
    assert max(map(cell_len, text.splitlines())) <= columns


@pytest.mark.parametrize(("classes", "columns"), [(20, 80), (31, 80), (31, 120), (1000, 120)])
def test_a_confusion_matrix_too_wide_is_left_to_json(
    classes: int, columns: int, terminal: Terminal
) -> None:
    labels = list(range(classes))
    text = printed(
        terminal(columns), show_evaluation, an_evaluation(labels, labels, [f"{k}" for k in labels])
    )
    assert (
        f"The confusion matrix of {classes:,} classes is too wide for here; --json has it." in text
    )
    assert "confusion: a row" not in text


def test_counts_in_thousands_keep_apart(terminal: Terminal) -> None:
    labels, guesses = [0] * 1234 + [1] * 2345, [1] * 1234 + [1] * 2345
    text = printed(terminal(80), show_evaluation, an_evaluation(labels, guesses, ["0", "1"]))
    assert re.search(r"^0 +· +1,234 *$", text, re.MULTILINE)
    assert re.search(r"^1 +· +2,345 *$", text, re.MULTILINE)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_names_are_shown_as_they_are_or_cut(columns: int, terminal: Terminal) -> None:
    labels = [*range(len(NAMES))] * 2
    text = printed(terminal(columns), show_evaluation, an_evaluation(labels, labels, NAMES))
    by_class = text[text.index("by class") : text.index("confusion")].splitlines()
    shown = [line.split("  ")[0].strip() for line in by_class[2 : 2 + len(NAMES)]]
    assert [name for name in NAMES if len(name) <= 16] == [
        line for line in shown if not line.endswith("…")
    ]
    assert "a" * 15 + "…" in shown
    assert "a [b]/model.npz" in text
    assert "/data [c]/x.csv, test rows" in text
    assert max(map(cell_len, text.splitlines())) <= columns


# The worst mistakes


def test_the_worst_mistakes_are_drawn_worst_first(terminal: Terminal) -> None:
    labels, guesses = [0, 0, 1, 1], [0, 1, 1, 0]
    text = printed(
        terminal(80), show_evaluation, an_evaluation(labels, guesses, ["no", "yes"], (3, 5))
    )
    drawn = text[text.index("worst mistakes") :].splitlines()
    assert drawn[1].split() == drawn[2].split() == ["▀▀▀▀▀"] * 2
    assert re.split(r"  +", drawn[3].strip()) == ["yes → no", "no → yes"]
    assert re.split(r"  +", drawn[4].strip()) == ["90.00 %", "63.33 %"]


@pytest.mark.parametrize(
    ("guesses", "image", "columns"),
    [([0, 1], (2, 2), 80), ([1, 0], None, 80), ([1, 0], (2, 79), 80)],
)
def test_nothing_is_drawn_without_mistakes_or_pictures_that_fit(
    guesses: list[int],
    image: tuple[int, int] | None,
    columns: int,
    terminal: Terminal,
) -> None:
    text = printed(
        terminal(columns), show_evaluation, an_evaluation([0, 1], guesses, ["no", "yes"], image)
    )
    assert "worst mistakes" not in text


@pytest.mark.parametrize(
    ("image", "rows", "columns"),
    [
        (np.zeros((4, 3), np.uint8), 2, 3),
        (np.full((5, 2), 255, np.uint8), 3, 2),
        (np.array([[-1.5, 0.0, 1e30]]), 1, 3),
        (np.array([[0, 1], [1, 0]], bool), 1, 2),
        (np.full((1, 1), 1e-300), 1, 1),
    ],
)
def test_any_picture_becomes_half_blocks(image: Raw, rows: int, columns: int) -> None:
    text = half_blocks(image)
    assert text.plain == "\n".join(["▀" * columns] * rows)
    assert all(style.style for style in text.spans)


def test_a_half_block_holds_two_pixels_from_black_to_white() -> None:
    spans = half_blocks(np.array([[0, 510], [102, 204], [510, 0]])).spans
    assert [span.style for span in spans] == [
        "rgb(0,0,0) on rgb(51,51,51)",
        "rgb(255,255,255) on rgb(102,102,102)",
        "rgb(255,255,255) on rgb(0,0,0)",
        "rgb(0,0,0) on rgb(0,0,0)",
    ]


# The plan and the epochs


def plan_text(terminal: Terminal, out: Path, *sets: str) -> str:
    plan = planning.prepare(settings.load(None, {}, list(sets)), out, False, print)
    return printed(terminal(120), show_plan, plan)


def test_the_plan_names_every_setting_that_is_on(terminal: Terminal, tmp_path: Path) -> None:
    sets = (
        "network.l2=0.01",
        "network.max_norm=0",
        "network.dropout=0.25",
        "network.input_dropout=0",
    )
    more = (
        "optimizer.warmup_epochs=2",
        "optimizer.weight_decay=0.5",
        "optimizer.nesterov=false",
        "training.epochs=1",
    )
    text = plan_text(terminal, tmp_path / "run", *sets, *more)
    assert re.search(r"network +64-256-10 · relu, dropout 0.25, L2 0.01 ", text)
    assert re.search(
        r"momentum 0.9, learning rate 0.05, cosine, warm-up epochs 2, weight decay 0.5 +│", text
    )
    assert "1 epoch of 40 batches of 32 rows" in text
    assert "64 features (8 × 8 pixels), 10 classes" in text


def test_the_plan_of_a_table_speaks_of_no_pixels(terminal: Terminal, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "r.csv", features=1)
    text = plan_text(
        terminal,
        tmp_path / "run",
        f"data.source={path}",
        "optimizer.name=adam",
        "training.batch_size=60",
    )
    assert re.search(r"1 feature, 2 classes", text)
    assert re.search(r"adam, learning rate 0.001, cosine", text)
    assert "of 1 batch of 42 rows" in text


def test_brackets_in_paths_are_only_brackets(command: Command, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "[red]:cat:.csv", NAMES, rows=140)
    trained = command("train", "--data", path.name, *SMALL, "--out", "[bold]run it's")
    assert trained.exit_code == 0, trained.stderr
    assert "[red]:cat:.csv" in trained.stderr
    assert "written  [bold]run it's/ config.toml" in trained.stdout
    assert (
        trained.stdout.splitlines()[-1].strip() == """next     mlpcli eval '[bold]run it'"'"'s'"""
    )
    scored = command("eval", "[bold]run it's")
    assert scored.exit_code == 0, scored.stderr
    assert "[red]:cat:.csv, test rows" in scored.stdout
    assert ":cat: " in scored.stdout
    assert "[/nothing]" in command("eval", "[/nothing]").stderr


def epoch_done(epoch: int, loss: float) -> EpochDone:
    scores = Scores(loss, np.array([0, 1]), np.array([0, 1]), np.ones(2), 2)
    return EpochDone(epoch, 0.5, scores, 0.1, 40)


def test_a_long_run_shows_some_twenty_epochs_and_marks_the_best(
    terminal: Terminal,
) -> None:
    def train(out: Console) -> None:
        with Screen(out) as screen:
            screen(Started(1000, 1))
            for epoch in range(1, 1001):
                screen(BatchDone(epoch, 1, 40, 0.5))
                screen(epoch_done(epoch, 1 / epoch if epoch < 500 else 1.0))

    lines = lines_of(printed(terminal(), train))
    shown = {
        int(line.split()[0].replace(",", "")): line
        for line in lines
        if re.match(r" +[\d,]+ +[\d.]+ ", line)
    }
    assert list(shown) == [1, *range(50, 1001, 50)]
    assert all(line.endswith("  *") == (epoch < 500) for epoch, line in shown.items())
    assert any(re.match(r"epoch 1/1000 .* loss 0.500 · validation - ", line) for line in lines)


def test_in_a_run_that_goes_on_only_better_epochs_are_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planning.prepare(
        settings.load(None, {}, ["network.hidden=4"]), tmp_path / "run", False, print
    )
    run.execute(plan, [lambda event: "interrupted" if isinstance(event, BatchDone) else None])
    saved = checkpoint.load(tmp_path / "run")
    saved.best.loss = 0.25
    with Screen(console(), saved.best.loss) as screen:
        screen(Started(4, 1))
        for epoch, loss in ((2, 0.5), (3, 0.25), (4, 0.125)):
            screen(epoch_done(epoch, loss))
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.endswith("  *") for line in lines] == [False, False, True]


def test_a_run_that_ends_between_two_lines_shows_its_last_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Screen(console()) as screen:
        screen(Started(1000, 1))
        for epoch in range(1, 8):
            screen(epoch_done(epoch, 1.0))
        screen(Paused())
        screen(Stopped("interrupted"))
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["epoch", "1", "7"]


def test_a_stopped_run_is_told_how_to_go_on(tmp_path: Path, terminal: Terminal) -> None:
    plan = planning.prepare(
        settings.load(None, {}, ["network.hidden=4"]), tmp_path / "a run", False, print
    )
    result = run.execute(
        plan, [lambda event: "interrupted" if isinstance(event, BatchDone) else None]
    )
    text = printed(terminal(200), show_result, result)
    assert "0 epochs in " in text
    assert "s (interrupted), the first was not finished" in text
    assert f"next     mlpcli train --resume '{tmp_path / 'a run'}'" in text
    with resuming(tmp_path / "a run", {}, [], print) as resumed:
        shown = printed(terminal(200), show_plan, resumed)
    assert re.search(r"goes on +from epoch 1, batch 2 of 40", shown)


def test_off_a_terminal_the_epochs_are_lines_and_nothing_moves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Screen(console()) as screen:
        screen(Started(1, 1))
        screen(BatchDone(1, 1, 40, 0.5))
        screen(epoch_done(1, 0.25))
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == [
        "epoch",
        "train",
        "loss",
        "validation",
        "loss",
        "accuracy",
        "lr",
        "rows/s",
        "*",
        "best",
    ]
    assert line.split()[:5] == ["1", "0.5000", "0.2500", "100.00", "%"]


# Numbers and sentences


def test_numbers_are_written_for_people() -> None:
    assert (percent(0.98333), percent(1)) == ("98.33 %", "100.00 %")
    assert interval((0.25, 0.5)) == "95 % interval 25.00 to 50.00 %"
    assert (count(1, "row"), count(1797, "row"), count(2, "class", "classes")) == (
        "1 row",
        "1,797 rows",
        "2 classes",
    )


def test_off_a_terminal_the_width_is_always_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in ("20", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        console().print("x" * 121)
    assert capsys.readouterr().out == ("x" * 120 + "\nx\n") * 2


def test_a_sentence_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[bold]:cat: " + "long " * 50 + "[/nothing]"
    say(console(stderr=True), text)
    say(console(stderr=True, quiet=True), "not this")
    assert capsys.readouterr().err == text + "\n"
