"""A run on disk: everything comes back to the bit, and what is not whole is not used."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Raw, Shape
from mlpcli.errors import ModelError, OutputError
from mlpcli.model.network import Network
from mlpcli.model.optimizers import RULES, Hyperparameters, Optimizer
from mlpcli.model.state import Best, Streams, TrainingState
from mlpcli.storage import checkpoint
from mlpcli.storage.checkpoint import BEFORE, NEWEST, Checkpoint, RunRecord, exists, load, save
from mlpcli.storage.reading import check_seal, read_npz
from mlpcli.storage.writing import write_npz

SHAPE = Shape(7, 11, 3)
RECORD = RunRecord(
    config={"seed": 3},
    data_sha256="é",
    computed_by={"numpy": "2.4"},
    log_bytes=17,
    seconds=0.1,
)
rules = pytest.mark.parametrize("rule", RULES)


def in_the_middle(rule: str = "momentum", seed: int = 0, dtype: type = np.float32) -> Checkpoint:
    """A run in the middle of an epoch, whose every number is another one."""
    streams = Streams.from_seed(seed)
    network = Network(SHAPE, "tanh", dtype)
    optimizer = Optimizer(
        rule, network, Hyperparameters(0.7, False, 0.8, 0.95, 1e-3), weight_decay=0.1
    )
    optimizer.steps = 17 + seed
    for vector in (network.theta, *optimizer.slots):
        vector[:] = streams.initialise.normal(size=len(vector))
    streams.shuffle.permutation(5)
    streams.dropout.random(3, np.float32)  # half of a draw of 64 bits is left over
    order = streams.shuffle.permutation(23)
    state = TrainingState(
        network, optimizer, streams.shuffle, streams.dropout, 3, 2, order, 0.1 + 0.2
    )
    return Checkpoint(
        state,
        Best(streams.initialise.normal(size=len(network.theta)).astype(dtype), 2, 1 / 3),
        RECORD,
    )


def numbers(state: TrainingState) -> list[Any]:
    """All that a state is, but its streams."""
    o = state.optimizer
    vectors = [state.network.theta, *o.slots, state.order]
    position = [state.epoch, state.batch, state.loss_sum, o.steps, o.name, o.hyper, o.weight_decay]
    return [
        *((v.dtype, v.tobytes()) for v in vectors),
        *position,
        state.network.shape,
        state.network.activation,
    ]


@rules
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_comes_back_to_the_bit(rule: str, dtype: type, tmp_path: Path) -> None:
    saved = in_the_middle(rule, dtype=dtype)
    save(tmp_path, saved)
    read = load(tmp_path)
    assert numbers(read.state) == numbers(saved.state)
    assert len(read.state.optimizer.slots) == RULES[rule][1]
    assert (read.best.theta.tobytes(), read.best.epoch, read.best.loss) == (
        saved.best.theta.tobytes(),
        2,
        1 / 3,
    )
    assert read.record == RECORD
    assert read.state.network.W1.base is not None  # the views are of theta
    read.state.network.theta[:] = 1
    assert np.all(read.state.network.W1 == 1)
    assert np.all(read.state.network.b2 == 1)


@pytest.mark.parametrize("name", ["shuffle", "dropout"])
def test_the_streams_continue_as_if_nothing_had_been(name: str, tmp_path: Path) -> None:
    saved = in_the_middle()
    save(tmp_path, saved)
    ours, read = getattr(saved.state, name), getattr(load(tmp_path).state, name)
    draws: list[Callable[[np.random.Generator], Any]] = [
        lambda stream: stream.random(9, np.float32),
        lambda stream: stream.permutation(99),
        lambda stream: stream.integers(2**62, size=9),
        lambda stream: stream.bytes(3),
    ]
    for draw in draws:
        assert np.array_equal(draw(ours), draw(read))


def test_the_streams_are_of_their_own(tmp_path: Path) -> None:
    saved = in_the_middle()
    save(tmp_path, saved)
    one, two = load(tmp_path).state, load(tmp_path).state
    one.dropout.random(5)
    assert one.shuffle.random() == two.shuffle.random()
    assert one.shuffle.random() != one.dropout.random()


def test_before_the_first_epoch_is_done_there_is_no_best_loss(tmp_path: Path) -> None:
    saved = in_the_middle()
    state = replace(saved.state, epoch=0, batch=0, order=np.empty(0, np.intp), loss_sum=0.0)
    save(tmp_path, Checkpoint(state, Best(saved.best.theta), RECORD))
    read = load(tmp_path)
    assert (read.best.epoch, read.best.loss) == (0, math.inf)
    assert (read.state.epoch, read.state.batch, len(read.state.order)) == (0, 0, 0)


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        save(tmp_path / name, in_the_middle())
    assert (tmp_path / "a" / NEWEST).read_bytes() == (tmp_path / "b" / NEWEST).read_bytes()
    save(tmp_path / "b", in_the_middle(seed=1))
    assert (tmp_path / "a" / NEWEST).read_bytes() == (tmp_path / "b" / BEFORE).read_bytes()


def test_what_was_loaded_and_saved_again_is_the_same_file(tmp_path: Path) -> None:
    save(tmp_path, in_the_middle("adam"))
    save(tmp_path, load(tmp_path))
    assert (tmp_path / NEWEST).read_bytes() == (tmp_path / BEFORE).read_bytes()


# The one before


def steps(folder: Path) -> int:
    return load(folder).state.optimizer.steps


def test_the_newest_is_read_and_the_one_before_is_kept(tmp_path: Path) -> None:
    assert not exists(tmp_path)
    for seed, kept in enumerate([[NEWEST], [BEFORE, NEWEST], [BEFORE, NEWEST]]):
        save(tmp_path, in_the_middle(seed=seed))
        assert sorted(os.listdir(tmp_path)) == kept
        assert exists(tmp_path)
        assert steps(tmp_path) == 17 + seed
    for name in kept:
        check_seal(tmp_path / name)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[:2000]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"theta", b"thetb")),
        lambda path: path.write_bytes(bytes(len(path.read_bytes()))),
        lambda path: (path.unlink(), path.mkdir()),
        replace_by_pipe,
    ],
)
def test_the_one_before_is_used_where_the_newest_is_missing_or_damaged(
    harm: Any, tmp_path: Path
) -> None:
    for seed in (0, 1):
        save(tmp_path, in_the_middle(seed=seed))
    assert steps(tmp_path) == 18
    harm(tmp_path / NEWEST)
    assert exists(tmp_path)
    assert steps(tmp_path) == 17
    harm(tmp_path / BEFORE)
    with pytest.raises(ModelError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / NEWEST}: ")
    assert str(caught.value).endswith(f"{tmp_path} holds no checkpoint to resume from.")


def test_without_any_the_sentence_names_the_newest(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError,
        match=r"checkpoint\.npz: cannot be read: No such file or directory\. .* holds no ch",
    ):
        load(tmp_path)


def test_a_disk_that_is_full_takes_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (0, 1):
        save(tmp_path, in_the_middle(seed=seed))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OutputError, match=r"checkpoint\.npz: cannot be written: No space left on device\.$"
    ):
        save(tmp_path, in_the_middle(seed=2))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 50, -1])
def test_a_run_with_a_weight_that_is_not_finite_is_never_saved(
    bad: float, place: int, tmp_path: Path
) -> None:
    save(tmp_path, in_the_middle())
    spoilt = in_the_middle(seed=1)
    spoilt.state.network.theta[place] = bad
    save(tmp_path, spoilt)
    assert os.listdir(tmp_path) == [NEWEST]
    assert steps(tmp_path) == 17


# Other files


def rewritten(folder: Path, **changes: Any) -> None:
    """The newest checkpoint with another header, and a seal that is right."""
    arrays: dict[str, Raw] = read_npz(folder / NEWEST)
    header = json.loads(arrays["header"].tobytes()) | changes
    text = json.dumps({key: value for key, value in header.items() if value is not None})
    write_npz(folder / NEWEST, arrays | {"header": np.frombuffer(text.encode(), np.uint8)})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "is a checkpoint of another version of mlpcli, or of another program"),
        (
            {"format": "mlpcli-model"},
            "is a checkpoint of another version of mlpcli, or of another program",
        ),
        ({"format": None}, "is not a checkpoint of mlpcli, or not a whole one"),
        ({"optimizer": ["adagrad", {}, 0]}, "is not a checkpoint of mlpcli, or not a whole one"),
        (
            {"optimizer": ["adam", vars(Hyperparameters(0.9, True, 0.9, 0.999, 1e-8)), 0.0]},
            "is not a checkpoint of mlpcli, or not a whole one",
        ),
        ({"streams": [{}]}, "is not a checkpoint of mlpcli, or not a whole one"),
        (
            {"streams": [{"bit_generator": "MT19937"}] * 2},
            "is not a checkpoint of mlpcli, or not a whole one",
        ),
        ({"shape": [7, 11, 4]}, "is not a checkpoint of mlpcli, or not a whole one"),
        ({"best": 1}, "is not a checkpoint of mlpcli, or not a whole one"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused_and_the_one_before_is_used(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    save(tmp_path, in_the_middle())
    rewritten(tmp_path, **changes)
    with pytest.raises(ModelError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / NEWEST}: {said}")
    save(tmp_path, in_the_middle(seed=1))
    os.replace(tmp_path / BEFORE, tmp_path / "x")
    os.replace(tmp_path / NEWEST, tmp_path / BEFORE)
    os.replace(tmp_path / "x", tmp_path / NEWEST)
    assert steps(tmp_path) == 18


def test_the_names_are_those_of_the_run_folder() -> None:
    from mlpcli.storage.runfolder import FILES

    assert {checkpoint.NEWEST, checkpoint.BEFORE} <= set(FILES)
