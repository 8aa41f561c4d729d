"""What is measured on tables, as tables.json holds it, and what follows from it."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray

PATH = Path(__file__).parent / "tables.json"
DIGITS = 6  # of a score in the file

Metric = Callable[["ModelScores"], list[float]]


@dataclass(frozen=True)
class ModelScores:
    """The scores of one model on one table, one for each split."""

    accuracy: list[float]
    balanced_accuracy: list[float]
    log_loss: list[float]
    seconds: list[float]


@dataclass(frozen=True)
class TableScores:
    """The scores of every model on one table, which has N rows, D columns and K classes."""

    name: str
    origin: str
    n_rows: int
    n_columns: int
    n_categories: int
    n_classes: int
    models: dict[str, ModelScores]


@dataclass(frozen=True)
class TableResults:
    """Every score, and what it was measured with."""

    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    tables: list[TableScores]

    @property
    def models(self) -> list[str]:
        """The names of the models, in the order in which they were measured."""
        return list(self.tables[0].models)

    @property
    def n_splits(self) -> int:
        """The number of splits of each table."""
        first = self.tables[0].models[self.models[0]]
        return len(first.accuracy)


def means(results: TableResults, metric: Metric) -> NDArray[np.float64]:
    """The mean over splits, for each table a row and for each model a column."""
    rows = [[mean(metric(scores)) for scores in each.models.values()] for each in results.tables]
    return np.array(rows)


def mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean rank of each column over the rows; 1 is the smallest value, and ties share ranks."""
    below = (values[:, np.newaxis, :] < values[:, :, np.newaxis]).sum(axis=2)
    equal = (values[:, np.newaxis, :] == values[:, :, np.newaxis]).sum(axis=2)
    ranks = below + (equal + 1) / 2
    averages: NDArray[np.float64] = ranks.mean(axis=0)
    return averages


def read(path: Path = PATH) -> TableResults:
    """The results in a JSON file; raises pydantic's ValidationError if it has another form."""
    from pydantic import TypeAdapter

    return TypeAdapter(TableResults).validate_json(path.read_bytes())


def write(results: TableResults, path: Path = PATH) -> None:
    """Write the results as JSON, a table of them in a line."""
    document = asdict(results)
    tables = ",\n".join(json.dumps(table) for table in document.pop("tables"))
    head = json.dumps(document, indent=1).removesuffix("\n}")
    path.write_text(f'{head},\n "tables": [\n{tables}\n]\n}}\n', encoding="utf-8")
