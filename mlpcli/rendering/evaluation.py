"""What `mlpcli eval` shows: scores, the classes one by one, the confusion matrix, the mistakes."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.columns import Columns
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from mlpcli.arrays import Raw
from mlpcli.commands.evaluate import Evaluation
from mlpcli.model.metrics import by_class
from mlpcli.rendering.console import NO_BETTER, count, framed, grid, interval, percent, shortened

NAME_WIDTH = 16  # columns shown of a class's name; --json has it whole
SHORTEST = 4  # columns for it, at least
SCORES_WIDTH = 36  # columns of a class's scores, beside its name
COUNT_WIDTH = 4  # columns of a count in the confusion matrix, at least
WORST = 6  # mistakes drawn


def show_evaluation(out: Console, evaluation: Evaluation) -> None:
    """Print everything about a model's scores that fits the screen."""
    confusion = evaluation.scores.confusion
    room = out.width - SCORES_WIDTH
    width = max(SHORTEST, min(NAME_WIDTH, room))
    names = [shortened(out, name, width) for name in evaluation.model.classes]
    out.print("by class", style="italic")
    out.print(_by_class(names, confusion))
    _show_confusion(out, names, confusion)
    if out.is_terminal and out.color_system and not out.no_color:
        _show_worst(out, evaluation)
    out.print()
    out.print(framed(out, grid(out, _summary(evaluation)), "mlpcli eval"))


def _summary(evaluation: Evaluation) -> list[tuple[str, str]]:
    scores = evaluation.scores
    accuracy = percent(scores.accuracy)
    n_rows = count(scores.n_rows, "row")
    bounds = interval(scores.interval)
    balanced = percent(scores.balanced_accuracy)
    largest = percent(scores.largest_class)
    rows = [
        ("model", str(evaluation.path)),
        ("data", f"{evaluation.source}, {evaluation.split} rows"),
        ("accuracy", f"{accuracy} of {n_rows} ({bounds})"),
        ("balanced", f"{balanced}, the mean recall of the classes"),
        ("largest class", f"{largest} of the rows, so always guessing it is right as often"),
        ("loss", f"{scores.loss:.4f}"),
    ]
    if scores.accuracy <= scores.largest_class:
        rows.append(("note", NO_BETTER))
    return rows


def _by_class(names: list[Text], confusion: NDArray[np.int64]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("class", no_wrap=True)
    for heading in ("rows", "precision", "recall", "F1"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, scores in zip(names, by_class(confusion), strict=True):
        table.add_row(
            name,
            f"{scores.n_rows:,}",
            _share(scores.precision),
            _share(scores.recall),
            _share(scores.f1),
        )
    return table


def _share(share: float | None) -> str:
    """A share in four decimals, "–" where there is none."""
    if share is None:
        return "–"
    return f"{share:.4f}"


def _show_confusion(out: Console, names: list[Text], confusion: NDArray[np.int64]) -> None:
    """Print the confusion matrix if it fits, with class names as short as the screen needs."""
    longest = max(name.cell_len for name in names)
    longest_count = len(f"{confusion.max():,}")
    needed = max(COUNT_WIDTH, longest_count + 1)
    available = (out.width - longest - 2) // len(names)
    out.print()
    if available < needed:
        out.print(
            f"The confusion matrix of {len(names):,} classes is too wide for here; --json has it."
        )
        return
    width = min(max(needed, longest + 1), available)
    out.print("confusion: a row for each label, a column for each guess", style="italic")
    out.print(_matrix(names, confusion, width))


def _matrix(names: list[Text], confusion: NDArray[np.int64], width: int) -> Table:
    """The counts; brighter is more, green is right and red is wrong."""
    table = Table(box=None, padding=(0, 0))
    table.add_column("")
    for name in names:
        heading = name.copy()
        heading.truncate(width - 1, overflow="ellipsis")
        table.add_column(heading, justify="right", width=width, no_wrap=True)
    off_diagonal = confusion - np.diag(confusion.diagonal())
    most_wrong = int(off_diagonal.max())
    for label, (name, counts) in enumerate(zip(names, confusion, strict=True)):
        table.add_row(name + "  ", *_cells(counts, label, most_wrong))
    return table


def _cells(counts: NDArray[np.int64], label: int, most_wrong: int) -> Iterator[Text]:
    """One row of the matrix."""
    n_rows = int(counts.sum())
    for guess, n in enumerate(counts.tolist()):
        if n == 0:
            yield Text("·", style="dim")
        elif guess == label:
            green = _level(n, n_rows)
            yield Text(f"{n:,}", style=f"white on rgb(0,{green},40)")
        else:
            red = _level(n, most_wrong)
            yield Text(f"{n:,}", style=f"white on rgb({red},0,30)")


def _level(n: int, most: int) -> int:
    """The brightness of a count, from 60 to 180."""
    return 60 + round(120 * n / most)


def _show_worst(out: Console, evaluation: Evaluation) -> None:
    """Draw the wrong guesses of the highest confidence side by side, if the rows are images."""
    image = evaluation.model.image
    if not image:
        return
    fit = out.width // (image[1] + 2)
    worst = evaluation.scores.worst(min(fit, WORST))
    if len(worst):
        out.print()
        out.print("worst mistakes: label → guess, and its confidence", style="italic")
        drawings = [_drawing(out, evaluation, int(index), image) for index in worst]
        out.print(Columns(drawings, padding=(0, 2)))


def _drawing(out: Console, evaluation: Evaluation, k: int, image: tuple[int, int]) -> Group:
    """The picture of row k, with its label, the guess and its confidence under it."""
    rows = evaluation.rows
    scores = evaluation.scores
    classes = evaluation.model.classes
    label = shortened(out, classes[scores.labels[k]], NAME_WIDTH)
    guess = shortened(out, classes[scores.predicted[k]], NAME_WIDTH)
    confidence = percent(float(scores.confidence[k]))
    picture = half_blocks(rows.x[rows.index[k]].reshape(image))
    return Group(picture, label + " → " + guess, confidence)


def half_blocks(image: Raw) -> Text:
    """A grey image (height, width) as text, where a character is two pixels on one another."""
    text = Text()
    grey = _grey(image)
    upper_rows = grey[::2]
    lower_rows = grey[1::2]
    for upper, lower in zip(upper_rows, lower_rows, strict=True):
        for u, v in zip(upper, lower, strict=True):
            text.append("▀", style=f"rgb({u},{u},{u}) on rgb({v},{v},{v})")
        text.append("\n")
    text.right_crop(1)
    return text


def _grey(image: Raw) -> NDArray[np.int_]:
    """The pixels as whole numbers from 0 to 255, with an even number of rows."""
    low = float(image.min())
    high = float(image.max())
    scale = 255 / (high - low or 1)
    above_black = image.astype(np.float64) - low
    grey: NDArray[np.int_] = np.round(above_black * scale).astype(int)
    if len(grey) % 2 == 0:
        return grey
    black = np.zeros_like(grey[:1])
    return np.vstack([grey, black])
