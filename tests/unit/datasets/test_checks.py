"""What is right in form and wrong in meaning is said, or refused; what is right is left alone."""

from dataclasses import replace
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
        np.where(np.arange(N) == 5, np.nan, np.arange(N)),
    ],
    ids=["counts up", "counts down", "shuffled", "large numbers", "a gap"],
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
        np.where(np.arange(N) % 3, np.nan, np.arange(N)),
        np.arange(N) ** 1.5,
        20240101.0 + np.arange(N) // (N // 4),
    ],
    ids=["years", "measurements", "each number twice", "mostly gaps", "rising", "numbers"],
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
    first, second, third = (np.equal(LABELS, k) for k in range(3))
    with pytest.raises(DataError, match="columns 2 to 4 are 0 or 1 and sum to 1 in every row"):
        checked(table(NOISE, first, second, labels=third.astype(int)), ReadingOptions())


@pytest.mark.parametrize("place", [0, 1, 2, 4])
@pytest.mark.parametrize("words", [None, ("False", "True"), ("no", "yes")])
def test_one_hot_labels_are_refused_wherever_the_label_is_and_however_it_is_written(
    place: int, words: tuple[str, str] | None
) -> None:
    found = table(NOISE, *(k == LABELS for k in (0, 1)), NOISE, labels=(LABELS == 2).astype(int))
    columns = list(found.columns[:-1])
    if words:
        columns[1:3] = [Column(name, "category", words) for name in ("first", "second")]
        names = np.array(words)[(LABELS == 2).astype(int)]
        found = replace(found, labels=checked_table("x", NOISE[:, np.newaxis], names).labels)
    at = {0: 0, 1: 1, 2: 2, 4: 3}[place]
    columns.insert(at, Column("kind", "label"))
    found = replace(found, columns=tuple(columns))
    if place == 0:  # not beside the others
        assert checked(found, ReadingOptions()).notes == ()
        return
    with pytest.raises(DataError, match="columns 2 to 4 are 0 or 1 and sum to 1 in every row"):
        checked(found, ReadingOptions())


def test_an_id_by_its_name_may_occur_twice() -> None:
    ids = np.where(np.arange(N) == 5, 4, np.arange(N))
    found = checked(table(ids, NOISE, names=("id", "a")), ReadingOptions())
    assert kinds(found)[0] == "ignored"
    assert "column 1 (id) is a whole number that is different in nearly every row" in found.notes[0]
    assert kinds(checked(table(ids, NOISE, names=("n", "a")), ReadingOptions()))[0] == "number"


def test_times_that_rise_in_equal_steps_are_ignored_and_said() -> None:
    found = checked(table(0.1 * np.arange(N) + 3, NOISE), ReadingOptions())
    assert kinds(found) == ["ignored", "number", "label"]
    assert found.notes[0].startswith("column 1 rises in equal steps from row to row, as an id is")


def test_dates_that_are_written_as_numbers_are_ignored_and_said() -> None:
    dates = 20230100 + 100 * (np.arange(N) % 12) + np.arange(N) % 28 + 1
    found = checked(table(dates, NOISE), ReadingOptions())
    assert kinds(found) == ["ignored", "number", "label"]
    assert found.notes == (
        "column 1 holds dates that are written as numbers: it is ignored. "
        "To use it: --set 'data.ignore=[]'",
    )
    assert kinds(checked(table(dates, NOISE), ReadingOptions(ignore=())))[0] == "number"


def test_columns_without_values_or_with_one_value_are_said() -> None:
    nothing, same = np.full(N, np.nan), np.full(N, 7)
    found = checked(table(nothing, same, NOISE, names=("a", "b", "c")), ReadingOptions())
    assert found.notes == (
        "Without a value in any row, and not used: column 1 (a).",
        "With the same value in every row, and not used: column 2 (b).",
    )


def test_a_feature_that_decides_the_label_wherever_it_is_there_is_said() -> None:
    cells = np.where(np.arange(N) % 7 == 0, np.nan, LABELS * 10.0)
    found = checked(table(NOISE, cells), ReadingOptions())
    assert found.notes[0].startswith("column 2 alone decides the label in every row.")


def test_an_id_of_a_very_wide_table_is_ignored_where_it_is_first_or_last() -> None:
    wide = [RNG.normal(size=N)] * 5000
    assert kinds(checked(table(np.arange(N), *wide), ReadingOptions()))[:2] == ["ignored", "number"]
    found = kinds(checked(table(*wide, np.arange(N)), ReadingOptions()))
    assert found[-3:] == ["number", "ignored", "label"]


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


def test_a_label_of_many_dates_is_refused() -> None:
    labels = [f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}" for n in range(N)]
    with pytest.raises(DataError, match="different numbers or dates in"):
        checked(table(NOISE, labels=labels), ReadingOptions())


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("oak", "Oak", "elm"), "The classes Oak, oak differ in capitals or signs alone"),
        ((">50K", ">50K.", "<=50K"), "The classes >50K, >50K. differ in capitals or signs alone"),
        (("oak", "elm", "-"), "'-' is taken for a class. If it means that the label is missing"),
        (("0", "1", "unknown"), "'unknown' is taken for a class."),
        (("0", "1", "-999"), "'-999' is taken for a class."),
    ],
)
def test_labels_that_may_be_no_classes_of_their_own_are_said(
    names: tuple[str, ...], said: str
) -> None:
    labels = np.array(names)[np.arange(N) % len(names)]
    (note,) = checked(table(NOISE, labels=labels), ReadingOptions()).notes
    assert note.startswith(said)


@pytest.mark.parametrize("names", [("+", "-"), ("-1", "1"), ("a", "b"), ("<=50K", ">50K")])
def test_labels_as_they_should_be_are_not_spoken_of(names: tuple[str, ...]) -> None:
    labels = np.array(names)[RNG.integers(0, 2, N)]
    assert checked(table(NOISE, labels=labels), ReadingOptions()).notes == ()


def test_pixels_are_no_columns_to_check() -> None:
    x = np.zeros((N, 16, 16), np.uint8)
    x[:, 0, 0] = np.arange(N)
    images = checked_table("x", x, LABELS)
    assert checked(images, ReadingOptions()) == images
