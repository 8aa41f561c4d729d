"""The plan of a run that was stopped: its own settings and data, and where it goes on."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlpcli.commands import settings
from mlpcli.commands.data import complete
from mlpcli.commands.plan import Plan, Restart, Resume, computed_by, make_plan
from mlpcli.config import Config, differences, flat
from mlpcli.errors import ConfigError, DataError, ModelError, UnreadableFileError
from mlpcli.messages import Notify
from mlpcli.model.state import TrainingState
from mlpcli.storage import checkpoint as checkpoints
from mlpcli.storage.checkpoint import Checkpoint, RunRecord
from mlpcli.storage.locks import RunFolder, locked
from mlpcli.storage.reading import digest_of_first
from mlpcli.storage.runfolder import remove_unfinished

MAY_CHANGE = (
    "data.source",  # if it is the same data, moved
    "training.epochs",
    "training.patience",
    "training.threads",
    "training.checkpoint_seconds",
)


@contextmanager
def resuming(
    folder: Path, flags: Mapping[str, Any], overrides: Sequence[str], notify: Notify
) -> Iterator[Plan]:
    """The plan of a run that was stopped, whose folder is locked until the `with` ends.

    Everything that decides is read under the lock. Flags and overrides may change only what
    MAY_CHANGE has. A run that was stopped before it was first saved begins again.
    Raises OutputError if the run is being trained, and ModelError, ConfigError or DataError.
    """
    _check_is_run(folder)
    with locked(folder) as run_folder:
        _check_is_run(folder)
        remove_unfinished(run_folder)
        yield _plan(run_folder, flags, overrides, notify)


def _check_is_run(folder: Path) -> None:
    if not os.path.isfile(folder / "config.toml"):
        raise ModelError(f"{folder}: is no run that can be resumed: it holds no config.toml.")


def _plan(
    run_folder: RunFolder, flags: Mapping[str, Any], overrides: Sequence[str], notify: Notify
) -> Plan:
    folder = run_folder.path
    file = folder / "config.toml"
    config = _loaded(file, flags, overrides)
    if not checkpoints.exists(folder):
        _check_settings(folder, config, _loaded(file, {}, ()))
        notify(f"{folder} was stopped before it was first saved, and begins again.")
        return make_plan(config, Restart(run_folder), notify)
    plan = make_plan(config, Restart(run_folder), notify)
    saved = checkpoints.load(folder, notify)
    _check(folder, plan, saved, notify)
    return replace(plan, beginning=Resume(run_folder, saved))


def _loaded(file: Path, flags: Mapping[str, Any], overrides: Sequence[str]) -> Config:
    """The settings of a run's own file, with flags and overrides."""
    return complete(settings.load(file, flags, overrides).model_dump(exclude_unset=True))


def _check(folder: Path, plan: Plan, saved: Checkpoint, notify: Notify) -> None:
    """Raise an error if plan and checkpoint do not agree; say what may change the result."""
    before = _settings(folder, saved)
    _check_settings(folder, plan.config, before)
    if saved.record.data_sha256 != plan.data.sha256:
        raise DataError(
            f"{plan.data.source}: has changed since {folder} was trained on it, so the run cannot "
            "go on. Start a new one, or restore the data."
        )
    _check_state(folder, plan, saved.state)
    _note_patience(plan.config, saved, notify)
    _note_other_metrics(folder / "metrics.jsonl", saved.record, notify)
    _note_other_machine(saved.record.computed_by, computed_by(plan), notify)
    _note_other_epochs(plan.config, before, notify)


def _settings(folder: Path, saved: Checkpoint) -> Config:
    try:
        return complete(saved.record.config)
    except ValueError as error:
        raise ModelError(
            f"{folder}: its checkpoint has settings that this mlpcli does not know. "
            "Resume the run with the version that saved it."
        ) from error


def _check_settings(folder: Path, now: Config, before: Config) -> None:
    """Raise ConfigError for a setting that a resumed run may not change."""
    for key in differences(now, before):
        if key not in MAY_CHANGE:
            raise ConfigError(
                f"{key} is {flat(before)[key]!r} in {folder} and {flat(now)[key]!r} here: that "
                "would be another run. Leave it out, or start a new run. "
                f"A resumed run may change {', '.join(MAY_CHANGE)}."
            )


def _check_state(folder: Path, plan: Plan, state: TrainingState) -> None:
    """Raise ModelError if the state is of another network, or of other rows, than the plan."""
    same_rows = len(state.order) in (0, len(plan.data.train)) and state.batch <= plan.batches
    if state.network.shape != plan.shape or not same_rows:
        raise ModelError(
            f"{folder}: its checkpoint does not go with its settings and data. Start a new run."
        )


def _note_patience(config: Config, saved: Checkpoint, notify: Notify) -> None:
    """Say if early stopping has ended the run, and would end it again at once."""
    patience = config.training.patience
    waited = saved.state.epoch - saved.best.epoch
    if patience and waited >= patience:
        notify(
            f"Early stopping has ended this run: no epoch was better in the {waited:,} since epoch "
            f"{saved.best.epoch:,}. To go on, add --set training.patience={2 * waited} "
            "(0 never stops)."
        )


def _note_other_metrics(path: Path, record: RunRecord, notify: Notify) -> None:
    """Say if the lines that were written before the run was saved are not those any more."""
    try:
        length, sha256 = digest_of_first(path, record.log_bytes)
    except UnreadableFileError as error:
        notify(f"{path}: {error.problem}; the epochs before this are missing in the new one.")
        return
    if length < record.log_bytes:
        notify(f"{path}: was shortened since the run was saved; lines of earlier epochs are lost.")
    elif record.log_sha256 not in ("", sha256):
        notify(f"{path}: was changed since the run was saved; its earlier lines stay as they are.")


def _note_other_machine(before: Mapping[str, Any], now: Mapping[str, Any], notify: Notify) -> None:
    changed = [
        f"{name} is {now[name]} and was {before.get(name)}"
        for name in now
        if now[name] != before.get(name)
    ]
    if changed:
        notify(
            f"{'; '.join(changed)}: the last bits of this run may differ from those of one "
            "that was never stopped."
        )


def _note_other_epochs(now: Config, before: Config, notify: Notify) -> None:
    """Say that another number of epochs changes the learning rates that follow from it."""
    epochs = now.training.epochs
    if epochs != before.training.epochs and now.optimizer.schedule != "constant":
        notify(
            f"training.epochs is {epochs} and was {before.training.epochs}: the "
            f"{now.optimizer.schedule} schedule depends on it, so this is not what a run of "
            f"{epochs} from its start would have given."
        )
