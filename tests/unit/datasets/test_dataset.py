"""A data set: sets of rows that share one table, and their sizes."""

from dataclasses import replace

import numpy as np
import pytest

from mlpcli.datasets.dataset import Dataset, Rows, all_rows
from mlpcli.datasets.table import checked_table
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column
from mlpcli.preprocessing.encoding import Encoding, Inputs
from mlpcli.preprocessing.scaling import learn


def test_all_rows_of_a_table_share_its_features() -> None:
    table = checked_table("data", np.arange(6.0).reshape(3, 2), np.array(["b", "a", "b"]))
    rows = all_rows(table, ("a", "b"), "training")
    assert rows.x is table.x
    assert rows.labels.tolist() == [1, 0, 1]
    assert rows.index.tolist() == [0, 1, 2]
    assert len(rows) == 3
    with pytest.raises(DataError, match="has the label 'b', which training never saw"):
        all_rows(table, ("a", "c"), "training")


def test_a_subset_of_rows_is_by_their_places_among_them() -> None:
    rows = Rows(np.zeros((9, 2)), np.arange(9), np.array([8, 2, 5, 3]))
    subset = rows.subset(slice(1, 3))
    assert subset.index.tolist() == [2, 5]
    assert subset.x is rows.x
    assert subset.labels is rows.labels


def test_a_data_set_counts_its_features_and_rows() -> None:
    x, labels = np.zeros((20, 5)), np.zeros(20, np.intp)
    train, validation, test = (
        Rows(x, labels, np.arange(start, stop)) for start, stop in ((0, 9), (9, 12), (12, 17))
    )
    data = Dataset(
        source="source",
        classes=("0", "1", "2"),
        train=train,
        validation=validation,
        test=test,
        preprocessing=learn("none", x, train.index, together=False),
        scaling_kind="none",
        image=None,
        sha256="sha256",
    )
    assert (data.features, data.n_rows) == (5, 17)
    assert data.parts == {"train": train, "validation": validation, "test": test}


def test_columns_that_are_used_are_features_and_the_length_of_x_is_another_thing() -> None:
    rows = Rows(np.zeros((6, 3)), np.zeros(6, np.intp), np.arange(6))
    columns = (
        Column("id", "ignored"),
        Column("tree", "category", ("ash", "elm")),
        Column("age", "number"),
        Column("weight", "weight"),
        Column("kind", "label"),
    )
    encoding = Encoding((Inputs(), Inputs(levels=(1, 2)), Inputs(value=0)), np.zeros(3), np.ones(3))
    data = Dataset("source", ("a", "b"), rows, rows, rows, encoding, "none", None, "", columns)
    assert (data.features, data.n_inputs) == (2, 3)


def test_rows_have_the_weights_of_their_places() -> None:
    rows = Rows(np.zeros((4, 2)), np.zeros(4, np.intp), np.array([3, 1]), np.arange(4.0))
    assert rows.own_weights is not None
    assert rows.own_weights.tolist() == [3, 1]
    assert replace(rows, weights=None).own_weights is None
