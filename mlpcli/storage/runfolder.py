"""The run folder: where a run may be written, and where its files are."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mlpcli.errors import ModelError, OutputError
from mlpcli.storage.reading import reason
from mlpcli.storage.writing import make_folder, move, remove, remove_folder

FILES = (
    "config.toml",
    "metrics.jsonl",
    "checkpoint.1.npz",
    "checkpoint.npz",
    "model.npz",
    "result.json",
)
LOCK = (
    ".lock"  # held by whoever trains; the system lets it go when that process ends, however it ends
)


def default_folder(name: str) -> Path:
    """runs/<name>-<time>, with a number added where that is taken."""
    return _untaken(Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")


def _untaken(first: Path) -> Path:
    tries = (first if n == 1 else first.with_name(f"{first.name}-{n}") for n in range(1, 1000))
    return next(path for path in tries if not os.path.lexists(path))


def check_place(folder: Path, overwrite: bool) -> None:
    """Raise OutputError unless a run may be written there; `overwrite` lets it replace a former run."""
    try:
        if os.path.lexists(folder):
            _check_existing(folder, overwrite)
        _check_parent(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be used: {reason(error)}. Choose another folder with --out."
        ) from error


def _check_parent(folder: Path) -> None:
    parent = next(
        path for path in (folder, *folder.absolute().parents) if path.exists() or path.is_symlink()
    )
    if not parent.is_dir():
        raise OutputError(
            f"{folder}: cannot be made, since {parent} is not a folder. Choose another folder with --out."
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"{folder}: cannot be written: there is no permission to write in {parent}."
        )


def _check_existing(folder: Path, overwrite: bool) -> None:
    if not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder. Choose another place with --out.")
    held = sorted(set(os.listdir(folder)) - {LOCK})
    foreign = [name for name in held if not _of_a_run(name)]
    if foreign:
        raise OutputError(
            f"{folder}: holds {foreign[0]}, which is no part of a run. Choose another folder with --out."
        )
    if set(held) & set(FILES) and not overwrite:
        raise OutputError(
            f"{folder}: already holds a run. Add --overwrite to replace it, or choose another folder."
        )


def _of_a_run(name: str) -> bool:
    """Whether a run writes a file of that name, or left it half-written when it was killed."""
    return name in FILES or any(
        name.startswith(f".{file}.") and name.endswith(".part") for file in FILES
    )


@contextmanager
def reserved(folder: Path, named: bool, overwrite: bool) -> Iterator[Path]:
    """A folder made ready for a run, and nobody else's while that lasts; a former run in it is set aside, not lost.

    One that was not `named` by the user gets another number where another run has taken it meanwhile.
    Raises OutputError.
    """
    if not named:
        folder = _untaken(folder)
    make_folder(folder, new=not named)
    with alone(folder):
        check_place(folder, overwrite)  # again: loading the data may have taken minutes
        if (folder / "model.npz").exists():
            remove_previous(folder)
            make_folder(previous(folder))
            for name in filter(FILES.__contains__, os.listdir(folder)):
                move(folder / name, previous(folder) / name)
        remove([folder / name for name in os.listdir(folder) if name != LOCK])
        yield folder


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder against every other trainer; what one that was killed left half-written is cleared away.

    Raises OutputError where another one holds it.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"{folder}: another mlpcli train is at work there. Wait for it, or choose another folder."
        ) from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be locked: {reason(error)}.") from error
    try:
        remove([folder / name for name in os.listdir(folder) if name.endswith(".part")])
        yield
    finally:
        lock.release()


def previous(folder: Path) -> Path:
    """Where a run that is being replaced is kept until the new one has a model."""
    return folder.absolute().with_name(folder.absolute().name + ".former")


def remove_previous(folder: Path) -> None:
    """Delete the run that was replaced."""
    remove([previous(folder) / name for name in FILES])
    remove_folder(previous(folder))


def model_path(path: Path) -> Path:
    """The model file that a run folder or a path to the file itself stands for."""
    if os.path.isdir(path):
        path = path / "model.npz"
    if not os.path.exists(path):
        raise ModelError(
            f"{path}: there is no such model. Name a run folder, or a model.npz that mlpcli train wrote."
        )
    return path
