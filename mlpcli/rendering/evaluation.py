"""What `mlpcli eval` shows: scores, the classes one by one, the confusion matrix and the worst mistakes."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlpcli.arrays import Raw
from mlpcli.commands.evaluate import Evaluation
from mlpcli.model.metrics import by_class
from mlpcli.rendering.console import count, framed, grid, interval, percent

LONGEST_NAME = 16  # columns shown of a class's name; --json has it whole
WORST = 6  # mistakes drawn


def show_evaluation(out: Console, result: Evaluation) -> None:
    """Print everything about a model's scores that fits the screen."""
    scores, confusion = result.scores, result.scores.confusion
    rows = [
        ("model", str(result.path)),
        ("data", f"{result.source}, {result.split} rows"),
        (
            "accuracy",
            f"{percent(scores.accuracy)} of {count(scores.rows, 'row')} ({interval(scores.interval)})",
        ),
        ("loss", f"{scores.loss:.4f}"),
    ]
    out.print("by class", style="italic")
    out.print(_classes(result.model.classes, confusion))
    _show_confusion(out, result.model.classes, confusion)
    if out.is_terminal and out.color_system and not out.no_color:
        _show_worst(out, result)
    out.print()
    out.print(framed(out, grid(rows), "mlpcli eval"))


def _classes(classes: tuple[str, ...], confusion: NDArray[np.int64]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("class", "rows", "precision", "recall", "F1"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for name, s in zip(classes, by_class(confusion), strict=True):
        shares = (f"{value:.4f}" for value in (s.precision, s.recall, s.f1))
        table.add_row(_cut(name, LONGEST_NAME), f"{s.rows:,}", *shares)
    return table


def _cut(name: str, width: int) -> Text:
    """A name in at most so many columns, its end left out where it is longer."""
    text = Text(name)
    text.truncate(width, overflow="ellipsis")
    return text


def _show_confusion(out: Console, classes: tuple[str, ...], confusion: NDArray[np.int64]) -> None:
    """Print the confusion matrix, with class names cut as short as the screen asks for, if it fits at all."""
    names = [_cut(name, LONGEST_NAME) for name in classes]
    longest = max(name.cell_len for name in names)
    least = max(4, len(f"{confusion.max():,}") + 1)
    width = min(max(least, longest + 1), (out.width - longest - 2) // len(names))
    if width < least:
        out.print(
            f"\nThe confusion matrix of {len(names):,} classes is too wide for here; --json has it."
        )
    else:
        out.print("\nconfusion: a row for each label, a column for each guess", style="italic")
        out.print(_matrix(names, confusion, width))


def _matrix(names: list[Text], confusion: NDArray[np.int64], width: int) -> Table:
    """Counts, row the label and column the guess; brighter is more, green is right and red is wrong."""
    table = Table(box=None, padding=(0, 0))
    table.add_column("", justify="left")
    for name in names:
        table.add_column(_cut(name.plain, width - 1), justify="right", width=width, no_wrap=True)
    wrong = int((confusion - np.diag(confusion.diagonal())).max())
    for k, (name, counts) in enumerate(zip(names, confusion, strict=True)):
        cells = (
            _cell(int(n), int(counts.sum()) if j == k else wrong, j == k)
            for j, n in enumerate(counts)
        )
        table.add_row(name + "  ", *cells)
    return table


def _cell(n: int, most: int, right: bool) -> Text:
    if not n:
        return Text("·", style="dim")
    level = 60 + round(120 * n / most)
    return Text(
        f"{n:,}", style=f"white on rgb(0,{level},40)" if right else f"white on rgb({level},0,30)"
    )


def _show_worst(out: Console, result: Evaluation) -> None:
    """Draw the mistakes made with most confidence, as many as fit side by side, where the rows are images."""
    image = result.model.image
    fit = out.width // (image[1] + 2) if image else 0
    worst = result.scores.worst(min(fit, WORST))
    if not image or not len(worst):
        return
    out.print("\nworst mistakes: label → guess, and its confidence", style="italic")
    out.print(Columns(list(_drawings(result, worst, image)), padding=(0, 2)))


def _drawings(
    result: Evaluation, worst: NDArray[np.intp], image: tuple[int, int]
) -> Iterator[Text]:
    rows, scores, classes = result.rows, result.scores, result.model.classes
    for place in worst:
        label, guess = classes[scores.labels[place]], classes[scores.predicted[place]]
        caption = f"{label} → {guess}\n{percent(float(scores.confidence[place]))}"
        picture = half_blocks(rows.x[rows.index[place]].reshape(image))
        yield picture.append("\n" + caption)


def half_blocks(image: Raw) -> Text:
    """A grey image (height, width) as text, two pixels in each character: one above the other."""
    low, high = float(image.min()), float(image.max())
    grey = np.round((image.astype(np.float64) - low) * (255 / (high - low or 1))).astype(int)
    if len(grey) % 2:
        grey = np.vstack([grey, np.zeros_like(grey[:1])])
    text = Text()
    for upper, lower in zip(grey[::2], grey[1::2], strict=True):
        for u, v in zip(upper, lower, strict=True):
            text.append("▀", style=f"rgb({u},{u},{u}) on rgb({v},{v},{v})")
        text.append("\n")
    text.right_crop(1)
    return text
