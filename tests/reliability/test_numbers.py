"""Numbers at their limits: extreme logits, runs that diverge, data that is hardly usable."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from mlpcli.arrays import Raw, Shape
from mlpcli.commands import settings, train
from mlpcli.commands.plan import prepare
from mlpcli.errors import DivergedError
from mlpcli.model.buffers import gradient, workspace
from mlpcli.model.network import Network, forward, logits_gradient, mean_loss
from mlpcli.storage import checkpoint, modelfile
from mlpcli.storage.reading import read_npz
from mlpcli.training.events import BatchDone, Event
from mlpcli.training.fit import Progress, begin
from tests.support.command import SMALL, Command, read_document

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
    np.testing.assert_allclose(loss, expected, rtol=float(4 * np.finfo(dtype).eps))


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


class NaNWeight:
    """An observer that makes a weight NaN after the first batch of an epoch, and keeps losses."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.losses: list[float] = []
        self.network: Network | None = None

    def __call__(self, event: Event) -> None:
        """Keep the loss, and change the weight if it is time."""
        if isinstance(event, BatchDone):
            self.losses.append(event.loss)
            if (event.epoch, event.batch) == (self.epoch, 1) and self.network:
                self.network.b2[0] = np.nan


def diverge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[NaNWeight, str]:
    """Run until a weight becomes NaN in the third epoch; returns the observer and the message."""
    observer = NaNWeight(3)

    def begin_observed(*arguments: Any) -> Progress:
        progress = begin(*arguments)
        observer.network = progress.state.network
        return progress

    monkeypatch.setattr(train, "begin", begin_observed)
    overrides = ["network.hidden=8", "training.epochs=5", "training.checkpoint_seconds=0"]
    plan = prepare(settings.load(None, {}, overrides), folder, False, print)
    with pytest.raises(DivergedError) as caught:
        train.execute(plan, [observer])
    return observer, str(caught.value)


def test_a_run_stops_at_its_first_loss_that_is_not_finite_and_advises_what_to_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer, message = diverge(tmp_path / "run", monkeypatch)
    assert np.isfinite(observer.losses).all()
    assert message.startswith("Training diverged in epoch 3, batch 2 of 40, at learning rate ")
    assert "the loss of batch 2 is nan" in message
    for setting in ("optimizer.lr", "optimizer.warmup_epochs", "data.scaling"):
        assert setting in message


def test_a_run_that_diverged_leaves_a_checkpoint_from_before_with_finite_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    diverge(run, monkeypatch)
    saved = checkpoint.load(run)
    assert (saved.state.epoch, saved.state.batch) <= (2, 1)
    files = [run / name for name in (checkpoint.NEWEST, checkpoint.BEFORE)]
    for path in filter(Path.exists, files):
        for array in read_npz(path).values():
            assert np.isfinite(array).all()


def test_a_run_that_diverged_leaves_the_best_model_from_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    _, message = diverge(run, monkeypatch)
    model = modelfile.load(run / "model.npz")
    best_epoch = model.header["best_epoch"]
    assert np.isfinite(model.network.theta).all()
    assert best_epoch in (1, 2)
    assert message.endswith(f"The best model, of epoch {best_epoch}, is in {run}.")


# Data at the edge

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = np.arange(60) % 3
LARGEST_UNSIGNED = Y.astype("u8") + np.uint64(2**64 - 3)
BLANK = np.array(["", " ", "ß\n"])[Y]
ONE_LARGE = np.where(np.arange(4) == 1, 1e30, X)
OF_ALL_SIZES = X * [1e-40, 1e-300, 1e30, 1]

PLAIN = ("--set", "recipe=plain")  # which leaves no column out
USABLE: dict[str, tuple[Raw, Raw, tuple[object, ...]]] = {
    "all rows equal": (np.ones((60, 4)), Y, PLAIN),
    "all zeros": (np.zeros((60, 4)), Y, PLAIN),
    "a constant feature": (ONE_LARGE, Y, ()),
    "features that are all the same": (np.repeat(X[:, :1], 4, axis=1), Y, ()),
    "features of all sizes": (OF_ALL_SIZES, Y, ()),
    "batches of one row": (X, Y, ("--batch-size", 1)),
    "more classes than rows in a batch": (X, np.arange(60) % 12, ("--batch-size", 4)),
    "missing cells": (np.where(X > 1, np.nan, X), Y, ()),
    "a column of missing cells": (np.where(np.arange(4) == 1, np.nan, X), Y, ()),
    "labels that are not 0, 1, 2": (X, Y * 1000 - 7, ()),
    "labels at the end of all whole numbers": (X, LARGEST_UNSIGNED, ()),
    "labels that are large floats": (X, Y - 2.0**52, ()),
    "labels that are blank or of two lines": (X, BLANK, ()),
}


@pytest.mark.parametrize(("x", "y", "words"), USABLE.values(), ids=USABLE)
def test_data_at_the_edge_is_learnt_from_and_scored(
    x: Raw, y: Raw, words: tuple[object, ...], command: Command, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", x=x, y=y)
    assert command("train", "--data", "data.npz", *SMALL, *words, "--out", "run").exit_code == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    assert result["epochs"] == 2
    done = command("eval", "run", "--json")
    assert done.exit_code == 0
    document = read_document(done.stdout)
    assert math.isfinite(document["loss"])
    assert {each["name"] for each in document["per_class"]} == class_names(y)


def class_names(labels: Raw) -> set[str]:
    """The names of the classes: whole numbers, also those stored as floats, or texts."""
    if labels.dtype.kind == "f":
        return {str(int(label)) for label in labels}
    return {str(label) for label in labels}


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y * 0, "has one class only ('0')"),
        (X, Y + 0.5, "labels must be whole numbers or strings"),
        (X, np.where(Y == 1, np.nan, Y), "labels must be whole numbers or strings"),
        (X, np.arange(60), "the label is 60 different whole numbers in 60 rows"),
        (X, np.array([f"n{n}" for n in range(60)]), "too few rows to be split into training"),
        (np.where(X > 2, np.inf, X), Y, "3 feature values are infinite or too large"),
        (X * 1e300, Y, "240 feature values are infinite or too large"),
        (np.ones((60, 4)), Y, "no column is left to learn from: all are constant"),
        (np.full((60, 4), np.nan), Y, "no column is left to learn from: all are constant"),
    ],
)
def test_data_over_the_edge_is_refused_in_a_sentence(
    x: Raw, y: Raw, message: str, command: Command, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", x=x, y=y)
    done = command("train", "--data", "data.npz", *SMALL, "--out", "run")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "run").exists()
