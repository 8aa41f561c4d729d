"""Minibatches are gathered and scaled without ever copying the table."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.arrays import Floats, Raw, Shape
from mlpcli.datasets.dataset import Rows
from mlpcli.datasets.loader import LARGE_IMAGE, BatchLoader
from mlpcli.model.initialisation import initialise_uniform as initialise
from mlpcli.model.network import Network
from mlpcli.preprocessing.pipeline import Settings
from mlpcli.preprocessing.pipeline import learn as encode
from mlpcli.preprocessing.scaling import Scaling, learn
from mlpcli.training.scoring import Scorer
from tests.support.formats import some


def rows_of(dtype: str, N: int = 20, D: int = 5) -> Rows:
    """All rows but three of a table, shuffled."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, (N, D)).astype(dtype)
    return Rows(x, rng.integers(0, 3, N), rng.permutation(N)[: N - 3])


@some
@given(
    st.sampled_from(["u1", "i8", "f4", "f8", "?"]),
    st.sampled_from(["none", "unit", "standard"]),
    st.sampled_from([np.float32, np.float64]),
    st.lists(st.integers(0, 16), min_size=1, max_size=8),
)
def test_a_minibatch_is_what_plain_indexing_and_the_formula_give(
    dtype: str, kind: str, network_dtype: type, indices: list[int]
) -> None:
    rows = rows_of(dtype)
    scaling = learn(kind, rows.x, rows.index, together=False)
    x: Floats = np.empty((len(indices), 5), network_dtype)
    labels = BatchLoader(rows, scaling, 8).fill(np.array(indices), x)
    chosen = rows.index[indices]
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
def test_learning_and_loading_never_copy_the_table(dtype: str, kind: str) -> None:
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


@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_encoding_never_copies_the_table(dtype: str) -> None:
    rows = rows_of(dtype, N=50_000, D=40)
    tracemalloc.start()
    try:
        encoding = encode((), rows.x, rows.index, Settings("standard", 16, 1), together=False)
        buffer = np.empty((64, encoding.n_inputs), np.float32)
        assert encoding.n_inputs == 40 * 17
        for _ in BatchLoader(rows, encoding, 64).batches(buffer):
            pass
        assert tracemalloc.get_traced_memory()[1] < 5 * 2**20 < 50_000 * 40 * 4
    finally:
        tracemalloc.stop()


def test_the_weights_of_a_minibatch_are_those_of_its_rows() -> None:
    rows = rows_of("f8")
    scaling = Scaling(np.zeros(5), np.ones(5))
    indices = np.array([4, 0, 2])
    assert BatchLoader(rows, scaling, 4).weights(indices) is None
    own = replace(rows, weights=np.arange(1.0, len(rows.x) + 1))
    weights = BatchLoader(own, scaling, 4).weights(indices)
    assert weights is not None
    np.testing.assert_array_equal(weights, rows.index[indices] + 1)


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


def filled(x: Raw, offset: float = 0.0) -> BatchLoader:
    """A loader whose last minibatch was all of these rows."""
    n, D = x.shape
    rows = Rows(x, np.zeros(n, np.intp), np.arange(n))
    loader = BatchLoader(rows, Scaling(np.full(D, offset), np.full(D, 1 / 255)), n)
    loader.fill(np.arange(n), np.empty((n, D)))
    return loader


@some
@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 299)), max_size=6), st.integers(1, 5))
def test_active_columns_of_images_are_from_the_first_to_the_last_that_is_not_blank(
    lit: set[tuple[int, int]], n: int
) -> None:
    x: Raw = np.zeros((5, 300), np.uint8)
    for row, column in lit:
        x[row, column] = 255
    columns = [column for row, column in lit if row < n]
    active = range(300)[filled(x).active_columns(n)]
    if columns:
        assert active == range(min(columns), max(columns) + 1)
    else:
        assert active == range(0)


@pytest.mark.parametrize(
    ("dtype", "D", "offset"),
    [("f4", 300, 0.0), ("i8", 300, 0.0), ("u1", LARGE_IMAGE - 1, 0.0), ("u1", 300, 0.5)],
    ids=["no bytes", "no bytes either", "few features", "0 is not 0 for the network"],
)
def test_elsewhere_all_columns_are_active(dtype: str, D: int, offset: float) -> None:
    assert range(D)[filled(np.zeros((5, D), dtype), offset).active_columns(5)] == range(D)


def test_images_just_large_enough_are_looked_at() -> None:
    assert filled(np.zeros((5, LARGE_IMAGE), np.uint8)).active_columns(5) == slice(0, 0)
