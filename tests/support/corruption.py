"""Sealed files with a byte changed, or cut short: reading them must fail."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from mlpcli.errors import ModelError
from mlpcli.storage import checkpoint, modelfile
from tests.support.formats import put
from tests.support.loaders import small_checkpoint, small_model

PREVIOUS, NEWEST = 1, 2  # the epochs of a run's two checkpoints


@dataclass(frozen=True)
class SealedFile:
    """A file to damage: how it is made in a folder, and whether it is read as if it were whole."""

    make: Callable[[Path], Path]
    is_accepted: Callable[[Path], bool]


def cuts(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The file cut to every shorter length; each with a description."""
    for length in range(len(content)):
        yield f"cut at {length}", content[:length]


def changes(content: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The file with one bit flipped or one byte replaced, in turn; each with a description."""
    rng = Random(seed)
    for n in range(count):
        index = rng.randrange(len(content))
        mask = 1 << rng.randrange(8)
        if n % 2:
            mask = rng.randrange(1, 256)
        changed = bytearray(content)
        changed[index] ^= mask
        yield f"byte {index} ^ {mask}", bytes(changed)


def undetected(
    path: Path, damaged: Iterator[tuple[str, bytes]], is_accepted: Callable[[Path], bool]
) -> list[str]:
    """The descriptions of the damaged contents with which the file is accepted."""
    return [what for what, content in damaged if is_accepted(put(path, content))]


def make_model(folder: Path) -> Path:
    """A small model, as mlpcli writes it."""
    modelfile.save(folder / "model.npz", small_model())
    return folder / "model.npz"


def make_checkpoint(folder: Path) -> Path:
    """The newest checkpoint of a run, without the previous one."""
    checkpoint.save(folder, small_checkpoint(NEWEST))
    return folder / checkpoint.NEWEST


def make_two_checkpoints(folder: Path) -> Path:
    """The newest checkpoint of a run, beside the previous one."""
    checkpoint.save(folder, small_checkpoint(PREVIOUS))
    return make_checkpoint(folder)


def model_is_accepted(path: Path) -> bool:
    """Whether the model is read as if it were whole."""
    return _succeeds(lambda: modelfile.load(path))


def checkpoint_is_accepted(path: Path) -> bool:
    """Whether the checkpoint is read as if it were whole."""
    return _succeeds(lambda: checkpoint.load(path.parent))


def newest_is_accepted(path: Path) -> bool:
    """Whether the newest checkpoint is read as if it were whole, and the previous one is not."""
    return checkpoint.load(path.parent).state.epoch != PREVIOUS


def _succeeds(load: Callable[[], object]) -> bool:
    try:
        load()
    except ModelError:
        return False
    return True


SEALED_FILES = {
    "model": SealedFile(make_model, model_is_accepted),
    "checkpoint": SealedFile(make_checkpoint, checkpoint_is_accepted),
    "checkpoint with a previous one": SealedFile(make_two_checkpoints, newest_is_accepted),
}


def report_damage(count: int, seed: int) -> int:
    """Damage each kind of file in every way and print the results.

    Returns 1 if any damage was not detected.
    """
    missed = []
    for name, file in SEALED_FILES.items():
        missed += _damage(name, file, count, seed)
    for what in missed[:20]:
        print(what)
    return int(bool(missed))


def _damage(name: str, file: SealedFile, count: int, seed: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = file.make(Path(folder))
        content = path.read_bytes()
        cut = undetected(path, cuts(content), file.is_accepted)
        changed = undetected(path, changes(content, count, seed), file.is_accepted)
    print(
        f"{name}: {len(content):,} cuts, {len(cut)} undetected; "
        f"{count:,} changes, {len(changed)} undetected"
    )
    return cut + changed
