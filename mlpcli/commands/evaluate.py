"""Score a saved model: on the rows its run held out, or on any other data."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpcli.commands.plan import SCHEMA, absolute
from mlpcli.config import Config
from mlpcli.datasets.dataset import Rows, all_rows
from mlpcli.datasets.named import Notify
from mlpcli.datasets.sources import load as load_dataset
from mlpcli.datasets.sources import read
from mlpcli.datasets.table import arranged, fingerprint
from mlpcli.errors import DataError, ModelError
from mlpcli.machine import blas_threads, cores
from mlpcli.model.metrics import Scores, by_class
from mlpcli.model.state import Streams
from mlpcli.storage.modelfile import Model, load
from mlpcli.storage.runfolder import model_path
from mlpcli.training.scoring import score_all


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
        per_class = zip(self.model.classes, by_class(confusion), strict=True)
        return {
            "schema": SCHEMA,
            "model": str(self.path),
            "data": self.source,
            "split": self.split,
            "rows": self.scores.rows,
            "loss": self.scores.loss,
            "accuracy": self.scores.accuracy,
            "interval": list(self.scores.interval),
            "per_class": [{"name": name, **vars(scores)} for name, scores in per_class],
            "confusion": confusion.tolist(),
        }


def evaluate(path: Path, source: str | None, split: str | None, notify: Notify) -> Evaluation:
    """Score the model on the `split` rows of its own run, or on the held-out rows of another source.

    Raises ModelError or DataError when the two do not fit.
    """
    path = model_path(path)
    model = load(path)
    if source is None:
        name, part, rows = _own_rows(path, model, split or "test", notify)
    elif split is None:
        name, part, rows = _other_rows(model, source, notify)
    else:
        raise DataError(
            "--split is for the rows of the model's own run; leave it out where --data names other rows."
        )
    processes = cores()
    with blas_threads(1):
        scores = score_all(model.network, model.scaling, rows, processes)
    if not math.isfinite(scores.loss):
        raise DataError(
            f"{name}: the loss of {path} on these rows is {scores.loss}: the model or the rows are no use."
        )
    return Evaluation(path, model, name, part, rows, scores)


def _config(model: Model) -> Config | None:
    """The configuration of the run that made the model, where its header has a whole one."""
    try:
        return Config.model_validate(model.header["config"])
    except (KeyError, ValueError):
        return None


def _own_rows(path: Path, model: Model, split: str, notify: Notify) -> tuple[str, str, Rows]:
    """The rows of the run that made the model, split as they were then."""
    config = _config(model)
    if not config:
        raise ModelError(
            f"{path}: its header does not say what it was trained on. Name the data with --data."
        )
    settings, rng = config.data, Streams.from_seed(config.seed).split
    try:
        data = load_dataset(
            settings.source, rng, **settings.model_dump(exclude={"source"}), notify=notify
        )
    except DataError as error:
        raise DataError(f"{error} Or name the rows to score with --data.") from error
    if (data.sha256, data.classes) != (model.header.get("data_sha256"), model.classes):
        raise DataError(
            f"{settings.source}: has changed since {path} was trained on it, or the files of its validation or test "
            "rows have, so the rows that were held out are not known. Name the rows to score with --data."
        )
    if data.features != model.network.shape.D:
        raise ModelError(
            f"{path}: takes {model.network.shape.D:,} features, and its own data has {data.features:,}."
        )
    own = getattr(settings, split, None)
    return own if isinstance(own, str) else settings.source, split, data.parts[split]


def _other_rows(model: Model, source: str, notify: Notify) -> tuple[str, str, Rows]:
    """The source's own test rows, or all its rows where it has none."""
    config = _config(model)
    table = read(source, config.data.target if config else "", notify)
    if not table.test and fingerprint(table) == model.header.get("data_sha256"):
        notify(
            "Most of these rows are those that the model was trained on: leave out --data to score the others."
        )
    rows = arranged(table.held_out, model.columns, model.network.shape.D, "the model")
    return (
        absolute(source),
        "test" if table.test else "all",
        all_rows(rows, model.classes, "the model"),
    )
