"""Sealed files with a byte or a bit changed, or cut short: every one must be found out when it is read."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from mlpcli.errors import ModelError
from mlpcli.storage import checkpoint, modelfile
from tests.support.formats import put
from tests.support.loaders import small_checkpoint, small_model

FORMER, NEWEST = 1, 2  # the epochs of a run's two checkpoints
Undetected = Callable[[Path], bool]


def cuts(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The file cut at every length that is not its own."""
    for length in range(len(content)):
        yield f"cut at {length}", content[:length]


def changes(content: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The file with one bit flipped, or one byte replaced by another, in turn, at seeded places."""
    stream = Random(seed)
    for n in range(count):
        place = stream.randrange(len(content))
        mask = stream.randrange(1, 256) if n % 2 else 1 << stream.randrange(8)
        changed = bytes([content[place] ^ mask])
        yield f"byte {place} ^ {mask}", content[:place] + changed + content[place + 1 :]


def model_file(folder: Path) -> Path:
    """A small model, as mlpcli writes it."""
    modelfile.save(folder / "model.npz", small_model())
    return folder / "model.npz"


def checkpoint_file(folder: Path) -> Path:
    """The newest checkpoint of a run, without the one before it."""
    checkpoint.save(folder, small_checkpoint(NEWEST))
    return folder / checkpoint.NEWEST


def second_checkpoint_file(folder: Path) -> Path:
    """The newest checkpoint of a run, beside the one before it."""
    checkpoint.save(folder, small_checkpoint(FORMER))
    return checkpoint_file(folder)


def model_passes(path: Path) -> bool:
    """Whether a damaged model is taken for a whole one."""
    return _passes(lambda: modelfile.load(path))


def checkpoint_passes(path: Path) -> bool:
    """Whether a damaged checkpoint is taken for a whole one."""
    return _passes(lambda: checkpoint.load(path.parent))


def former_is_not_used(path: Path) -> bool:
    """Whether a damaged checkpoint is taken for a whole one, although there is a former one."""
    return checkpoint.load(path.parent).state.epoch != FORMER


def _passes(load: Callable[[], object]) -> bool:
    try:
        load()
    except ModelError:
        return False
    return True


VICTIMS: dict[str, tuple[Callable[[Path], Path], Undetected]] = {
    "model": (model_file, model_passes),
    "checkpoint": (checkpoint_file, checkpoint_passes),
    "checkpoint with a former one": (second_checkpoint_file, former_is_not_used),
}


def undetected(path: Path, damaged: Iterator[tuple[str, bytes]], passes: Undetected) -> list[str]:
    """What was done to the file without its being noticed."""
    return [what for what, content in damaged if passes(put(path, content))]


def report_damage(count: int, seed: int) -> int:
    """Damage each kind of file in every way, say what came of it, and return 1 where anything was not noticed."""
    missed = []
    for name, (make, passes) in VICTIMS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = make(Path(folder))
            content = path.read_bytes()
            missed += (cut := undetected(path, cuts(content), passes))
            missed += (changed := undetected(path, changes(content, count, seed), passes))
        print(
            f"{name}: {len(content):,} cuts, {len(cut)} unnoticed; {count:,} changes, {len(changed)} unnoticed"
        )
    for what in missed[:20]:
        print(what)
    return int(bool(missed))
