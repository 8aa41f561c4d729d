"""One run: a Config in, a run folder and a Result out. The command line, the tests and any search call this."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlpcli.commands.plan import SCHEMA, Plan, describe, description, versions
from mlpcli.config import to_toml
from mlpcli.datasets.dataset import Rows
from mlpcli.errors import DivergedError
from mlpcli.machine import blas, blas_threads
from mlpcli.model.metrics import Scores
from mlpcli.model.state import Best, TrainingState
from mlpcli.storage.checkpoint import Checkpoint
from mlpcli.storage.checkpoint import save as save_checkpoint
from mlpcli.storage.modelfile import Model, save
from mlpcli.storage.runfolder import alone, previous, remove_previous, reserved
from mlpcli.storage.writing import write_text
from mlpcli.training.events import StopReason
from mlpcli.training.loop import new_state, train
from mlpcli.training.observers import (
    BestModel,
    Checkpoints,
    EarlyStopping,
    MetricsLog,
    Observer,
    drive,
)
from mlpcli.training.scoring import score_all


@dataclass(frozen=True)
class Result:
    """What came of a run: the scores of the best weights, and how it ended."""

    plan: Plan
    stopped: StopReason
    epochs: int
    best_epoch: int
    scores: dict[str, Scores]
    seconds: float
    saving: float  # seconds of these spent on checkpoints

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
    """Rows, loss and accuracy, for JSON, which knows no loss that is not finite."""
    loss = scores.loss if math.isfinite(scores.loss) else None
    return {"rows": scores.rows, "loss": loss, "accuracy": scores.accuracy}


def execute(plan: Plan, observers: Sequence[Observer] = ()) -> Result:
    """Train, keep the best weights whatever happens, score them, and write the run folder.

    Raises DivergedError, after the best weights so far have been written.
    """
    if plan.saved or plan.again:
        with alone(plan.folder):
            return _train(plan, plan.saved or _fresh(plan), observers)
    with reserved(plan.folder, plan.named, plan.overwrite) as folder:
        return _train(replace(plan, folder=folder), _fresh(plan), observers)


def _fresh(plan: Plan) -> Checkpoint:
    """What a run starts from that goes on from nothing."""
    state = new_state(plan.config, plan.shape, plan.streams)
    return Checkpoint(state, Best(state.network.theta.copy()), {"log_bytes": 0, "seconds": 0.0})


def _train(plan: Plan, start: Checkpoint, observers: Sequence[Observer]) -> Result:
    began = time.perf_counter() - start.about["seconds"]
    write_text(plan.folder / "config.toml", to_toml(plan.config))
    state, best, settings = start.state, start.best, plan.config.training
    log = MetricsLog(plan.folder / "metrics.jsonl", start.about["log_bytes"])
    known = description(plan)  # which asks the BLAS, and is the same for every save

    def save_all() -> None:
        seconds = time.perf_counter() - began
        about = known | {"log_bytes": log.saved_length(), "seconds": seconds}
        save_checkpoint(plan.folder, Checkpoint(state, best, about))

    saving = Checkpoints(save_all, settings.checkpoint_seconds)
    own: list[Observer] = [
        BestModel(state.network, best),
        log,
        EarlyStopping(settings.patience, state, best),
        saving,
    ]
    try:
        with blas_threads(1):
            stopped = drive(
                train(state, plan.data, plan.config, plan.processes), [*own, *observers]
            )
    except (Exception, KeyboardInterrupt):
        if best.epoch:
            _finish(plan, state, best, "interrupted", began, saving.spent)
        raise
    if stopped.reason == "diverged" and not best.epoch:
        kept = previous(plan.folder)
        there = f" The run that was there before is in {kept}." if kept.exists() else ""
        raise DivergedError(
            f"{stopped.sentence} No epoch was finished, so no model was kept.{there}"
        )
    result = _finish(plan, state, best, stopped.reason, began, saving.spent)
    if stopped.reason == "diverged":
        raise DivergedError(
            f"{stopped.sentence} The best model, of epoch {best.epoch}, is in {plan.folder}."
        )
    return result


def _finish(
    plan: Plan, state: TrainingState, best: Best, reason: StopReason, began: float, saving: float
) -> Result:
    """Score the best weights and write them; the model first, before the many training rows are scored."""
    if best.epoch:
        state.network.theta[:] = best.theta

    def scored(rows: Rows) -> Scores:
        with blas_threads(1):
            return score_all(state.network, plan.data.scaling, rows, plan.cores)

    held_out = {"validation": scored(plan.data.validation), "test": scored(plan.data.test)}
    save(
        plan.folder / "model.npz",
        Model(state.network, plan.data.scaling, _header(plan, best.epoch, held_out)),
    )
    scores = {"train": scored(plan.data.train)} | held_out
    result = Result(
        plan, reason, state.epoch, best.epoch, scores, time.perf_counter() - began, saving
    )
    write_text(plan.folder / "result.json", json.dumps(result.document(), indent=2) + "\n")
    remove_previous(plan.folder)
    return result


def _header(plan: Plan, best_epoch: int, held_out: dict[str, Scores]) -> dict[str, Any]:
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
