"""Data for the smallest measurement of each benchmark."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.formats import idx, idx_folder

N_TRAIN = 240
N_TEST = 120


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of IDX files with MNIST's names and image size, and random pixels."""
    rng = np.random.default_rng(0)
    return idx_folder(
        tmp_path_factory.mktemp("images"),
        train_images=idx(rng.integers(0, 256, (N_TRAIN, 28, 28)).astype(np.uint8)),
        train_labels=idx((np.arange(N_TRAIN) % 10).astype(np.uint8)),
        t10k_images=idx(rng.integers(0, 256, (N_TEST, 28, 28)).astype(np.uint8)),
        t10k_labels=idx((np.arange(N_TEST) % 10).astype(np.uint8)),
    )
