"""A sealed file that was changed in a bit, or cut short, is never read as a whole one."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from mlpcli.errors import ModelError
from mlpcli.storage import checkpoint, modelfile
from mlpcli.storage.reading import check_seal, read_npz
from mlpcli.storage.writing import write_npz
from tests.support.corruption import (
    NEWEST,
    PREVIOUS,
    SEALED_FILES,
    SealedFile,
    changes,
    cuts,
    make_checkpoint,
    make_model,
    make_two_checkpoints,
    undetected,
)
from tests.support.formats import put
from tests.support.loaders import LOADERS, small_checkpoint

every_file = pytest.mark.parametrize("file", SEALED_FILES.values(), ids=SEALED_FILES)


@every_file
def test_a_changed_bit_or_byte_is_found_wherever_it_is(file: SealedFile, tmp_path: Path) -> None:
    path = file.make(tmp_path)
    damaged = changes(path.read_bytes(), 300, seed=0)
    assert not undetected(path, damaged, file.is_accepted)


@every_file
def test_a_cut_is_found_wherever_it_is(file: SealedFile, tmp_path: Path) -> None:
    path = file.make(tmp_path)
    every = list(cuts(path.read_bytes()))
    some = [*every[:20], *Random(0).sample(every, 260), *every[-100:]]  # the last are in the seal
    assert not undetected(path, iter(some), file.is_accepted)


@every_file
def test_a_whole_file_is_accepted(file: SealedFile, tmp_path: Path) -> None:
    path = file.make(tmp_path)
    check_seal(path)
    assert file.is_accepted(path)


def test_the_newest_checkpoint_is_used_and_the_previous_one_where_it_is_damaged(
    tmp_path: Path,
) -> None:
    path = make_two_checkpoints(tmp_path)
    assert checkpoint.load(tmp_path).state.epoch == NEWEST
    put(path, path.read_bytes()[:-1])
    assert checkpoint.load(tmp_path).state.epoch == PREVIOUS
    path.unlink()
    assert checkpoint.load(tmp_path).state.epoch == PREVIOUS


def test_two_damaged_checkpoints_are_reported_by_the_newest(tmp_path: Path) -> None:
    path = make_two_checkpoints(tmp_path)
    for name in (checkpoint.NEWEST, checkpoint.BEFORE):
        put(tmp_path / name, b"PK")
    with pytest.raises(ModelError) as caught:
        checkpoint.load(tmp_path)
    damaged = "is damaged: it is not what was written, byte by byte."
    assert str(caught.value) == f"{path}: {damaged} {tmp_path} holds no checkpoint to resume from."


def test_a_model_says_what_to_do_where_it_was_changed_on_purpose(tmp_path: Path) -> None:
    path = make_model(tmp_path)
    put(path, path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError) as caught:
        modelfile.load(path)
    advice = "If it was changed on purpose, take 'sealed' out of its header."
    assert (
        str(caught.value)
        == f"{path}: is damaged: it is not what was written, byte by byte. {advice}"
    )


def test_a_model_of_another_program_needs_no_seal_but_one_that_it_has_must_hold(
    tmp_path: Path,
) -> None:
    written, foreign = LOADERS["model"].valid(tmp_path)
    path = put(tmp_path / "model.npz", foreign)
    assert modelfile.load(path).classes == modelfile.load(put(tmp_path / "m.npz", written)).classes
    with_seal = foreign[:-2] + b"\x4e\x00" + b"mlpcli sha256 " + b"0" * 64
    with pytest.raises(ModelError, match="is damaged"):
        modelfile.load(put(path, with_seal))


@pytest.mark.parametrize("name", ["theta", "slot1", "best"])
def test_a_checkpoint_with_a_number_that_is_not_finite_is_not_written(
    name: str, tmp_path: Path
) -> None:
    path, bad = make_checkpoint(tmp_path), small_checkpoint()
    before = path.read_bytes()
    vectors = {
        "theta": bad.state.network.theta,
        "slot1": bad.state.optimizer.slots[1],
        "best": bad.best.theta,
    }
    vectors[name][3] = np.inf
    checkpoint.save(tmp_path, bad)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["theta", "slot0", "slot1", "best"])
def test_a_checkpoint_with_a_number_that_is_not_finite_is_not_read(
    name: str, tmp_path: Path
) -> None:
    path = make_checkpoint(tmp_path)
    arrays = read_npz(path)
    arrays[name][3] = np.nan
    write_npz(path, arrays)
    with pytest.raises(ModelError, match=f"{name} is not 23 finite numbers"):
        checkpoint.load(tmp_path)
