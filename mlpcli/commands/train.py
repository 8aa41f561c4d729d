"""One run: a plan in, a run folder and a result out."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlpcli.commands.plan import New, Plan, Resume, computed_by, describe, versions
from mlpcli.config import to_toml
from mlpcli.errors import DivergedError
from mlpcli.machine import blas, blas_threads
from mlpcli.messages import SCHEMA
from mlpcli.model.metrics import Scores
from mlpcli.model.network import Network
from mlpcli.storage import checkpoint as checkpoints
from mlpcli.storage import modelfile
from mlpcli.storage.checkpoint import Checkpoint, RunRecord
from mlpcli.storage.modelfile import Model
from mlpcli.storage.runfolder import locked, previous, remove_previous, reserved
from mlpcli.storage.writing import write_text
from mlpcli.training.events import StopReason
from mlpcli.training.fit import Progress, begin, fit
from mlpcli.training.observers import Checkpoints, MetricsLog, Observer
from mlpcli.training.scoring import score_all


@dataclass(frozen=True)
class Result:
    """What a run gave: the scores of its best weights, and how it ended.

    `saving` is the part of `seconds` that checkpoints took.
    """

    plan: Plan
    stopped: StopReason
    epochs: int
    best_epoch: int
    scores: dict[str, Scores]
    seconds: float
    saving: float

    def document(self) -> dict[str, Any]:
        """What result.json holds and `--json` prints."""
        return {
            "schema": SCHEMA,
            "run": str(self.plan.folder),
            "data": describe(self.plan.data),
            "stopped": self.stopped,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            **{part: brief(scores) for part, scores in self.scores.items()},
            "seconds": round(self.seconds, 3),
            "saving": round(self.saving / max(self.seconds, 1e-9), 4),
            "threads": self.plan.processes,
            "blas": blas(),
            "versions": versions(),
        }


def brief(scores: Scores) -> dict[str, Any]:
    """Rows, loss and accuracies in JSON, which has no number for a loss that is not finite."""
    loss = scores.loss if math.isfinite(scores.loss) else None
    return {
        "rows": scores.n_rows,
        "loss": loss,
        "accuracy": scores.accuracy,
        "balanced_accuracy": scores.balanced_accuracy,
        "largest_class": scores.largest_class,
    }


def execute(plan: Plan, observers: Sequence[Observer] = ()) -> Result:
    """Train, score the best weights, and write the run folder.

    The best weights so far are written also if training fails or is interrupted.
    Raises DivergedError, OutputError or WorkerError.
    """
    beginning = plan.beginning
    if not isinstance(beginning, New):
        with locked(beginning.folder):
            return _train(plan, observers)
    with reserved(beginning.folder, beginning.folder_given, beginning.overwrite) as folder:
        placed = replace(beginning, folder=folder)
        return _train(replace(plan, beginning=placed), observers)


def _train(plan: Plan, observers: Sequence[Observer]) -> Result:
    """Train in the plan's folder, which this process holds."""
    progress, log, seconds_before = _start(plan)
    began = time.perf_counter() - seconds_before
    write_text(plan.folder / "config.toml", to_toml(plan.config))
    saving = _checkpoints(plan, progress, log, began)
    try:
        all_observers: list[Observer] = [log, saving, *observers]
        fitted = fit(plan.config, plan.data, all_observers, progress, plan.processes)
    except (Exception, KeyboardInterrupt):
        if progress.best.epoch:
            _finish(plan, progress, "interrupted", began, saving.spent)
        raise
    if fitted.stopped == "diverged" and not fitted.best_epoch:
        raise DivergedError(f"{fitted.sentence} {_without_model(plan.folder)}")
    result = _finish(plan, progress, fitted.stopped, began, saving.spent)
    if fitted.stopped == "diverged":
        kept = f"The best model, of epoch {fitted.best_epoch}, is in {plan.folder}."
        raise DivergedError(f"{fitted.sentence} {kept}")
    return result


def _start(plan: Plan) -> tuple[Progress, MetricsLog, float]:
    """Progress and metrics log where the run begins, and the seconds that it took until there."""
    path = plan.folder / "metrics.jsonl"
    if not isinstance(plan.beginning, Resume):
        return begin(plan.config, plan.data, plan.streams), MetricsLog(path), 0.0
    saved = plan.beginning.checkpoint
    progress = Progress(saved.state, saved.best)
    return progress, MetricsLog(path, saved.record.log_bytes), saved.record.seconds


def _checkpoints(plan: Plan, progress: Progress, log: MetricsLog, began: float) -> Checkpoints:
    """The observer that saves the run."""
    computer = computed_by(plan)  # asks the BLAS, and is the same for every save

    def save() -> None:
        seconds = time.perf_counter() - began
        record = RunRecord(
            config=plan.config.model_dump(),
            data_sha256=plan.data.sha256,
            computed_by=computer,
            log_bytes=log.saved_length(),
            seconds=seconds,
        )
        checkpoint = Checkpoint(progress.state, progress.best, record)
        checkpoints.save(plan.folder, checkpoint)

    return Checkpoints(save, plan.config.training.checkpoint_seconds)


def _without_model(folder: Path) -> str:
    """What to say if training diverged in its first epoch."""
    kept = previous(folder)
    there = f" The run that was there before is in {kept}." if kept.exists() else ""
    return f"No epoch was finished, so no model was kept.{there}"


def _finish(
    plan: Plan, progress: Progress, stopped: StopReason, began: float, saving: float
) -> Result:
    """Score the best weights, and write the model and the result.

    The model is written first: the many training rows take longest to score.
    """
    network = progress.best_network()
    best_epoch = progress.best.epoch
    held_out = {part: _scored(plan, network, part) for part in ("validation", "test")}
    header = _header(plan, best_epoch, held_out)
    modelfile.save(plan.folder / "model.npz", Model(network, plan.data.scaling, header))
    scores = {"train": _scored(plan, network, "train")} | held_out
    seconds = time.perf_counter() - began
    result = Result(plan, stopped, progress.state.epoch, best_epoch, scores, seconds, saving)
    write_text(plan.folder / "result.json", json.dumps(result.document(), indent=2) + "\n")
    remove_previous(plan.folder)
    return result


def _scored(plan: Plan, network: Network, part: str) -> Scores:
    with blas_threads(1):  # one for each of the threads that score
        return score_all(network, plan.data.scaling, plan.data.parts[part], plan.n_cores)


def _header(plan: Plan, best_epoch: int, held_out: dict[str, Scores]) -> dict[str, Any]:
    """The model file's header."""
    data = plan.data
    return {
        "classes": list(data.classes),
        "columns": list(data.columns),
        "image": list(data.image) if data.image else None,
        "config": plan.config.model_dump(),
        "data_sha256": data.sha256,
        "best_epoch": best_epoch,
        "scores": {part: brief(scores) for part, scores in held_out.items()},
        "versions": versions(),
    }
