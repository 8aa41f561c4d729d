"""The folder of a run: whether it may be written there, its lock, and its files."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

from mlpcli.errors import ModelError, OutputError
from mlpcli.messages import system_reason
from mlpcli.storage.writing import make_folder, move, remove, remove_folder

FILES = (
    "config.toml",
    "metrics.jsonl",
    "checkpoint.1.npz",
    "checkpoint.npz",
    "model.npz",
    "result.json",
)
LOCK = ".lock"  # held by the process that trains; the system releases it when that ends
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
    present = sorted(set(os.listdir(folder)) - {LOCK})
    for name in present:
        if not _of_a_run(name):
            raise OutputError(f"{folder}: holds {name}, which is no part of a run. {OTHER}")
    if set(present) & set(FILES) and not overwrite:
        raise OutputError(
            f"{folder}: already holds a run. Add --overwrite to replace it, "
            "or choose another folder."
        )


def _of_a_run(name: str) -> bool:
    """Whether a run writes a file of that name, or leaves it half-written when it is killed."""
    if name in FILES:
        return True
    return name.endswith(".part") and any(name.startswith(f".{file}.") for file in FILES)


@contextmanager
def reserved(folder: Path, folder_given: bool, overwrite: bool) -> Iterator[Path]:
    """A locked folder, made ready for a new run; a run that is there is moved aside, not deleted.

    If the user did not give the folder, and another run has taken it meanwhile, it gets a number.
    Raises OutputError.
    """
    if not folder_given:
        folder = _free_name(folder)
    make_folder(folder, new=not folder_given)
    with locked(folder):
        check_place(folder, overwrite)  # again: loading the data may have taken minutes
        if (folder / "model.npz").exists():
            _move_aside(folder)
        remove([folder / name for name in os.listdir(folder) if name != LOCK])
        yield folder


def _move_aside(folder: Path) -> None:
    remove_previous(folder)
    make_folder(previous(folder))
    for name in os.listdir(folder):
        if name in FILES:
            move(folder / name, previous(folder) / name)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder; half-written files of a killed process are removed.

    Raises OutputError if another process holds it.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"{folder}: another mlpcli train is at work there. "
            "Wait for it, or choose another folder."
        ) from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be locked: {system_reason(error)}.") from error
    try:
        remove([folder / name for name in os.listdir(folder) if name.endswith(".part")])
        yield
    finally:
        lock.release()


def previous(folder: Path) -> Path:
    """Where a run that is being replaced is kept until the new one has a model."""
    path = folder.absolute()
    return path.with_name(path.name + ".former")


def remove_previous(folder: Path) -> None:
    """Delete the run that was replaced."""
    kept = previous(folder)
    remove([kept / name for name in FILES])
    remove_folder(kept)


def model_path(path: Path) -> Path:
    """The model file that a run folder, or a path to the file itself, names.

    Raises ModelError if there is none.
    """
    if os.path.isdir(path):
        path = path / "model.npz"
    if not os.path.exists(path):
        raise ModelError(
            f"{path}: there is no such model. "
            "Name a run folder, or a model.npz that mlpcli train wrote."
        )
    return path
