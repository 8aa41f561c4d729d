"""Splits lose no row, share none, and give every class its part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.datasets.splits import split
from mlpcli.errors import DataError
from tests.support.formats import some

counts = st.lists(st.integers(8, 40), min_size=2, max_size=6)
fractions = st.lists(st.floats(0.01, 0.4), max_size=2)
seeds = st.integers(0, 2**32)


def labels_of(counts: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def names(counts: list[int]) -> tuple[str, ...]:
    return tuple(f"class {k}" for k in range(len(counts)))


def cut(
    counts: list[int], fractions: list[float], seed: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    return split(labels_of(counts), names(counts), fractions, np.random.default_rng(seed))


@some
@given(counts, fractions, seeds)
def test_no_row_is_lost_and_none_is_in_two_parts(
    counts: list[int], fractions: list[float], seed: int
) -> None:
    train, parts = cut(counts, fractions, seed)
    assert len(parts) == len(fractions)
    assert sorted(np.concatenate([train, *parts])) == list(range(sum(counts)))


@some
@given(counts, fractions, seeds)
def test_every_class_gives_its_share_within_rounding(
    counts: list[int], fractions: list[float], seed: int
) -> None:
    labels = labels_of(counts)
    for fraction, part in zip(fractions, cut(counts, fractions, seed)[1], strict=True):
        for count, taken in zip(
            counts, np.bincount(labels[part], minlength=len(counts)), strict=True
        ):
            assert abs(taken - fraction * count) <= 0.5 or taken == 1


@some
@given(counts, fractions, seeds)
def test_the_same_stream_gives_the_same_parts_in_order(
    counts: list[int], fractions: list[float], seed: int
) -> None:
    (train, parts), (again, parts_again) = (
        cut(counts, fractions, seed),
        cut(counts, fractions, seed),
    )
    for part, other in zip([train, *parts], [again, *parts_again], strict=True):
        np.testing.assert_array_equal(part, other)
        assert (np.diff(part) > 0).all()


@some
@given(counts, st.floats(0.01, 0.4), st.floats(0.01, 0.4), st.floats(0.01, 0.4), seeds)
def test_another_validation_share_leaves_the_test_rows_alone(
    counts: list[int], test: float, validation: float, other: float, seed: int
) -> None:
    _, (tested, _) = cut(counts, [test, validation], seed)
    _, (tested_again, _) = cut(counts, [test, other], seed)
    np.testing.assert_array_equal(tested, tested_again)


def test_another_stream_gives_other_parts() -> None:
    (_, [one]), (_, [other]) = cut([50, 50], [0.2], 1), cut([50, 50], [0.2], 2)
    assert one.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("counts", "fractions", "named"),
    [
        ([10, 2, 10], [0.2, 0.1], "class 1"),
        ([10, 10, 1], [0.2], "class 2"),
        ([1, 10], [0.2, 0.1], "class 0"),
        ([4, 40], [0.9], "class 0"),
        ([40, 40], [0.6, 0.6], "class 0"),
    ],
)
def test_a_class_with_too_few_rows_is_named(
    counts: list[int], fractions: list[float], named: str
) -> None:
    k = int(named[-1])
    with pytest.raises(
        DataError, match=f"^class '{named}' has {counts[k]} rows?, too few to split .* Add rows"
    ):
        cut(counts, fractions, 0)
