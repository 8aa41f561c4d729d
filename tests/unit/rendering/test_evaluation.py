"""What people see of a model's scores: on real terminals, and piece by piece."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from mlpcli.arrays import Raw, Shape
from mlpcli.commands.evaluate import Evaluation
from mlpcli.datasets.dataset import Rows
from mlpcli.model.metrics import Scores
from mlpcli.model.network import Network
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.rendering.evaluation import half_blocks, show_evaluation
from mlpcli.storage.modelfile import Model
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


# A real terminal


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_eval_on_a_terminal_shows_classes_confusion_and_mistakes(
    columns: int, digits_run: Path
) -> None:
    code, sent = on_terminal(columns, "eval", str(digits_run), cwd=digits_run.parent)
    lines = lines_of(sent)
    assert code == 0
    assert lines[0] == "by class"
    (top,) = [k for k, line in enumerate(lines) if line.startswith("╭─ mlpcli eval ─")]
    assert all(line.startswith(("│", "╰")) for line in lines[top + 1 : -1])  # last, at the prompt
    assert any(re.match(r"9 +36( +[\d.]{6}){3}", line) for line in lines)
    assert any(re.match(r"9 ( +[\d·]+){10}$", line) for line in lines)
    assert any(re.match(r"▀{8}  ▀{8}", line) for line in lines)
    assert any(re.match(r"\d → \d", line) for line in lines)
    assert COLOUR.search(sent)
    assert max(map(cell_len, lines)) <= columns


# The summary


def test_beside_the_accuracy_stand_the_balanced_one_and_the_share_of_the_largest_class(
    terminal: Terminal,
) -> None:
    labels, guesses = [0] * 90 + [1] * 10, [0] * 90 + [1] * 5 + [0] * 5
    text = printed(terminal(80), show_evaluation, an_evaluation(labels, guesses, ["no", "yes"]))
    assert re.search(r"accuracy +95.00 % of 100 rows", text)
    assert re.search(r"balanced +75.00 %, the mean recall of the classes", text)
    assert re.search(r"largest class +90.00 % of the rows", text)
    assert "always guessing the largest class" not in text


@pytest.mark.parametrize(("wrong", "remark"), [(0, False), (9, False), (10, True), (11, True)])
def test_an_accuracy_no_better_than_the_largest_class_is_remarked_on(
    wrong: int, remark: bool, terminal: Terminal
) -> None:
    labels = [0] * 90 + [1] * 10
    guesses = [1] * wrong + labels[wrong:]
    text = printed(terminal(120), show_evaluation, an_evaluation(labels, guesses, ["no", "yes"]))
    assert ("always guessing the largest class would be right as often" in text) == remark


def test_a_class_without_rows_has_dashes(terminal: Terminal) -> None:
    text = printed(
        terminal(80), show_evaluation, an_evaluation([0, 1], [0, 1], ["no", "yes", "never"])
    )
    assert re.search(r"^never +0 +– +– +– *$", text, re.MULTILINE)
    assert re.search(r"balanced +100.00 %", text)


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


@pytest.mark.parametrize("columns", [50, 60, 80, 120])
def test_names_are_shown_as_they_are_or_cut(columns: int, terminal: Terminal) -> None:
    labels = [*range(len(NAMES))] * 2
    text = printed(terminal(columns), show_evaluation, an_evaluation(labels, labels, NAMES))
    by_class = text[text.index("by class") : text.index("confusion")].splitlines()
    shown = [line.split("  ")[0].strip() for line in by_class[2 : 2 + len(NAMES)]]
    assert [name for name in NAMES if len(name) <= 16] == [
        line for line in shown if not line.endswith("…")
    ]
    assert "a" * (min(16, columns - 36) - 1) + "…" in shown
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
