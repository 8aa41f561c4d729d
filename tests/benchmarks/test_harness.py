"""Subjects are measured in turn; one that cannot run is left out, unless it is our own."""

import pytest

from benchmarks.harness import Subject, SubjectError, installed, rotated, started


def test_a_subject_without_its_package_is_left_out_and_the_user_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ours = Subject("ours", "peers.mlpcli_")
    other = Subject("other", "peers.other_", ("json", "no_such_package"))
    assert installed([ours, other]) == [ours]
    assert "other is left out: no_such_package is not installed" in capsys.readouterr().err


def test_a_subject_with_a_package_is_left_out_if_it_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with started([Subject("other", "peers.other_", ("json",))]) as processes:
        assert processes == []
    assert "other is left out: other ended with exit code 1" in capsys.readouterr().err


def test_a_subject_of_our_own_that_fails_is_an_error() -> None:
    with (
        pytest.raises(SubjectError, match="ours ended with exit code 1"),
        started([Subject("ours", "peers.other_")]),
    ):
        pass


def test_each_round_begins_with_the_next_subject() -> None:
    rounds = [rotated("abc", number) for number in range(4)]
    assert rounds == [list("abc"), list("bca"), list("cab"), list("abc")]
