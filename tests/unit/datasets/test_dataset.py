"""Minibatches are gathered and scaled without ever copying the table."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.arrays import Shape
from mlpcli.datasets.dataset import LARGE, BatchLoader, Dataset, Rows, all_rows
from mlpcli.datasets.table import table
from mlpcli.errors import DataError
from mlpcli.model.network import Network, initialise
from mlpcli.preprocessing.scaling import Scaling, learn
from mlpcli.training.scoring import Scorer
from tests.support.formats import some


def rows_of(dtype: str, N: int = 20, D: int = 5) -> Rows:
    stream = np.random.default_rng(0)
    x = stream.integers(0, 100, (N, D)).astype(dtype)
    return Rows(x, stream.integers(0, 3, N), stream.permutation(N)[: N - 3])


@some
@given(
    st.sampled_from(["u1", "i8", "f4", "f8", "?"]),
    st.sampled_from(["none", "unit", "standard"]),
    st.sampled_from([np.float32, np.float64]),
    st.lists(st.integers(0, 16), min_size=1, max_size=8),
)
def test_a_minibatch_is_what_plain_indexing_and_the_formula_give(
    dtype: str, kind: str, network_dtype: type, places: list[int]
) -> None:
    rows = rows_of(dtype)
    scaling = learn(kind, rows.x, rows.index, together=False)
    x = np.empty((len(places), 5), network_dtype)
    labels = BatchLoader(rows, scaling, 8).fill(np.array(places), x)
    chosen = rows.index[places]
    expected = (rows.x[chosen].astype(np.float64) - scaling.offset) * scaling.scale
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(labels, rows.labels[chosen])


@pytest.mark.parametrize("B", [1, 4, 17, 100])
def test_batches_are_all_rows_in_order(B: int) -> None:
    rows = rows_of("u1")
    scaling = learn("unit", rows.x, rows.index, together=True)
    buffer = np.empty((B, 5), np.float32)
    batches = [(x.copy(), labels) for x, labels in BatchLoader(rows, scaling, B).batches(buffer)]
    assert [len(labels) for _, labels in batches[:-1]] == [B] * (len(batches) - 1)
    np.testing.assert_array_equal(
        np.concatenate([labels for _, labels in batches]), rows.labels[rows.index]
    )
    expected = (rows.x[rows.index] - scaling.offset) * scaling.scale
    np.testing.assert_allclose(np.concatenate([x for x, _ in batches]), expected, rtol=1e-6)


def test_batches_are_written_into_the_buffer_that_is_given() -> None:
    rows = rows_of("f4")
    buffer = np.empty((4, 5), np.float32)
    loader = BatchLoader(rows, learn("standard", rows.x, rows.index, together=False), 4)
    assert all(np.shares_memory(x, buffer) for x, _ in loader.batches(buffer))


@pytest.mark.parametrize("dtype", ["u1", "f8"])
@pytest.mark.parametrize("kind", ["none", "unit", "standard"])
def test_learning_and_feeding_never_copy_the_table(dtype: str, kind: str) -> None:
    rows = rows_of(dtype, N=50_000, D=40)
    buffer = np.empty((64, 40), np.float32)
    tracemalloc.start()
    try:
        scaling = learn(kind, rows.x, rows.index, together=False)
        for _ in BatchLoader(rows, scaling, 64).batches(buffer):
            pass
        assert tracemalloc.get_traced_memory()[1] < 5 * 2**20 < 50_000 * 40 * 4
    finally:
        tracemalloc.stop()


def test_all_rows_of_a_table_share_its_features() -> None:
    rows = table("data", np.arange(6.0).reshape(3, 2), np.array(["b", "a", "b"]))
    everything = all_rows(rows, ("a", "b"), "training")
    assert everything.x is rows.x
    assert (everything.labels.tolist(), everything.index.tolist(), len(everything)) == (
        [1, 0, 1],
        [0, 1, 2],
        3,
    )
    with pytest.raises(DataError, match="has the label 'b', which training never saw"):
        all_rows(rows, ("a", "c"), "training")


def test_a_data_set_counts_its_features_and_rows() -> None:
    rows = rows_of("u1")
    parts = [
        Rows(rows.x, rows.labels, rows.index[cut])
        for cut in (slice(9), slice(9, 12), slice(12, 17))
    ]
    scaling = learn("none", rows.x, rows.index, together=False)
    dataset = Dataset("source", ("0", "1", "2"), *parts, scaling, "none", None, "sha256")
    assert (dataset.features, dataset.rows) == (5, 17)
    assert dataset.parts == {"train": parts[0], "validation": parts[1], "test": parts[2]}


def test_every_row_is_scored_also_those_after_the_last_full_batch() -> None:
    rows = rows_of("f8", N=1030)
    scaling = Scaling(np.zeros(5), np.full(5, 0.01))
    network = Network(Shape(5, 4, 3), "tanh", np.float64)
    initialise(network, np.random.default_rng(1))
    scores = Scorer(network, scaling, rows).score()
    z = np.tanh(rows.x[rows.index] * 0.01 @ network.W1) @ network.W2
    assert scores.n_rows == 1027
    np.testing.assert_array_equal(scores.labels, rows.labels[rows.index])
    np.testing.assert_array_equal(scores.predicted, z.argmax(axis=1))


def fed(x: np.ndarray[Any, Any], offset: float = 0.0) -> BatchLoader:
    """A feed that was given all of these rows."""
    n, D = x.shape
    rows = Rows(x, np.zeros(n, np.intp), np.arange(n))
    loader = BatchLoader(rows, Scaling(np.full(D, offset), np.full(D, 1 / 255)), n)
    loader.fill(np.arange(n), np.empty((n, D)))
    return loader


@some
@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 299)), max_size=6), st.integers(1, 5))
def test_used_columns_of_images_are_from_the_first_to_the_last_that_is_not_blank(
    lit: set[tuple[int, int]], n: int
) -> None:
    x = np.zeros((5, 300), np.uint8)
    for row, column in lit:
        x[row, column] = 255
    columns = [column for row, column in lit if row < n]
    used = fed(x).active_columns(n)
    assert range(300)[used] == (range(min(columns), max(columns) + 1) if columns else range(0))


@pytest.mark.parametrize(
    ("dtype", "D", "offset"),
    [("f4", 300, 0.0), ("i8", 300, 0.0), ("u1", LARGE - 1, 0.0), ("u1", 300, 0.5)],
    ids=["no bytes", "no bytes either", "few features", "0 is not 0 for the network"],
)
def test_elsewhere_all_columns_are_used(dtype: str, D: int, offset: float) -> None:
    assert range(D)[fed(np.zeros((5, D), dtype), offset).active_columns(5)] == range(D)


def test_images_just_large_enough_are_looked_at() -> None:
    assert fed(np.zeros((5, LARGE), np.uint8)).active_columns(5) == slice(0, 0)
