"""A data set: sets of rows that share one table, and their sizes."""

import numpy as np
import pytest

from mlpcli.datasets.dataset import Dataset, Rows, all_rows
from mlpcli.datasets.table import checked_table
from mlpcli.errors import DataError
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
        scaling=learn("none", x, train.index, together=False),
        scaling_kind="none",
        image=None,
        sha256="sha256",
    )
    assert (data.features, data.n_rows) == (5, 17)
    assert data.parts == {"train": train, "validation": validation, "test": test}
