"""One run: a plan in, a run folder and a result out."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from mlpcli.storage.locks import RunFolder
from mlpcli.storage.modelfile import Model
from mlpcli.storage.runfolder import remove_replaced, replaced, reserved
from mlpcli.storage.writing import write_text
from mlpcli.training.events import StopReason
from mlpcli.training.fit import Progress, begin, fit
from mlpcli.training.observers import Checkpoints, MetricsLog, Observer
from mlpcli.training.scoring import score_all

COMPLETE = ("finished", "early stopping")


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
            **{part: self._brief(part) for part in ("train", "validation", "test")},
            "seconds": round(self.seconds, 3),
            "saving": round(self.saving / max(self.seconds, 1e-9), 4),
            "threads": self.plan.processes,
            "blas": blas(),
            "versions": versions(),
        }

    def _brief(self, part: str) -> dict[str, Any] | None:
        """The scores of a part; None without validation rows."""
        if part not in self.scores:
            return None
        return brief(self.scores[part])


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
        return _train(plan, beginning.run_folder, observers)
    with reserved(beginning.folder, beginning.folder_given, beginning.overwrite) as run_folder:
        placed = replace(beginning, folder=run_folder.path)
        return _train(replace(plan, beginning=placed), run_folder, observers)


def _train(plan: Plan, run_folder: RunFolder, observers: Sequence[Observer]) -> Result:
    """Train in a folder that this process has locked."""
    writer = _writer(plan, run_folder)
    progress = writer.progress
    write_text(run_folder.path / "config.toml", to_toml(plan.config), run_folder.fd)
    saving = Checkpoints(writer.save, plan.config.training.checkpoint_seconds)
    all_observers: list[Observer] = [writer.log, saving, *observers]
    try:
        fitted = fit(plan.config, plan.data, all_observers, progress, plan.processes)
    except (Exception, KeyboardInterrupt):
        if progress.best.epoch:
            writer.finish("interrupted", saving.spent)
        raise
    if fitted.stopped == "diverged" and not fitted.best_epoch:
        raise DivergedError(
            f"{fitted.sentence} No epoch was finished, so no model was kept.{writer.replaced()}"
        )
    result = writer.finish(fitted.stopped, saving.spent)
    if fitted.stopped == "diverged":
        kept = f"The best model, of epoch {fitted.best_epoch}, is in {plan.folder}."
        raise DivergedError(f"{fitted.sentence} {kept}")
    return result


def _writer(plan: Plan, run_folder: RunFolder) -> "RunWriter":
    """The writer of a run's files, from where the run begins."""
    path = run_folder.path / "metrics.jsonl"
    if not isinstance(plan.beginning, Resume):
        log = MetricsLog(path, dir_fd=run_folder.fd)
        progress = begin(plan.config, plan.data, plan.streams)
        return RunWriter(plan, run_folder, progress, log)
    saved = plan.beginning.checkpoint
    log = MetricsLog(path, saved.record.log_bytes, dir_fd=run_folder.fd)
    progress = Progress(saved.state, saved.best)
    return RunWriter(plan, run_folder, progress, log, saved.record.seconds)


class RunWriter:
    """Writes the files of a run: checkpoints and the best model meanwhile, the result at its end.

    `seconds_before` is the time that the run took before it was resumed.
    """

    def __init__(
        self,
        plan: Plan,
        run_folder: RunFolder,
        progress: Progress,
        log: MetricsLog,
        seconds_before: float = 0.0,
    ) -> None:
        self.plan = plan
        self.run_folder = run_folder
        self.progress = progress
        self.log = log
        self.began = time.perf_counter() - seconds_before
        self.computer = computed_by(plan)  # asks the BLAS, and is the same for every save
        self.model_epoch = 0  # the epoch whose weights are in model.npz

    def save(self) -> None:
        """Save the run, with its best weights so far in model.npz."""
        best = self.progress.best
        if best.epoch != self.model_epoch:
            network = self.progress.state.network.with_parameters(best.theta)
            self._write_model(network, {})
        log_bytes, log_sha256 = self.log.saved()
        record = RunRecord(
            config=self.plan.config.model_dump(),
            data_sha256=self.plan.data.sha256,
            computed_by=self.computer,
            log_bytes=log_bytes,
            log_sha256=log_sha256,
            seconds=time.perf_counter() - self.began,
        )
        checkpoint = Checkpoint(self.progress.state, best, record)
        checkpoints.save(self.run_folder.path, checkpoint, self.run_folder.fd)

    def finish(self, stopped: StopReason, saving: float) -> Result:
        """Score the best weights, and write the model and the result.

        The model is written before the many training rows are scored, which takes longest. Runs
        that this one replaces are deleted if it has come to its end.
        """
        plan, progress = self.plan, self.progress
        network = progress.best_network()
        parts = [part for part in ("validation", "test") if len(plan.data.parts[part])]
        held_out = {part: _scored(plan, network, part) for part in parts}
        self._write_model(network, held_out)
        scores = {"train": _scored(plan, network, "train")} | held_out
        result = Result(
            plan=plan,
            stopped=stopped,
            epochs=progress.state.epoch,
            best_epoch=progress.best.epoch,
            scores=scores,
            seconds=time.perf_counter() - self.began,
            saving=saving,
        )
        text = json.dumps(result.document(), indent=2) + "\n"
        write_text(self.run_folder.path / "result.json", text, self.run_folder.fd)
        if stopped in COMPLETE:
            remove_replaced(self.run_folder)
        return result

    def _write_model(self, network: Network, held_out: dict[str, Scores]) -> None:
        best_epoch = self.progress.best.epoch
        header = _header(self.plan, best_epoch, held_out)
        data = self.plan.data
        model = Model(network, data.preprocessing, header, data.columns)
        modelfile.save(self.run_folder.path / "model.npz", model, self.run_folder.fd)
        self.model_epoch = best_epoch

    def replaced(self) -> str:
        """Where the runs are kept that this one was to replace, after a blank, or ''."""
        kept = ", ".join(str(folder) for folder in replaced(self.run_folder))
        return f" What it replaces is kept in {kept}." if kept else ""


def _scored(plan: Plan, network: Network, part: str) -> Scores:
    with blas_threads(1):  # one for each of the threads that score
        return score_all(network, plan.data.preprocessing, plan.data.parts[part], plan.n_cores)


def _header(plan: Plan, best_epoch: int, held_out: dict[str, Scores]) -> dict[str, Any]:
    """The model file's header."""
    data = plan.data
    return {
        "classes": list(data.classes),
        "image": list(data.image) if data.image else None,
        "config": plan.config.model_dump(),
        "data_sha256": data.sha256,
        "best_epoch": best_epoch,
        "scores": {part: _recorded(scores) for part, scores in held_out.items()},
        "versions": versions(),
    }


def _recorded(scores: Scores) -> dict[str, Any]:
    """The scores of one part in a model file, which has the same bytes as ever."""
    shown = brief(scores)
    return {key: shown[key] for key in ("rows", "loss", "accuracy")}
