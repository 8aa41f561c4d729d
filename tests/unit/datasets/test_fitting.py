"""Rows of arrays in the columns of a model, or as the user says of columns."""

from dataclasses import replace

import numpy as np
import pytest

from mlpcli.arrays import Raw
from mlpcli.config import Place
from mlpcli.datasets.fitting import fitted, fitted_features
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.table import Table, checked_table
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column

X = np.array([[1.0, 5, 10], [2, 6, 20], [1, 7, np.nan]])
NUMBER, IGNORED = Column("", "number"), Column("", "ignored")
COLOURS = ("blue", "red")
NAMED = (Column("size", "number"), Column("colour", "category", COLOURS), Column("kind", "label"))


def table_of(x: Raw, columns: tuple[Column, ...] = ()) -> Table:
    table = checked_table("data", x, np.zeros(len(x), int))
    return replace(table, columns=columns, notes=())


def named(*rows: list[float]) -> Table:
    return table_of(np.array(rows), NAMED)


def test_a_table_of_which_nothing_is_said_is_left_as_it_is() -> None:
    table = table_of(X)
    assert fitted(table, ReadingOptions()) == table
    assert fitted_features("data", X, ()) is X


# A model's columns


def test_numbers_that_a_model_takes_as_they_are_are_not_copied() -> None:
    columns = (NUMBER, IGNORED, NUMBER, Column("", "label"))
    assert fitted_features("data", X, columns) is X
    table = table_of(X)
    fit = fitted(table, ReadingOptions(columns=columns))
    assert fit.x is table.x
    assert fit.columns == columns


def test_columns_that_a_model_ignores_may_be_left_out() -> None:
    columns = (IGNORED, NUMBER, IGNORED, NUMBER, NUMBER)
    x = fitted_features("data", X.astype(np.float32), columns)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, np.insert(X, [0, 1], 0, axis=1).astype("f4"))


def test_another_number_of_columns_is_refused_with_both_numbers() -> None:
    for columns, said in (
        ((NUMBER,) * 2, "has 3 columns, and the model needs 2."),
        ((NUMBER,) * 4 + (IGNORED,), "has 3 columns, and the model needs 4 or 5."),
    ):
        with pytest.raises(DataError, match=rf"^data: {said}"):
            fitted_features("data", X, columns)


def test_numbers_become_levels_by_their_texts() -> None:
    columns = (Column("", "category", ("2", "1")), NUMBER, Column("", "category", ("20", "30")))
    x = fitted_features("data", X, columns)
    np.testing.assert_array_equal(x, [[1, 5, -1], [0, 6, 0], [1, 7, np.nan]])


def test_whole_numbers_of_any_type_become_levels() -> None:
    columns = (Column("", "category", ("3", "4", "5")),)
    for dtype in ("u1", "i8", "f4", "?"):
        x = fitted_features("data", np.array([[1], [0]], dtype), (Column("", "category", ("0",)),))
        np.testing.assert_array_equal(x, [[-1], [0]])
    np.testing.assert_array_equal(
        fitted_features("data", np.array([[5], [3], [0.5]]), columns), [[2], [0], [-1]]
    )


def test_columns_are_matched_by_name_and_levels_by_text() -> None:
    columns = (
        Column("colour", "category", ("red", "green", "blue")),
        Column("label", "label"),
        Column("size", "number"),
        Column("gone", "ignored"),
    )
    fit = fitted(named([1.5, 0], [2.5, 1], [3.5, np.nan]), ReadingOptions(columns=columns))
    np.testing.assert_array_equal(fit.x, [[2, 1.5, 0], [0, 2.5, 0], [np.nan, 3.5, 0]])
    assert fit.columns == columns


def test_a_level_that_the_model_does_not_know_is_unknown_and_stays_so() -> None:
    columns = (Column("colour", "category", ("red",)),)
    fit = fitted(named([1, 0], [1, 1], [1, -1]), ReadingOptions(columns=columns))
    np.testing.assert_array_equal(fit.x, [[-1], [0], [-1]])


