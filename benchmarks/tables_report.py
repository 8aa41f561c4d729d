"""Write docs/tables.md from tables.json: `python -m benchmarks.tables_report`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import tables_results as stored
from benchmarks.harness import ROOT
from benchmarks.tables_results import Metric, ModelScores, TableResults, mean_ranks, means

PATH = ROOT / "docs" / "tables.md"
FEWEST_TABLES = 2  # for a standard error

HEAD = """# mlpcli and scikit-learn on tables

Measured {date} on {processor}, {cores} cores, {memory}, {system}. {versions}.

`make bench-tables` measures again and writes this page and
[its figures](../benchmarks/tables.json).

{n_tables} tables were each split {n_splits} times into 80 % training and 20 % test rows, each class
alike; all models see the same rows, and each split has a seed of its own. mlpcli has its defaults,
which are those of the recipe "tables": it trains on a CSV file, and the model that it saved
predicts the test rows. scikit-learn's models have their defaults too, except that the optimizers
of MLPClassifier and of the logistic regression may go on until they have converged. Numbers reach
them through `SimpleImputer` with the median and `StandardScaler`, categories through
`OneHotEncoder`. The probabilities of the SVC are those of `CalibratedClassifierCV`, its classes its
own. Every model has one thread; the time of mlpcli includes reading the file and writing the run's
folder.

## Summary

Ranks are from 1, the best, to {n_models}, of the means over splits, and averaged over tables. The
log-loss is in nats; a probability of 0, as a forest gives it, counts as {smallest:.1e}. The last
column is by how many points mlpcli is more accurate, with the standard error over tables.
"""
ACCURACY = """## Accuracy

In percent, the mean over splits.
"""
BALANCED = """## Balanced accuracy

The mean recall of the classes, in percent.
"""
LOG_LOSS = """## Log-loss

In nats, the mean over splits.
"""
TABLES = """## The tables

Categories are the columns with a word in them. Of adult-train and of diamonds, 5,000 rows were
drawn. Abalone's rings are in three classes, 8 or fewer, 9 or 10, and 11 or more. Row numbers and
names are no features, and rows without a label are left out.
"""


def accuracy(scores: ModelScores) -> list[float]:
    """The accuracies."""
    return scores.accuracy


def balanced_accuracy(scores: ModelScores) -> list[float]:
    """The balanced accuracies."""
    return scores.balanced_accuracy


def log_loss(scores: ModelScores) -> list[float]:
    """The log-losses."""
    return scores.log_loss


def seconds(scores: ModelScores) -> list[float]:
    """The seconds of training and prediction."""
    return scores.seconds


def render(results: TableResults) -> str:
    """The page."""
    parts = [
        _head(results),
        _summary(results),
        ACCURACY,
        _by_table(results, accuracy, 100, 1),
        BALANCED,
        _by_table(results, balanced_accuracy, 100, 1),
        LOG_LOSS,
        _by_table(results, log_loss, 1, 3),
        TABLES,
        _tables(results),
    ]
    return "\n".join(parts)


def _head(results: TableResults) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    return HEAD.format(
        date=results.date,
        versions=versions,
        n_tables=len(results.tables),
        n_splits=results.n_splits,
        n_models=len(results.models),
        smallest=np.finfo(np.float64).eps,
        **results.machine,
    )


def _summary(results: TableResults) -> str:
    """A row for each model: ranks, mean scores, time, and its distance from the first model."""
    by_accuracy, by_loss = means(results, accuracy), means(results, log_loss)
    columns = [
        [f"{rank:.2f}" for rank in mean_ranks(-by_accuracy)],
        [f"{rank:.2f}" for rank in mean_ranks(by_loss)],
        [f"{value:.1%}" for value in by_accuracy.mean(axis=0)],
        [f"{value:.1%}" for value in means(results, balanced_accuracy).mean(axis=0)],
        [f"{value:.3f}" for value in by_loss.mean(axis=0)],
        [f"{value:.1f}" for value in means(results, seconds).mean(axis=0)],
        _leads(by_accuracy),
    ]
    head = ["", "accuracy rank", "log-loss rank", "accuracy", "balanced", "log-loss", "seconds"]
    rows = [list(row) for row in zip(results.models, *columns, strict=True)]
    return _markdown([*head, "mlpcli more accurate by"], rows)


def _leads(values: NDArray[np.float64]) -> list[str]:
    """By how many points the first column is ahead of each, and the standard error."""
    points = 100 * (values[:, :1] - values)
    n_tables = len(values)
    texts = [f"{lead:+.1f}".replace("-", "−") for lead in points.mean(axis=0)]
    if n_tables >= FEWEST_TABLES:
        errors = points.std(axis=0, ddof=1) / np.sqrt(n_tables)
        texts = [f"{text} ± {error:.1f}" for text, error in zip(texts, errors, strict=True)]
    return ["", *texts[1:]]


def _by_table(results: TableResults, metric: Metric, factor: float, digits: int) -> str:
    values = factor * means(results, metric)
    names = [table.name for table in results.tables]
    rows = [_cells(name, row, digits) for name, row in zip(names, values, strict=True)]
    return _markdown(["", *results.models], rows)


def _cells(name: str, values: Sequence[float], digits: int) -> list[str]:
    return [name, *(f"{value:.{digits}f}" for value in values)]


def _tables(results: TableResults) -> str:
    rows = []
    for table in results.tables:
        sizes = [table.n_rows, table.n_columns, table.n_categories, table.n_classes]
        rows.append([table.name, *(f"{size:,}" for size in sizes), table.origin])
    return _markdown(["", "rows", "columns", "categories", "classes", "from"], rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are aligned as numbers."""
    rule = ["---"] + ["--:"] * (len(head) - 1)
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]
    return "\n".join(lines) + "\n"


def write(results: TableResults, path: Path = PATH) -> None:
    """Write the page."""
    path.write_text(render(results), encoding="utf-8")


if __name__ == "__main__":
    write(stored.read())
