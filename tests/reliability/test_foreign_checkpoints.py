"""Checkpoints of other programs or runs: whole and sealed, but not what the run needs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Raw
from mlpcli.errors import ModelError
from mlpcli.storage import checkpoint
from mlpcli.storage.checkpoint import Checkpoint
from mlpcli.storage.reading import read_npz
from mlpcli.storage.writing import write_npz
from tests.support.command import SMALL, Command, write_csv
from tests.support.corruption import make_checkpoint
from tests.support.loaders import small_checkpoint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [10**6, 10**6, 10**6]}, "theta is not"),
        ({"shape": [4.0, 3, 2]}, "are no counts"),
        ({"shape": [-4, -3, 2]}, "are no counts"),
        ({"shape": [4, 3]}, "missing 1 required positional argument"),
        ({"activation": "swish"}, "there is no activation 'swish'"),
        ({"activation": ["relu"]}, "unhashable"),
        ({"optimizer": ["adam", {"momentum": float("nan")}, 0.0]}, "nan is not finite"),
        ({"optimizer": ["adam", {"speed": 1}, 0.0]}, "unexpected keyword argument"),
        ({"optimizer": ["adam", [], 0.0]}, "no attribute 'items'"),
        ({"steps": -1}, "are no counts"),
        ({"steps": True}, "are no counts"),
        ({"position": [1, 2**64, 0.5]}, "are no counts"),
        ({"position": [1, 2, 10**400]}, "too large to convert"),
        (
            {"streams": [{"bit_generator": "PCG64DXSM", "state": {"state": -1, "inc": 1}}] * 2},
            "checkpoint of mlpcli",
        ),
        ({"best": [1, "0.5"]}, "must be real number"),
        ({"about": 3}, "not subscriptable"),
        ({"about": {"log_bytes": -1}}, "are no counts"),
        ({"about": {"log_bytes": 1, "seconds": 0.5}}, "data_sha256"),
        ({"about": {"log_bytes": 1, "seconds": 0.5, "data_sha256": ""}}, "computed_by"),
    ],
)
def test_a_checkpoint_with_a_seal_whose_header_does_not_fit_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = make_checkpoint(tmp_path)
    arrays = read_npz(path)
    header = json.loads(arrays["header"].tobytes()) | changes
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    write_npz(path, arrays)
    sentence = r"checkpoint\.npz: is not a checkpoint of mlpcli, or not a whole one"
    with pytest.raises(ModelError, match=sentence) as caught:
        checkpoint.load(tmp_path)
    assert message in str(caught.value)


def test_a_best_epoch_without_a_loss_is_that_of_a_run_without_validation_rows(
    tmp_path: Path,
) -> None:
    path = make_checkpoint(tmp_path)
    arrays = read_npz(path)
    header = json.loads(arrays["header"].tobytes()) | {"best": [2, None]}
    write_npz(path, arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    best = checkpoint.load(tmp_path).best
    assert (best.epoch, best.loss) == (2, float("inf"))


@pytest.mark.parametrize(
    "order", [np.array([0, 0, 1]), np.array([1, 2, 3]), np.array([0.0, 1.0]), np.array([[0, 1]])]
)
def test_a_checkpoint_with_a_seal_whose_order_is_invalid_is_refused(
    order: Raw, tmp_path: Path
) -> None:
    path = make_checkpoint(tmp_path)
    write_npz(path, read_npz(path) | {"order": order})
    with pytest.raises(ModelError, match="order is no order of rows"):
        checkpoint.load(tmp_path)


def of_another_network(saved: Checkpoint) -> Checkpoint:
    return replace(small_checkpoint(), record=saved.record)


def of_other_rows(saved: Checkpoint) -> Checkpoint:
    return replace(saved, state=replace(saved.state, order=np.arange(5)))


def of_more_batches(saved: Checkpoint) -> Checkpoint:
    return replace(saved, state=replace(saved.state, batch=1000))


@pytest.mark.parametrize("swap", [of_another_network, of_other_rows, of_more_batches])
def test_a_checkpoint_that_does_not_go_with_its_run_is_refused(
    swap: Callable[[Checkpoint], Checkpoint], command: Command, tmp_path: Path
) -> None:
    rows = write_csv(tmp_path / "rows.csv")
    assert command("train", "--data", rows, *SMALL, "--out", "run").exit_code == 0
    checkpoint.save(tmp_path / "run", swap(checkpoint.load(tmp_path / "run")))
    done = command("train", "--resume", "run", "--epochs", "4")
    assert done.exit_code == 2
    sentence = "run: its checkpoint does not go with its settings and data. Start a new run."
    assert sentence in done.stderr
