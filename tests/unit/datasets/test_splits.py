"""Splits lose no row, share none, and give every class its part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.arrays import Index, Labels
from mlpcli.datasets.splits import only_trained_on, split
from mlpcli.errors import DataError
from tests.support.formats import some

counts_of_classes = st.lists(st.integers(8, 40), min_size=2, max_size=6)
lists_of_fractions = st.lists(st.floats(0.01, 0.4), max_size=2)
seeds = st.integers(0, 2**32)


def labels_of(counts: list[int]) -> Labels:
    rng = np.random.default_rng(0)
    return rng.permutation(np.repeat(np.arange(len(counts)), counts))


def cut(counts: list[int], fractions: list[float], seed: int) -> dict[str, Index]:
    """Subsets "0", "1" and so on of these fractions, and "train"."""
    names = tuple(f"class {k}" for k in range(len(counts)))
    by_name = {str(k): fraction for k, fraction in enumerate(fractions)}
    return split(labels_of(counts), names, by_name, np.random.default_rng(seed))


@some
@given(counts_of_classes, lists_of_fractions, seeds)
def test_no_row_is_lost_and_none_is_in_two_subsets(
    counts: list[int], fractions: list[float], seed: int
) -> None:
    subsets = cut(counts, fractions, seed)
    assert len(subsets) == len(fractions) + 1
    assert sorted(np.concatenate(list(subsets.values()))) == list(range(sum(counts)))


@some
@given(counts_of_classes, lists_of_fractions, seeds)
def test_every_class_gives_its_share_within_rounding(
    counts: list[int], fractions: list[float], seed: int
) -> None:
    labels = labels_of(counts)
    subsets = cut(counts, fractions, seed)
    for name, fraction in enumerate(fractions):
        taken = np.bincount(labels[subsets[str(name)]], minlength=len(counts))
        for count, n_taken in zip(counts, taken, strict=True):
            assert abs(n_taken - fraction * count) <= 0.5 or n_taken == 1


@some
@given(counts_of_classes, lists_of_fractions, seeds)
def test_the_same_seed_gives_the_same_subsets_in_order(
    counts: list[int], fractions: list[float], seed: int
) -> None:
    subsets, again = cut(counts, fractions, seed), cut(counts, fractions, seed)
    assert subsets.keys() == again.keys()
    for name, indices in subsets.items():
        np.testing.assert_array_equal(indices, again[name])
        assert (np.diff(indices) > 0).all()


@some
@given(counts_of_classes, st.floats(0.01, 0.4), st.floats(0.01, 0.4), st.floats(0.01, 0.4), seeds)
def test_another_second_fraction_leaves_the_first_subset_alone(
    counts: list[int], first: float, second: float, other: float, seed: int
) -> None:
    one, two = cut(counts, [first, second], seed), cut(counts, [first, other], seed)
    np.testing.assert_array_equal(one["0"], two["0"])


def test_another_seed_gives_other_subsets() -> None:
    one, other = cut([50, 50], [0.2], 1), cut([50, 50], [0.2], 2)
    assert one["0"].tolist() != other["0"].tolist()


def test_a_split_is_the_same_in_every_version() -> None:
    subsets = cut([9, 8], [0.2, 0.1], 0)
    assert {name: indices.tolist() for name, indices in subsets.items()} == {
        "train": [0, 2, 3, 5, 10, 11, 12, 13, 14, 15, 16],
        "0": [6, 7, 8, 9],
        "1": [1, 4],
    }


@pytest.mark.parametrize(
    ("counts", "fractions", "named"),
    [
        ([10, 2, 10], [0.2, 0.1], "'class 1' (2)"),
        ([10, 10, 1], [0.2], "'class 2' (1)"),
        ([1, 10], [0.2, 0.1], "'class 0' (1)"),
        ([4, 40], [0.9], "'class 0' (4)"),
        ([40, 40], [0.6, 0.6], "'class 0' (40), 'class 1' (40)"),
        ([2, 10, 1], [0.2, 0.1], "'class 0' (2), 'class 2' (1)"),
    ],
)
def test_all_classes_with_too_few_rows_are_named_at_once(
    counts: list[int], fractions: list[float], named: str
) -> None:
    with pytest.raises(DataError) as caught:
        cut(counts, fractions, 0)
    assert str(caught.value) == (
        "these classes have too few rows to be split into training and other rows: "
        f"{named}. Add rows of them, or leave them out."
    )


@pytest.mark.parametrize("small", [1, 2])
def test_classes_with_a_negligible_share_of_the_rows_are_only_trained_on(small: int) -> None:
    counts = [600, small, 600]
    labels = labels_of(counts)
    subsets = cut(counts, [0.2, 0.1], 0)
    assert sorted(np.concatenate(list(subsets.values()))) == list(range(sum(counts)))
    n_rows = {name: np.bincount(labels[index], minlength=3)[1] for name, index in subsets.items()}
    assert n_rows == {"train": small, "0": 0, "1": 0}
    names = ("a", "b", "c")
    assert only_trained_on(labels, names, {"0": 0.2, "1": 0.1}) == ["b"]
    assert only_trained_on(labels, names, {}) == []


def test_without_fractions_all_rows_are_trained_on() -> None:
    subsets = cut([5, 1], [], 0)
    assert {name: index.tolist() for name, index in subsets.items()} == {"train": list(range(6))}
