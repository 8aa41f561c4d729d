"""Numbers at their ends: extreme logits, runs that diverge, and features, labels and batches that are hardly any."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from mlpcli.arrays import Raw, Shape
from mlpcli.commands import settings
from mlpcli.commands import train as run
from mlpcli.commands.plan import prepare
from mlpcli.errors import DivergedError
from mlpcli.model.buffers import gradient, workspace
from mlpcli.model.network import Network, forward, logits_gradient, mean_loss
from mlpcli.model.state import TrainingState
from mlpcli.storage import checkpoint, modelfile
from mlpcli.storage.reading import read_npz
from mlpcli.training import loop as training
from mlpcli.training.events import BatchDone, Event
from tests.support.command import SMALL, Command

K = 5


# Losses


@pytest.mark.parametrize(
    ("dtype", "size"), [(np.float32, 1e4), (np.float64, 1e4), (np.float64, 1e300)]
)
def test_the_mean_loss_of_a_network_with_extreme_biases_is_finite_and_scipys(
    dtype: type, size: float
) -> None:
    network, ws = Network(Shape(2, 3, K), "relu", dtype), workspace(Shape(2, 3, K), K, dtype)
    network.b2[:] = np.array([-1, 1, 0.5, -0.25, 0]) * size
    labels = np.arange(K)
    forward(network, np.zeros((K, 2), dtype), 1.0, ws)
    expected = -log_softmax(network.b2.astype(np.float64))[labels].mean()
    loss = mean_loss(labels, ws)
    assert math.isfinite(loss)
    np.testing.assert_allclose(loss, expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e4), (np.float64, 1e300)])
def test_the_gradient_at_extreme_logits_is_finite(dtype: type, size: float) -> None:
    shape = Shape(2, 3, K)
    ws, grad = workspace(shape, K, dtype), gradient(shape, K, dtype)
    ws.z[:] = (2 * np.eye(K) - 1) * size  # each row is sure of one class, and wrong
    labels = (np.arange(K) + 1) % K
    mean_loss(labels, ws)
    logits_gradient(labels, ws, grad)
    np.testing.assert_allclose(grad.dz, (np.eye(K) - np.eye(K)[labels]) / K, atol=1e-6)


# Runs that diverge


class Spoiler:
    """Makes a weight NaN after the first batch of an epoch, and keeps every loss that it is told."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.losses: list[float] = []
        self.network: Network | None = None

    def __call__(self, event: Event) -> None:
        """Spoil the network at its time."""
        if isinstance(event, BatchDone):
            self.losses.append(event.loss)
            if (event.epoch, event.batch) == (self.epoch, 1) and self.network:
                self.network.b2[0] = np.nan


def diverged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Spoiler, str]:
    """A run that is spoilt in its third epoch, and what is said of it."""
    spoiler = Spoiler(3)

    def new_state(*arguments: Any) -> TrainingState:
        state = training.new_state(*arguments)
        spoiler.network = state.network
        return state

    monkeypatch.setattr(run, "new_state", new_state)
    sets = ["network.hidden=8", "training.epochs=5", "training.checkpoint_seconds=0"]
    plan = prepare(settings.load(None, {}, sets), folder, False, print)
    with pytest.raises(DivergedError) as caught:
        run.execute(plan, [spoiler])
    return spoiler, str(caught.value)


def test_a_run_stops_at_its_first_loss_that_is_not_finite_and_says_what_to_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiler, said = diverged(tmp_path / "run", monkeypatch)
    assert np.isfinite(spoiler.losses).all()
    assert said.startswith("Training diverged in epoch 3, batch 2 of 40, at learning rate ")
    assert "the loss of batch 2 is nan" in said
    for setting in ("optimizer.lr", "optimizer.warmup_epochs", "data.scaling"):
        assert setting in said


def test_a_run_that_diverged_leaves_a_checkpoint_from_before_and_every_number_in_it_is_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged(tmp_path / "run", monkeypatch)
    saved = checkpoint.load(tmp_path / "run")
    assert (saved.state.epoch, saved.state.batch) <= (2, 1)
    for name in (checkpoint.NEWEST, checkpoint.BEFORE):
        if (tmp_path / "run" / name).exists():
            for array in read_npz(tmp_path / "run" / name).values():
                assert np.isfinite(array).all()


def test_a_run_that_diverged_leaves_the_best_model_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, said = diverged(tmp_path / "run", monkeypatch)
    model = modelfile.load(tmp_path / "run" / "model.npz")
    assert np.isfinite(model.network.theta).all()
    assert model.header["best_epoch"] in (1, 2)
    assert said.endswith(
        f"The best model, of epoch {model.header['best_epoch']}, is in {tmp_path / 'run'}."
    )


# Features, labels and batches that are hardly any

STREAM = np.random.default_rng(0)
X, Y = STREAM.normal(size=(60, 4)), np.arange(60) % 3


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        pytest.param(np.ones((60, 4)), Y, (), id="all rows equal"),
        pytest.param(np.zeros((60, 4)), Y, (), id="all zeros"),
        pytest.param(np.where(np.arange(4) == 1, 1e30, X), Y, (), id="a constant feature"),
        pytest.param(np.repeat(X[:, :1], 4, axis=1), Y, (), id="features that are all the same"),
        pytest.param(X * [1e-40, 1e-300, 1e30, 1], Y, (), id="features of all sizes"),
        pytest.param(X, Y, ("--batch-size", 1), id="batches of one row"),
        pytest.param(
            X, np.arange(60) % 12, ("--batch-size", 4), id="more classes than rows in a batch"
        ),
        pytest.param(X, Y * 1000 - 7, (), id="labels that are not 0, 1, 2"),
        pytest.param(
            X,
            Y.astype("u8") + np.uint64(2**64 - 3),
            (),
            id="labels at the end of all whole numbers",
        ),
        pytest.param(X, Y - 2.0**52, (), id="labels that are large floats"),
        pytest.param(
            X, np.array(["", " ", "ß\n"])[Y], (), id="labels that are blank or of two lines"
        ),
    ],
)
def test_data_at_the_edge_is_learnt_from_and_scored(
    x: Raw, y: Raw, words: tuple[object, ...], command: Command, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", x=x, y=y)
    assert command("train", "--data", "data.npz", *SMALL, *words, "--out", "run").exit_code == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))["epochs"] == 2
    done = command("eval", "run", "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert math.isfinite(document["loss"])
    assert {each["name"] for each in document["per_class"]} == {
        str(int(name) if isinstance(name, float) else name) for name in y.tolist()
    }


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (X, Y * 0, "has one class only ('0')"),
        (X, Y + 0.5, "labels must be whole numbers or strings"),
        (X, np.where(Y == 1, np.nan, Y), "labels must be whole numbers or strings"),
        (X, np.arange(60), "class '0' has 1 row, too few to split"),
        (np.where(X > 2, np.inf, X), Y, "missing, infinite or too large"),
        (X * 1e300, Y, "missing, infinite or too large"),
    ],
)
def test_data_over_the_edge_is_refused_in_a_sentence(
    x: Raw, y: Raw, said: str, command: Command, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", x=x, y=y)
    done = command("train", "--data", "data.npz", *SMALL, "--out", "run")
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "run").exists()
