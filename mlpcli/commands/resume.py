"""The plan of a run that was stopped: its own settings and data, and where it goes on."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlpcli.commands import settings
from mlpcli.commands.plan import Plan, Restart, Resume, computed_by, make_plan
from mlpcli.config import Config, differences, flat
from mlpcli.errors import ConfigError, DataError, ModelError
from mlpcli.messages import Notify
from mlpcli.model.state import TrainingState
from mlpcli.storage import checkpoint as checkpoints
from mlpcli.storage.checkpoint import Checkpoint

MAY_CHANGE = (
    "training.epochs",
    "training.patience",
    "training.threads",
    "training.checkpoint_seconds",
)


def resume(
    folder: Path, flags: Mapping[str, Any], overrides: Sequence[str], notify: Notify
) -> Plan:
    """The plan of a run that was stopped; flags and overrides may change only what MAY_CHANGE has.

    A run that was stopped before it was first saved begins again.
    Raises ModelError, ConfigError or DataError.
    """
    file = folder / "config.toml"
    if not os.path.isfile(file):
        raise ModelError(f"{folder}: is no run that can be resumed: it holds no config.toml.")
    config = settings.load(file, flags, overrides)
    if not checkpoints.exists(folder):
        _check_settings(folder, config, settings.load(file, {}))
        notify(f"{folder} was stopped before it was first saved, and begins again.")
        return make_plan(config, Restart(folder), notify)
    plan = make_plan(config, Restart(folder), notify)
    saved = checkpoints.load(folder, notify)
    _check(folder, plan, saved, notify)
    return replace(plan, beginning=Resume(folder, saved))


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
    _note_other_machine(saved.record.computed_by, computed_by(plan), notify)
    _note_other_epochs(plan.config, before, notify)


def _settings(folder: Path, saved: Checkpoint) -> Config:
    try:
        return Config.model_validate(saved.record.config)
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
