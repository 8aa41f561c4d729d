"""What people see of training: on real terminals of some widths, and piece by piece."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from mlpcli.commands import plan as planning
from mlpcli.commands import settings
from mlpcli.commands import train as run
from mlpcli.commands.plan import New
from mlpcli.commands.resume import resuming
from mlpcli.commands.train import Result
from mlpcli.model.metrics import Scores
from mlpcli.rendering.train import show_plan, show_result
from mlpcli.training.events import BatchDone
from mlpcli.training.recipes import TABLES
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


# Real terminals


BAR = {
    50: r"epoch \d+/30 [━╸╺ ]* validation ([\d.]+ %|-) ",
    80: r"epoch \d+/30 [━╸╺ ]* loss [\d.]+ · validation ",
    120: r"epoch \d+/30 [━╸╺ ]* loss [\d.]+ · validation .* · [\d,]+ rows/s ",
}


@pytest.mark.parametrize("columns", BAR)
def test_training_on_a_terminal_shows_panel_progress_and_summary(
    columns: int, tmp_path: Path
) -> None:
    code, sent = on_terminal(columns, "train", "--epochs", "30", "--hidden", "64", cwd=tmp_path)
    lines = lines_of(sent)
    assert code == 0
    assert lines[0].startswith("╭─ mlpcli train ─")
    assert any(re.match(r"│ parameters +4,810( · about .* of memory)?", line) for line in lines)
    assert any(re.match(BAR[columns], line) for line in lines)
    assert any(re.match(r" +30 .* +[\d.]+ % .*[\d.]+ s( \*)?", line) for line in lines)
    assert any(re.match(r"╭─ 30 epochs in [\d.]+ s ─", line) for line in lines)
    assert any(re.match(r"│ test( .*)? +[\d.]+ %( +[\d.]+ %){2} ", line) for line in lines)
    assert any(re.match(r"│ best +epoch \d+, which has the lowest", line) for line in lines)
    assert any(re.match(r"│ accuracy +95 % interval [\d.]+ to [\d.]+ %", line) for line in lines)
    assert any(re.search(r"^next .* eval runs/digits-[\d-]+$", line) for line in lines)
    framed = [line for line in lines if not line.startswith("next ")]
    assert max(map(cell_len, framed)) <= columns
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")  # the cursor is back


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
        "training.label_smoothing=0.2",
        "training.class_weight=balanced",
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
    assert "1 epoch of 40 batches of 32 rows, label smoothing 0.2, weighted rows" in text
    assert re.search(r"label +10 classes · the largest 1 10.17 % ", text)
    assert re.search(r"columns +64 features \(8 × 8 pixels\) ", text)
    assert re.search(r"rows +1,259 train · 179 validation · 359 test ", text)
    assert re.search(r"recipe +images ", text)


def test_the_plan_of_a_table_speaks_of_no_pixels(terminal: Terminal, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "r.csv", features=1)
    text = plan_text(
        terminal,
        tmp_path / "run",
        f"data.source={path}",
        "optimizer.name=adam",
        "training.batch_size=60",
    )
    assert re.search(r"label +column 2 · 2 classes · a 50.00 %, b 50.00 % ", text)
    assert re.search(rf"columns +1 number · {1 + TABLES['data.bins']} inputs ", text)
    assert re.search(r"rows +48 train · no validation · 12 test ", text)
    assert re.search(r"adam, learning rate 0.01, cosine, weight decay 0.5 ", text)
    assert re.search(r"recipe +tables ", text)
    assert "of 1 batch of 48 rows" in text
    assert "pixels" not in text


def test_the_plan_says_what_each_column_of_a_table_is(terminal: Terminal, tmp_path: Path) -> None:
    rows = [f"{n},{'' if n % 5 else n / 7},{('ash', 'elm')[n % 2]},{n % 3}" for n in range(60)]
    (tmp_path / "r.csv").write_text("\n".join(["id,height,tree,kind", *rows]), encoding="utf-8")
    text = plan_text(terminal, tmp_path / "run", f"data.source={tmp_path / 'r.csv'}")
    assert re.search(r"label +kind · 3 classes · 0 33.33 %, 1 33.33 %, 2 33.33 % ", text)
    kinds = r"1 number · 1 category · 1 ignored \(id\) · 1 with missing cells"
    n_inputs = 1 + TABLES["data.bins"] + 1 + 2  # the number, its bins, its gaps; two levels
    assert re.search(rf"columns +{kinds} · {n_inputs} inputs ", text)


def test_brackets_in_paths_are_only_brackets(command: Command, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "[red]:cat:.csv", NAMES, rows=140)
    trained = command("train", "--data", path.name, *SMALL, "--out", "[bold]run it's")
    assert trained.exit_code == 0, trained.stderr
    assert "[red]:cat:.csv" in trained.stderr
    assert "written   [bold]run it's/ config.toml" in trained.stdout
    assert (
        trained.stdout.splitlines()[-1].strip() == """next     mlpcli eval '[bold]run it'"'"'s'"""
    )
    scored = command("eval", "[bold]run it's")
    assert scored.exit_code == 0, scored.stderr
    assert "[red]:cat:.csv, test rows" in scored.stdout
    assert ":cat: " in scored.stdout
    assert "[/nothing]" in command("eval", "[/nothing]").stderr


def test_a_stopped_run_is_told_how_to_go_on(tmp_path: Path, terminal: Terminal) -> None:
    plan = planning.prepare(
        settings.load(None, {}, ["network.hidden=4"]), tmp_path / "a run", False, print
    )
    result = run.execute(
        plan, [lambda event: "interrupted" if isinstance(event, BatchDone) else None]
    )
    text = printed(terminal(200), show_result, result)
    assert "0 epochs in " in text
    assert "s (interrupted) ─" in text
    assert "the weights as they are, since the first epoch was not finished" in text
    assert f"next     mlpcli train --resume '{tmp_path / 'a run'}'" in text
    with resuming(tmp_path / "a run", {}, [], print) as resumed:
        shown = printed(terminal(200), show_plan, resumed)
    assert re.search(r"goes on +from epoch 1, batch 2 of 40", shown)


# The result


def scores_of(right: int, largest: int = 60) -> Scores:
    """The scores of 100 rows, `right` of them right, and `largest` of them of one class."""
    labels = np.array([0] * largest + [1] * (100 - largest))
    predicted = labels.copy()
    predicted[right:] = 1 - predicted[right:]
    return Scores(0.5, labels, predicted, np.ones(100), 2)


def test_without_validation_rows_the_last_weights_are_said_to_be_kept(
    terminal: Terminal, tmp_path: Path
) -> None:
    result = a_result(tmp_path / "run", scores_of(95), 20, 20)
    by_part = {part: result.scores[part] for part in ("train", "test")}
    text = printed(terminal(120), show_result, replace(result, scores=by_part))
    assert "epoch 20, the last one: there are no validation rows to choose by" in text
    assert "validation  " not in text
    early = replace(result, scores=by_part, best_epoch=1)
    assert "no epoch was better than the first" not in printed(terminal(120), show_result, early)


def a_result(folder: Path, test: Scores, epochs: int, best_epoch: int) -> Result:
    plan = planning.prepare(settings.load(None, {}, []), folder, False, print)
    by_part = {"train": scores_of(99), "validation": scores_of(98), "test": test}
    return Result(plan, "finished", epochs, best_epoch, by_part, 12.0, 0.0)


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (120, "rows loss accuracy balanced largest class"),
        (80, "rows loss accuracy balanced largest class"),
        (60, "loss accuracy balanced largest class"),
        (50, "accuracy balanced largest class"),
        (40, "accuracy largest class"),
    ],
)
def test_beside_the_accuracy_stands_the_share_of_the_largest_class(
    width: int, headings: str, terminal: Terminal, tmp_path: Path
) -> None:
    result = a_result(tmp_path / "run", scores_of(95), 20, 7)
    lines = lines_of(printed(terminal(width), show_result, result))
    assert " ".join(lines[1].strip("│ ").split()) == headings
    cells = re.split(r"  +", lines[4].strip("│ "))
    values = {"rows": "100", "loss": "0.5000", "accuracy": "95.00 %", "largest class": "60.00 %"}
    values["balanced"] = "93.75 %"
    shown = dict(zip(re.split(r"  +", lines[1].strip("│ ")), cells[1:], strict=True))
    assert shown == {name: values[name] for name in shown}
    assert max(map(cell_len, lines)) <= max(width, len(lines[-2]))


@pytest.mark.parametrize(
    ("epochs", "best_epoch", "remark"), [(20, 1, True), (2, 1, True), (1, 1, False), (20, 2, False)]
)
def test_a_best_epoch_of_1_is_remarked_on(
    epochs: int, best_epoch: int, remark: bool, terminal: Terminal, tmp_path: Path
) -> None:
    result = a_result(tmp_path / "run", scores_of(95), epochs, best_epoch)
    text = printed(terminal(120), show_result, result)
    note = (
        "note      no epoch was better than the first. A lower learning rate may help: it is 0.05"
    )
    assert (note in text) == remark
    assert f"best      epoch {best_epoch}, which has the lowest validation loss" in text


@pytest.mark.parametrize(("right", "remark"), [(59, True), (60, True), (61, False)])
def test_a_model_no_better_than_the_largest_class_is_remarked_on(
    right: int, remark: bool, terminal: Terminal, tmp_path: Path
) -> None:
    result = a_result(tmp_path / "run", scores_of(right), 20, 7)
    text = printed(terminal(120), show_result, result)
    assert ("note      on the test rows, always guessing the largest class" in text) == remark


def test_the_next_command_is_on_one_line_however_narrow_the_screen_is(
    terminal: Terminal, tmp_path: Path
) -> None:
    result = a_result(tmp_path / ("long" * 30), scores_of(95), 20, 7)
    lines = lines_of(printed(terminal(50), show_result, result))
    assert lines[-2] == f"next     mlpcli eval {tmp_path}/{'long' * 30}"


def test_a_run_folder_that_looks_like_a_flag_can_be_typed(
    terminal: Terminal, tmp_path: Path
) -> None:
    result = a_result(tmp_path / "run", scores_of(95), 20, 7)
    beginning = New(Path("--json"), folder_given=True, overwrite=False)
    odd = replace(result, plan=replace(result.plan, beginning=beginning))
    assert lines_of(printed(terminal(50), show_result, odd))[-2] == "next     mlpcli eval ./--json"
