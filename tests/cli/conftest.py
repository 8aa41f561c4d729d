"""Fixtures of the tests of the command line."""

from pathlib import Path

import pytest


@pytest.fixture
def model(digits_run: Path) -> str:
    """The path of a trained model, as a user types it."""
    return str(digits_run)
