"""The benchmark of epochs measures our own subjects."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import epochs
from benchmarks.epochs import Workload
from benchmarks.inputs import write_task
from benchmarks.peers.protocol import Settings, read_task
from tests.benchmarks.conftest import N_TRAIN


def test_our_subjects_are_measured(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs, "RATES", {"adam": 0.001})
    workload = Workload(str(images), hidden=4, batch_size=32, epochs=2)
    (case,) = epochs.measure([workload], epochs.OURS, tmp_path, n_rounds=1)
    assert (case.shape, case.optimizer) == ("784-4-10", "adam")
    assert case.n_rows + case.n_validation == N_TRAIN
    assert list(case.subjects) == ["mlpcli", "two products"]
    for measurement in case.subjects.values():
        (round_seconds,) = measurement.seconds
        assert len(round_seconds) == 2
        assert measurement.about
    accuracy = case.subjects["mlpcli"].accuracy
    assert accuracy is not None
    assert 0 <= accuracy <= 1


def test_the_quick_subjects_are_among_all_in_the_same_order() -> None:
    others = (epochs.PYTORCH_COMPILED, epochs.KERAS)
    quick = [subject for subject in epochs.SUBJECTS if subject not in others]
    assert quick == list(epochs.QUICK)


def test_every_subject_reads_scaled_rows_and_first_weights(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(str(images), hidden=4, batch_size=32, optimizer="adam", lr=0.001)
    file = write_task(settings, tmp_path)
    monkeypatch.setattr(sys, "argv", ["subject", str(file.path), settings.text()])
    task = read_task()
    assert task.settings == settings
    assert task.x.shape == (file.n_rows, 784)
    assert task.x_validation.shape == (file.n_validation, 784)
    assert task.x.dtype == np.float32
    assert task.x.min() == 0
    assert task.x.max() == 1
    shapes = {name: array.shape for name, array in task.weights.items()}
    assert shapes == {"W1": (784, 4), "b1": (4,), "W2": (4, 10), "b2": (10,)}
