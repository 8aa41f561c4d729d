"""The folder of a run: whether it may be written there, what it replaces, and its files."""

import json
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

from mlpcli.errors import ModelError, OutputError, UnreadableFileError
from mlpcli.invocation import command_line, path_word
from mlpcli.messages import system_reason
from mlpcli.storage.locks import AT_WORK, LOCK, RunFolder, is_locked, locked
from mlpcli.storage.reading import open_regular
from mlpcli.storage.writing import (
    PART,
    make_folder,
    make_folder_in,
    move,
    open_folder_in,
    remove,
    remove_folder_in,
)

FILES = (
    "config.toml",
    "metrics.jsonl",
    "checkpoint.1.npz",
    "checkpoint.npz",
    "model.npz",
    "result.json",
)
REPLACED = re.compile(r"\.replaced-[0-9]+")  # folders of the runs that --overwrite replaced
MAX_LINE = 1 << 20  # bytes of metrics.jsonl taken at a time, whether a line ends there or not
NAME_ONE = "Name a run folder, or a model.npz that mlpcli train wrote."
OTHER = "Choose another folder with --out."


def default_folder(name: str) -> Path:
    """runs/<name>-<time>, with a number added if that exists."""
    return _free_name(Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")


def _free_name(first: Path) -> Path:
    """The path itself, or the first of path-2, path-3, … that does not exist."""
    path = first
    for number in count(2):
        if not os.path.lexists(path):
            break
        path = first.with_name(f"{first.name}-{number}")
    return path


def check_place(folder: Path, overwrite: bool) -> None:
    """Raise OutputError unless a run may be written there; `overwrite` lets it replace a run."""
    try:
        if os.path.lexists(folder):
            _check_existing(folder, overwrite)
        _check_parent(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be used: {system_reason(error)}. {OTHER}") from error


def _check_parent(folder: Path) -> None:
    ancestors = (folder, *folder.absolute().parents)
    parent = next(path for path in ancestors if path.exists() or path.is_symlink())
    if not parent.is_dir():
        raise OutputError(f"{folder}: cannot be made, since {parent} is not a folder. {OTHER}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"{folder}: cannot be written: there is no permission to write in {parent}."
        )


def _check_existing(folder: Path, overwrite: bool) -> None:
    if not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder. Choose another place with --out.")
    present = os.listdir(folder)
    _check_names(folder, present)
    if _holds_run(present):
        if is_locked(folder):
            raise OutputError(f"{folder}: {AT_WORK}")
        _check_may_replace(folder, overwrite)


def _check_names(folder: Path, present: list[str]) -> None:
    """Raise OutputError if a folder holds anything that no run writes."""
    for name in sorted(present):
        if not _of_a_run(name):
            raise OutputError(f"{folder}: holds {name}, which is no part of a run. {OTHER}")


def _holds_run(present: list[str]) -> bool:
    return not set(present).isdisjoint(FILES)


def _check_may_replace(folder: Path, overwrite: bool) -> None:
    if not overwrite:
        raise OutputError(
            f"{folder}: already holds a run. Add --overwrite to replace it, "
            "or choose another folder."
        )


def _of_a_run(name: str) -> bool:
    """Whether a run writes a file or folder of that name, or leaves it when it is killed."""
    if name == LOCK or name in FILES:
        return True
    return _is_unfinished(name) or REPLACED.fullmatch(name) is not None


def _is_unfinished(name: str) -> bool:
    """Whether a file of that name is one of a run's that was being written."""
    return name.endswith(PART) and any(name.startswith(f".{file}.") for file in FILES)


@contextmanager
def reserved(folder: Path, folder_given: bool, overwrite: bool) -> Iterator[RunFolder]:
    """A locked folder, made ready for a new run; a run that is there is moved aside, not deleted.

    It is moved into the folder .replaced-1, .replaced-2, … inside, until remove_replaced.
    If the user did not give the folder, and another run has taken it meanwhile, it gets a number.
    Raises OutputError.
    """
    if not folder_given:
        folder = _free_name(folder)
    make_folder(folder, new=not folder_given)
    with locked(folder) as run_folder:
        present = os.listdir(run_folder.fd)  # again: loading the data may have taken minutes
        _check_names(folder, present)
        if _holds_run(present):
            _check_may_replace(folder, overwrite)
            _move_aside(run_folder, present)
        remove_unfinished(run_folder)
        yield run_folder


def _move_aside(run_folder: RunFolder, present: list[str]) -> None:
    """Move the files of the run that is there into a new folder inside."""
    numbers = (number for number in count(1) if f".replaced-{number}" not in present)
    aside = run_folder.path / f".replaced-{next(numbers)}"
    make_folder_in(aside, run_folder.fd)
    with open_folder_in(aside, run_folder.fd) as to_fd:
        for name in FILES:
            if name in present:
                move(run_folder.path / name, aside / name, run_folder.fd, to_fd)


def replaced(run_folder: RunFolder) -> list[Path]:
    """The folders of the runs that this one replaces, the oldest first."""
    names = [name for name in os.listdir(run_folder.fd) if REPLACED.fullmatch(name)]
    return [run_folder.path / name for name in sorted(names, key=lambda name: int(name[10:]))]


def remove_replaced(run_folder: RunFolder) -> None:
    """Delete the runs that were replaced; any other file among theirs is left, with its folder."""
    for aside in replaced(run_folder):
        with open_folder_in(aside, run_folder.fd) as descriptor:
            for name in FILES:
                remove(aside / name, descriptor)
        remove_folder_in(aside, run_folder.fd)


def remove_unfinished(run_folder: RunFolder) -> None:
    """Delete the files that a killed process left half-written."""
    for name in os.listdir(run_folder.fd):
        if _is_unfinished(name):
            remove(run_folder.path / name, run_folder.fd)


def model_path(path: Path) -> Path:
    """The model file that a run folder, or a path to the file itself, names.

    Raises ModelError if there is none, saying how to get one.
    """
    if not os.path.isdir(path):
        if os.path.exists(path):
            return path
        raise ModelError(f"{path}: there is no such model. {NAME_ONE}")
    model = path / "model.npz"
    if os.path.exists(model):
        return model
    if not os.path.exists(path / "config.toml"):
        raise ModelError(f"{path}: is no run folder: it holds no model.npz. {NAME_ONE}")
    if is_locked(path):
        raise ModelError(f"{path}: has no model yet: its first epoch is being trained.")
    command = command_line("train", "--resume", path_word(path))
    raise ModelError(
        f"{path}: has no model: its run was stopped before the first epoch was saved. "
        f"To go on: {command}"
    )


def best_epoch_of(metrics: Path) -> int:
    """The epoch with the lowest validation loss in a metrics.jsonl; 0 if there is none.

    Lines that are no whole records of an epoch are left out.
    """
    best, lowest = 0, math.inf
    with suppress(UnreadableFileError), open_regular(metrics) as file:
        for line in iter(partial(file.readline, MAX_LINE), b""):
            epoch, loss = _epoch_and_loss(line)
            if loss < lowest:
                best, lowest = epoch, loss
    return best


def _epoch_and_loss(line: bytes) -> tuple[int, float]:
    try:
        record = json.loads(line)
        epoch, loss = int(record["epoch"]), record["validation_loss"]
        if loss is None:  # without validation rows, a later epoch is a better one
            return epoch, float(-epoch)
        return epoch, float(loss)
    except (KeyError, OverflowError, TypeError, ValueError, RecursionError):
        return 0, math.inf