def test_numerals_become_numbers_and_words_are_refused() -> None:
    options = ReadingOptions(columns=(Column("colour", "number"),))
    numerals = Column("colour", "category", ("10", "2.5"))
    table = table_of(np.array([[0.0], [1], [np.nan]]), (numerals,))
    np.testing.assert_array_equal(fitted(table, options).x, [[10], [2.5], [np.nan]])
    with pytest.raises(DataError) as caught:
        fitted(named([1, 0]), options)
    assert str(caught.value) == (
        "data: column 2 (colour) holds words, as 'blue', and the model needs numbers in it."
    )


def test_a_column_that_was_not_read_is_refused_if_the_model_needs_it() -> None:
    table = table_of(np.zeros((2, 1)), (Column("when", "ignored"),))
    with pytest.raises(DataError, match=r"column 1 \(when\) holds neither numbers nor categories"):
        fitted(table, ReadingOptions(columns=(Column("when", "number"),)))


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="lacks columns that the model needs: weight"):
        fitted(named([1, 0]), ReadingOptions(columns=(Column("weight", "number"),)))


def test_a_tables_own_test_and_validation_rows_follow_it() -> None:
    table = named([1, 0], [2, 1])
    table = replace(table, test=named([3, 1]), validation=named([4, 0]))
    columns = (Column("colour", "category", ("red",)), Column("size", "number"))
    for fit in (
        fitted(table, ReadingOptions(columns=columns)),
        fitted(replace(table, test=table.validation, validation=table.test), ReadingOptions()),
    ):
        assert fit.test is not None
        assert fit.validation is not None
        assert fit.test.columns == fit.validation.columns == fit.columns
    fit = fitted(table, ReadingOptions(columns=columns))
    assert fit.test is not None
    np.testing.assert_array_equal(fit.test.x, [[0, 3]])


# What the user says


def test_columns_are_ignored_by_their_places() -> None:
    table = table_of(X)
    fit = fitted(table, ReadingOptions(ignore=(2, "-1")))
    assert fit.columns == (NUMBER, IGNORED, IGNORED)
    assert fit.x is table.x


def test_columns_are_ignored_by_their_names() -> None:
    fit = fitted(named([1, 0]), ReadingOptions(ignore=("size",)))
    assert [column.kind for column in fit.columns] == ["ignored", "category", "label"]


def test_numbers_become_categories_if_the_user_says_so() -> None:
    table = table_of(X)
    test = table_of(np.array([[2.0, 0, 30], [3, 0, 10]]))
    fit = fitted(replace(table, test=test), ReadingOptions(categorical=(1, 3), ignore=(2, 3)))
    assert fit.columns == (Column("", "category", ("1", "2")), IGNORED, IGNORED)
    np.testing.assert_array_equal(fit.x[:, 0], [0, 1, 0])
    np.testing.assert_array_equal(table.x, X)
    assert fit.test is not None
    np.testing.assert_array_equal(fit.test.x[:, 0], [1, -1])


def test_levels_that_are_numbers_are_in_their_order_and_gaps_stay() -> None:
    x = np.array([[10.0], [9], [np.nan], [2.5]])
    fit = fitted(table_of(x), ReadingOptions(categorical=(1,)))
    assert fit.columns[0].levels == ("2.5", "9", "10")
    np.testing.assert_array_equal(fit.x, [[2], [1], [np.nan], [0]])


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("kind", "column 3 (kind) is the label's, so data.ignore cannot name it."),
        (-1, "column 3 (kind) is the label's"),
        (4, "has 3 columns, so data.ignore=4 is none of them."),
        ("height", "has no column named 'height' (data.ignore)"),
    ],
)
def test_a_column_that_is_not_there_or_the_labels_cannot_be_ignored(
    place: Place, said: str
) -> None:
    with pytest.raises(DataError) as caught:
        fitted(named([1, 0]), ReadingOptions(ignore=(place,)))
    assert str(caught.value).startswith(f"data: {said}")


def test_what_is_asked_for_and_cannot_be_done_is_said() -> None:
    fit = fitted(table_of(X), ReadingOptions(target="kind", weight=3))
    assert fit.notes == (
        "data: data.target is not used, since it names a column; "
        "here features and labels stand apart.",
        "data: data.weight is not used, since it names a column; "
        "here features and labels stand apart.",
    )
