"""What the defaults and the configurations promise: honest scores on digits and MNIST, chosen without the test rows."""

import json
from pathlib import Path

import numpy as np
import pytest

from mlpcli.commands import plan as planning
from mlpcli.commands import settings
from mlpcli.commands import train as run
from tests.support.command import Run

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.mark.no_cover
def test_the_defaults_learn_digits_over_five_seeds(tmp_path: Path) -> None:
    accuracies = []
    for seed in range(5):
        plan = planning.prepare(
            settings.load(None, {"seed": seed}, []), tmp_path / str(seed), False, print
        )
        accuracies.append(run.execute(plan).scores["test"].accuracy)
    assert np.mean(accuracies) >= 0.98


@pytest.mark.no_cover
def test_another_optimizer_is_no_trap(tmp_path: Path) -> None:
    for name in ("sgd", "adam"):
        config = settings.load(
            CONFIGS / "digits.toml", {"optimizer.name": name, "training.epochs": 60}, []
        )
        result = run.execute(planning.prepare(config, tmp_path / name, False, print))
        assert result.scores["test"].accuracy >= 0.96


def test_the_quick_configuration_learns_mnist(mnist: Path, mlpcli: Run) -> None:
    done = mlpcli(
        "train",
        CONFIGS / "mnist-quick.toml",
        "--data",
        mnist,
        "--out",
        "run",
        "--json",
        timeout=600,
    )
    assert json.loads(done.stdout)["test"]["accuracy"] >= 0.982
