"""Every model on every split of every table: its scores on the test rows, and its time."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.peers.protocol import notify
from benchmarks.tables_data import TextTable
from benchmarks.tables_models import Model, Prediction
from benchmarks.tables_results import DIGITS, ModelScores, TableScores
from benchmarks.tables_split import Split, split

SMALLEST = float(np.finfo(np.float64).eps)  # of a probability, as in scikit-learn's log_loss


@dataclass(frozen=True)
class Score:
    """The scores of one model on one split."""

    accuracy: float
    balanced_accuracy: float
    log_loss: float
    seconds: float


def measure(
    tables: Iterable[TextTable], models: Mapping[str, Model], numbers: Sequence[int]
) -> list[TableScores]:
    """The scores on each table, on the splits with these numbers; each model has one thread."""
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        return [_measure_table(table, models, numbers, Path(folder)) for table in tables]


def _measure_table(
    table: TextTable, models: Mapping[str, Model], numbers: Sequence[int], folder: Path
) -> TableScores:
    notify(f"{table.name}: {len(table.labels):,} rows")
    scores: dict[str, list[Score]] = {name: [] for name in models}
    for number in numbers:
        rows = split(table, number, folder)
        for name, model in models.items():
            scores[name].append(_score(model(rows), rows))
    return TableScores(
        name=table.name,
        origin=table.origin,
        n_rows=len(table.labels),
        n_columns=len(table.columns),
        n_categories=int(rows.is_category.sum()),
        n_classes=len(table.classes),
        models={name: _by_split(each) for name, each in scores.items()},
    )


def _score(prediction: Prediction, rows: Split) -> Score:
    labels = rows.y_test
    hits = prediction.predicted == labels
    recalls = [hits[labels == k].mean() for k in np.unique(labels)]
    return Score(
        accuracy=float(hits.mean()),
        balanced_accuracy=float(np.mean(recalls)),
        log_loss=log_loss(prediction.p, labels),
        seconds=prediction.seconds,
    )


def log_loss(p: NDArray[np.float64], labels: NDArray[np.intp]) -> float:
    """The mean of −log p of the right class, whose p is kept from 0 as scikit-learn does it."""
    right = p[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(right, SMALLEST, 1.0)).mean())


def _by_split(scores: Sequence[Score]) -> ModelScores:
    rounded = [{key: round(value, DIGITS) for key, value in asdict(s).items()} for s in scores]
    return ModelScores(**{key: [each[key] for each in rounded] for key in rounded[0]})
