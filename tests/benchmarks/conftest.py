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
    return idx_folder(
        tmp_path_factory.mktemp("images"),
        train_images=random_images(N_TRAIN),
        train_labels=labels(N_TRAIN),
        t10k_images=random_images(N_TEST),
        t10k_labels=labels(N_TEST),
    )


def random_images(n_rows: int) -> bytes:
    rng = np.random.default_rng(n_rows)
    pixels = rng.integers(0, 256, (n_rows, 28, 28), np.uint8)
    return idx(pixels)


def labels(n_rows: int) -> bytes:
    digits = np.arange(n_rows) % 10
    return idx(digits.astype(np.uint8))
