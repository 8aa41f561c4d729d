"""Scores of a saved model: on the rows that its run held out, or on any other data."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlpcli.commands.data import config_of_model, load, options_of_model
from mlpcli.config import Config
from mlpcli.datasets.dataset import Dataset, Rows, all_rows
from mlpcli.datasets.sources import absolute, read
from mlpcli.datasets.table import check_n_features, fingerprint
from mlpcli.errors import DataError, ModelError
from mlpcli.invocation import command_line, path_word
from mlpcli.layers import with_values
from mlpcli.machine import blas_threads, cores
from mlpcli.messages import SCHEMA, Notify
from mlpcli.model.metrics import Scores, by_class
from mlpcli.model.state import Streams
from mlpcli.storage import modelfile
from mlpcli.storage.modelfile import Model
from mlpcli.storage.runfolder import best_epoch_of, model_path
from mlpcli.training.scoring import score_all

NAME_THE_ROWS = "Name the rows to score with --data."


@dataclass(frozen=True)
class ScoredRows:
    """Rows to score, and where they come from: a source, and which part of it."""

    source: str
    part: str  # train, validation, test, or all
    rows: Rows


@dataclass(frozen=True)
class Evaluation:
    """A model's scores on some rows, and the rows themselves, to show them."""

    path: Path
    model: Model
    source: str
    split: str
    rows: Rows
    scores: Scores

    def document(self) -> dict[str, Any]:
        """What `eval --json` prints."""
        confusion = self.scores.confusion
        return {
            "schema": SCHEMA,
            "model": str(self.path),
            "data": self.source,
            "split": self.split,
            "rows": self.scores.n_rows,
            "loss": self.scores.loss,
            "accuracy": self.scores.accuracy,
            "interval": list(self.scores.interval),
            "balanced_accuracy": self.scores.balanced_accuracy,
            "largest_class": self.scores.largest_class,
            "per_class": self._per_class(),
            "confusion": confusion.tolist(),
        }

    def _per_class(self) -> list[dict[str, Any]]:
        classes = zip(self.model.classes, by_class(self.scores.confusion), strict=True)
        return [
            {
                "name": name,
                "rows": scores.n_rows,
                "precision": scores.precision,
                "recall": scores.recall,
                "f1": scores.f1,
            }
            for name, scores in classes
        ]


def evaluate(
    path: Path, source: str | None, split: str | None, weighted: bool, notify: Notify
) -> Evaluation:
    """Score the model on the `split` rows of its own run, or on the test rows of another source.

    If the other source is the run's own data in another place, its `split` rows are scored.
    With `weighted`, the loss is weighted as in training.
    Raises ModelError if there is no such model, and DataError if the rows do not fit it.
    """
    path = model_path(path)
    model = modelfile.load(path)
    _note_better_epoch(path, model, notify)
    if source is None:
        scored = _own_rows(path, model, None, split or "test", notify)
    else:
        scored = _other_rows(path, model, source, split, notify)
    rows = scored.rows
    if not weighted:
        rows = replace(rows, weights=None)
    elif rows.weights is None:
        raise DataError(f"{scored.source}: its rows have no weights; leave out --weighted.")
    scores = _scores(model, rows)
    if not math.isfinite(scores.loss):
        raise DataError(
            f"{scored.source}: the loss of {path} on these rows is {scores.loss}: "
            "the model or the rows are no use."
        )
    return Evaluation(path, model, scored.source, scored.part, scored.rows, scores)


def _note_better_epoch(path: Path, model: Model, notify: Notify) -> None:
    """Say if the run of a model has had a better epoch, whose weights were not saved.

    A run that is killed between two saves leaves its metrics ahead of its model.
    """
    better = best_epoch_of(path.with_name("metrics.jsonl"))
    best_epoch = model.header.get("best_epoch")
    if better and isinstance(best_epoch, int) and best_epoch < better:
        command = command_line("train", "--resume", path_word(path.parent))
        notify(
            f"{path}: is of epoch {best_epoch}; epoch {better} was better, and its weights are not "
            f"saved. To train it again: {command}"
        )


def _scores(model: Model, rows: Rows) -> Scores:
    n_cores = cores()  # before the BLAS is held to one thread
    with blas_threads(1):
        return score_all(model.network, model.preprocessing, rows, n_cores)


def _own_rows(
    path: Path, model: Model, moved_to: str | None, split: str, notify: Notify
) -> ScoredRows:
    """The rows of the run that made the model, split as they were then; perhaps moved elsewhere."""
    config = config_of_model(model)
    if not config:
        raise ModelError(
            f"{path}: its header does not say what it was trained on. Name the data with --data."
        )
    if moved_to is not None:
        config = with_values(config, {"data.source": absolute(moved_to)})
    data = _own_data(config, notify)
    _check_same_data(path, model, data)
    if not len(data.parts[split]):
        raise DataError(f"{path}: its run had no {split} rows; leave out --split {split}.")
    own_source = getattr(config.data, split, None)  # a path, where the part has a source of its own
    source = own_source if isinstance(own_source, str) else config.data.source
    return ScoredRows(source, split, data.parts[split])


def _own_data(config: Config, notify: Notify) -> Dataset:
    try:
        return load(config, Streams.from_seed(config.seed), notify)
    except DataError as error:
        raise DataError(f"{error} Or name the rows to score with --data.") from error


def _check_same_data(path: Path, model: Model, data: Dataset) -> None:
    """Raise an error unless these are the rows that the model was trained on."""
    if (data.sha256, data.classes) != (model.header.get("data_sha256"), model.classes):
        raise DataError(
            f"{data.source}: has changed since {path} was trained on it, or the files of its "
            "validation or test rows have, so the rows that were held out are not known. "
            f"{NAME_THE_ROWS}"
        )
    n_raw = model.preprocessing.n_raw
    own = data.preprocessing.n_raw
    if own != n_raw:
        raise ModelError(f"{path}: takes {n_raw:,} features, and its own data has {own:,}.")


def _other_rows(
    path: Path, model: Model, source: str, split: str | None, notify: Notify
) -> ScoredRows:
    """The test rows of a source, or all its rows if it has no test rows of its own.

    Of the run's own data, which may have been moved there, a `split` may be asked for.
    """
    table = read(source, options_of_model(model), notify)
    for note in table.notes:
        notify(note)
    is_own = fingerprint(table) == model.header.get("data_sha256")
    if is_own and split is not None:
        return _own_rows(path, model, source, split, notify)
    if split is not None:
        raise DataError(
            f"{source}: is not the data of the model's own run, so it has no {split} rows; "
            "leave out --split."
        )
    if is_own and not table.test:
        notify(
            "Most of these rows are those that the model was trained on. To score the others "
            "alone, add --split test."
        )
    held_out = table.held_out
    check_n_features(held_out, model.preprocessing.n_raw, "the model")
    rows = all_rows(held_out, model.classes, "the model")
    return ScoredRows(absolute(source), "test" if table.test else "all", rows)
