"""Errors: the sentence that an unreadable file makes."""

import pickle
from pathlib import Path

import pytest

from mlpcli.errors import UnreadableFileError


@pytest.mark.parametrize(
    ("advice", "sentence"),
    [
        ("", "folder/rows.npz: is damaged."),
        ("Write it again.", "folder/rows.npz: is damaged. Write it again."),
    ],
)
def test_an_unreadable_file_is_named_with_its_problem_and_advice(
    advice: str, sentence: str
) -> None:
    error = UnreadableFileError(Path("folder/rows.npz"), "is damaged", advice)
    assert str(error) == sentence
    assert (error.path, error.problem, error.advice) == (
        Path("folder/rows.npz"),
        "is damaged",
        advice,
    )


def test_an_unreadable_file_comes_whole_from_another_process() -> None:
    error = UnreadableFileError(Path("rows.npz"), "is damaged", "Write it again.")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
