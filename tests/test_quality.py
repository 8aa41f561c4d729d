"""The scores that the defaults and the configurations promise, chosen without the test rows."""

import json
from pathlib import Path

import numpy as np
import pytest

from mlpcli.commands import plan, settings
from mlpcli.commands.train import Result, execute
from tests.support.command import Run

CONFIGS = Path(__file__).parents[1] / "configs"


def train(folder: Path, file: Path | None, **flags: object) -> Result:
    """Train with a configuration file and flags, `training_epochs` for training.epochs."""
    keys = {name.replace("_", ".", 1): value for name, value in flags.items()}
    return execute(plan.prepare(settings.load(file, keys), folder, False, print))


def test_the_defaults_learn_digits_over_five_seeds(tmp_path: Path) -> None:
    results = [train(tmp_path / str(seed), None, seed=seed) for seed in range(5)]
    accuracies = [result.scores["test"].accuracy for result in results]
    assert np.mean(accuracies) >= 0.98


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_another_optimizer_learns_digits_too(name: str, tmp_path: Path) -> None:
    flags = {"optimizer_name": name, "training_epochs": 60}
    result = train(tmp_path / name, CONFIGS / "digits.toml", **flags)
    assert result.scores["test"].accuracy >= 0.96


def test_the_quick_configuration_learns_mnist(mnist: Path, mlpcli: Run) -> None:
    words = ("train", CONFIGS / "mnist-quick.toml", "--data", mnist, "--out", "run", "--json")
    done = mlpcli(*words, "--threads", "1", timeout=600)  # one, beside other tests
    assert json.loads(done.stdout)["test"]["accuracy"] >= 0.982
