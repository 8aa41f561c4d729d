"""What is right in form and wrong in meaning is said, or refused; what is right is left alone."""

from typing import Any

import numpy as np
import pytest

from mlpcli.datasets.checks import checked
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table, checked_table
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column

N = 120
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=N)
LABELS = np.arange(N) % 3


def table(*cells: Any, names: tuple[str, ...] = (), labels: Any = LABELS) -> Table:
    """A table of these columns of numbers, whose label is the last column."""
    x = np.stack([np.asarray(each, float) for each in cells], axis=1)
    made = checked_table("data.csv", x, np.asarray(labels))
    names = names or ("",) * len(cells)
    features = tuple(Column(name, "number") for name in names)
    return Table(made.origin, made.x, made.labels, columns=(*features, Column("kind", "label")))


def kinds(found: Table) -> list[str]:
    return [column.kind for column in found.columns]


@pytest.mark.parametrize(
    "cells",
    [
        np.arange(N),
        np.arange(N)[::-1] + 1,
        RNG.permutation(N) + 1000,
        RNG.choice(10**6, N, replace=False),
    ],
    ids=["counts up", "counts down", "shuffled", "large numbers"],
)
def test_a_whole_number_that_differs_in_every_row_is_ignored_and_said(cells: Any) -> None:
    found = checked(table(cells, NOISE, names=("key", "size")), ReadingOptions())
    assert kinds(found) == ["ignored", "number", "label"]
    (note,) = found.notes
    assert note.startswith("column 1 (key) is a whole number that is different in every row")
    assert "--set 'data.ignore=[]'" in note


def test_an_id_without_a_name_is_called_by_its_place() -> None:
    found = checked(table(NOISE, np.arange(N)), ReadingOptions())
    assert found.notes[0].startswith("column 2 is a whole number")


@pytest.mark.parametrize(
    "cells",
    [
        1900 + np.arange(N),
        NOISE,
        np.arange(N) // 2,
        np.where(np.arange(N) == 5, np.nan, np.arange(N)),
    ],
    ids=["years", "measurements", "each number twice", "a gap"],
)
def test_what_is_no_id_is_kept_without_a_word(cells: Any) -> None:
    found = checked(table(cells, NOISE), ReadingOptions())
    assert kinds(found) == ["number", "number", "label"]
    assert found.notes == ()


def test_years_in_a_column_called_id_are_ids() -> None:
    found = checked(table(1900 + np.arange(N), NOISE, names=("id", "a")), ReadingOptions())
    assert kinds(found)[0] == "ignored"


def test_columns_that_the_user_lists_are_all_that_is_ignored() -> None:
    found = checked(table(np.arange(N), NOISE), ReadingOptions(ignore=()))
    assert kinds(found) == ["number", "number", "label"]


def test_a_feature_that_alone_decides_the_label_is_said() -> None:
    found = checked(table(NOISE, LABELS * 10 + 3, names=("a", "code")), ReadingOptions())
    (note,) = found.notes
    assert note.startswith("column 2 (code) alone decides the label")
    assert "--set data.ignore=code" in note


def test_a_score_that_the_label_was_cut_from_is_said() -> None:
    score = RNG.random(N)
    labels = np.digitize(score, [0.3, 0.6])
    found = checked(table(NOISE, score, labels=labels), ReadingOptions())
    assert "column 2 alone decides the label" in found.notes[0]


def test_a_category_that_alone_decides_the_label_is_said() -> None:
    made = table(NOISE, [3, 1, 0] * (N // 3))
    columns = (Column("a", "number"), Column("b", "category", ("p", "q", "r", "s")))
    mixed = Table(made.origin, made.x, made.labels, columns=(*columns, Column("kind", "label")))
    assert "column 2 (b) alone decides" in checked(mixed, ReadingOptions()).notes[0]


def test_features_that_decide_nothing_alone_are_not_said() -> None:
    nearly = LABELS * 10.0
    nearly[7] = 0
    assert checked(table(NOISE, nearly), ReadingOptions()).notes == ()


def test_one_hot_labels_are_refused() -> None:
    first, second, third = (LABELS == k for k in range(3))
    with pytest.raises(DataError, match="columns 2 to 4 are 0 or 1 and sum to 1 in every row"):
        checked(table(NOISE, first, second, labels=third.astype(int)), ReadingOptions())


def test_binary_features_before_a_binary_label_are_no_one_hot_label() -> None:
    a, b, label = RNG.integers(0, 2, (3, N))
    assert checked(table(NOISE, a, b, labels=label), ReadingOptions()).notes == ()


@pytest.mark.parametrize("labels", [RNG.integers(10_000, 99_999, N), np.arange(N) // 3])
def test_a_label_of_many_numbers_is_refused_as_a_quantity(labels: Any) -> None:
    with pytest.raises(DataError, match="looks like a quantity"):
        checked(table(NOISE, labels=labels), ReadingOptions())


@pytest.mark.parametrize(
    "labels", [np.arange(N) % 19, np.arange(N) % 24, [f"person {n // 2}" for n in range(N)]]
)
def test_many_classes_of_enough_rows_or_of_names_are_classes(labels: Any) -> None:
    assert checked(table(NOISE, labels=labels), ReadingOptions()).notes == ()


def test_pixels_are_no_columns_to_check() -> None:
    x = np.zeros((N, 16, 16), np.uint8)
    x[:, 0, 0] = np.arange(N)
    images = checked_table("x", x, LABELS)
    assert checked(images, ReadingOptions()) == images
