"""Columns are encoded as scikit-learn's own transformers do, by what the training rows show."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats.mstats import mquantiles
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlpcli.arrays import Floats, Index
from mlpcli.preprocessing.columns import Column
from mlpcli.preprocessing.encoding import NOWHERE, Encoding
from mlpcli.preprocessing.pipeline import Settings, learn, quantile_edges
from mlpcli.preprocessing.scaling import Scaling
from tests.support.formats import some

N = 400
TRAIN = np.arange(0, N, 2)
LEVELS = ("ash", "elm", "oak", "yew")
COLUMNS = (
    Column("age", "number"),
    Column("id", "ignored"),
    Column("tree", "category", LEVELS),
    Column("size", "number"),
)
PLAIN = Settings("standard", bins=0, rare=1)


def mixed_rows(seed: int = 0, gaps: bool = True) -> Floats:
    """Raw rows (N,4) of two numbers, an id and a category; one training row in 100 is a yew."""
    rng = np.random.default_rng(seed)
    tree = rng.integers(0, 3, N).astype(float)
    tree[TRAIN[:2]] = 3
    x = np.stack([rng.normal(40, 10, N), np.zeros(N), tree, rng.exponential(2, N)], axis=1)
    if gaps:
        x[rng.random(N) < 0.1, 0] = np.nan
        x[rng.random(N) < 0.1, 2] = np.nan
    return x


def encoded(x: Floats, settings: Settings, columns: tuple[Column, ...] = COLUMNS) -> Floats:
    encoding = learn(columns, x, TRAIN, settings, together=False)
    out: Floats = np.full((len(x), encoding.n_inputs), 9.0)
    encoding.apply(x, out)
    return out


def encoding_of(x: Floats, settings: Settings, index: Index = TRAIN) -> Encoding:
    encoding = learn(COLUMNS, x, index, settings, together=False)
    assert isinstance(encoding, Encoding)
    return encoding


def test_numbers_are_standardised_and_a_missing_one_is_the_mean() -> None:
    x = mixed_rows()
    ages = x[:, :1]
    imputed = SimpleImputer(strategy="mean").fit(ages[TRAIN])
    scaler = StandardScaler().fit(ages[TRAIN])
    expected = scaler.transform(imputed.transform(ages))[:, 0]
    np.testing.assert_allclose(encoded(x, PLAIN)[:, 0], expected, atol=1e-12)


def test_missing_cells_have_an_indicator_if_training_rows_had_any() -> None:
    x = mixed_rows()
    indicator = MissingIndicator(features="missing-only").fit(x[TRAIN])
    expected = indicator.transform(x).astype(float)
    encoding = encoding_of(x, PLAIN)
    places = [inputs.missing for inputs in encoding.inputs if inputs.missing != NOWHERE]
    np.testing.assert_array_equal(encoded(x, PLAIN)[:, places], expected)


def test_categories_are_one_hot_and_a_missing_one_is_all_zeros() -> None:
    x = mixed_rows()
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    present = x[TRAIN, 2:3][~np.isnan(x[TRAIN, 2])]
    expected = encoder.fit(present).transform(x[:, 2:3])
    places = list(encoding_of(x, PLAIN).inputs[2].levels)
    np.testing.assert_array_equal(encoded(x, PLAIN)[:, places], expected)


def test_rare_levels_share_a_place_as_scikit_learns_do() -> None:
    x = mixed_rows(gaps=False)
    x[TRAIN[2:5], 2] = 0.0
    settings = Settings("standard", bins=0, rare=10)
    encoder = OneHotEncoder(min_frequency=10, sparse_output=False).fit(x[TRAIN, 2:3])
    places = sorted(set(encoding_of(x, settings).inputs[2].levels))
    np.testing.assert_array_equal(encoded(x, settings)[:, places], encoder.transform(x[:, 2:3]))


def test_a_level_that_no_training_row_has_is_all_zeros_and_counts_as_unknown() -> None:
    x = mixed_rows(gaps=False)
    x[:, 2] = np.minimum(x[:, 2], 2)
    x[1, 2] = 3  # no training row
    x[3, 2] = -1  # a level that the columns do not name
    encoding = encoding_of(x, PLAIN)
    places = sorted(set(encoding.inputs[2].levels) - {NOWHERE})
    out = encoded(x, PLAIN)
    assert not out[1, places].any()
    assert not out[3, places].any()
    assert np.flatnonzero(encoding.unknown_levels(x)).tolist() == [1, 3]


def test_ignored_and_constant_columns_fill_no_place() -> None:
    x = mixed_rows(gaps=False)
    x[:, 3] = 7
    encoding = encoding_of(x, Settings("standard", bins=8, rare=1))
    assert encoding.inputs[1].places == []
    assert encoding.inputs[3].places == []


def test_what_is_learnt_depends_on_the_training_rows_alone() -> None:
    x = mixed_rows()
    other = x.copy()
    held_out = np.setdiff1d(np.arange(N), TRAIN)
    other[held_out, 0] = 1e6
    settings = Settings("standard", bins=8, rare=3)
    first, second = encoding_of(x, settings), encoding_of(other, settings)
    assert first.inputs == second.inputs
    np.testing.assert_array_equal(first.offset, second.offset)
    np.testing.assert_array_equal(first.scale, second.scale)


def test_edges_are_the_quantiles_that_scipy_finds() -> None:
    values = np.random.default_rng(1).normal(size=1000)
    expected = mquantiles(values, np.linspace(0, 1, 17), alphap=1, betap=1)
    np.testing.assert_allclose(quantile_edges(values, 16), expected, atol=1e-12)


def test_few_distinct_values_are_the_edges_themselves() -> None:
    values = np.repeat([1.0, 2.0, 5.0], [90, 9, 1])
    np.testing.assert_array_equal(quantile_edges(values, 16), [1, 2, 5])


def test_edges_that_are_equal_are_one() -> None:
    values = np.concatenate([np.zeros(900), np.random.default_rng(2).random(100)])
    edges = quantile_edges(values, 16)
    assert len(edges) < 17
    assert np.all(np.diff(edges) > 0)


@some
@given(st.integers(0, 2**32), st.integers(2, 20))
def test_bins_are_piecewise_linear_in_the_value(seed: int, bins: int) -> None:
    """Each bin's t is 0 left of it, 1 right of it, and linear inside; the mean is taken away."""
    rng = np.random.default_rng(seed)
    x = np.stack([rng.normal(size=N), rng.integers(0, 30, N)], axis=1).astype(float)
    columns = (Column("a", "number"), Column("b", "number"))
    encoding = learn(columns, x, TRAIN, Settings("standard", bins, 1), together=False)
    assert isinstance(encoding, Encoding)
    out: Floats = np.empty((N, encoding.n_inputs))
    encoding.apply(x, out)
    for column, inputs in enumerate(encoding.inputs):
        for n, (left, right) in enumerate(zip(inputs.edges[:-1], inputs.edges[1:], strict=True)):
            t = np.interp(x[:, column], [left, right], [0, 1])
            place = inputs.bins + n
            np.testing.assert_allclose(out[:, place], t - t[TRAIN].mean(), atol=1e-12)


def test_numbers_without_gaps_or_bins_are_scaled_as_ever() -> None:
    x = mixed_rows(gaps=False)[:, [0, 3]]
    learnt = learn((), x, TRAIN, PLAIN, together=False)
    assert isinstance(learnt, Scaling)


@pytest.mark.parametrize("bins", [0, 8])
def test_float32_rows_of_x_are_those_of_float64_rounded(bins: int) -> None:
    x = mixed_rows()
    encoding = encoding_of(x, Settings("standard", bins, 1))
    wide: Floats = np.empty((N, encoding.n_inputs))
    narrow: Floats = np.empty((N, encoding.n_inputs), np.float32)
    encoding.apply(x, wide)
    encoding.apply(x, narrow)
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))


def test_a_column_that_is_missing_in_every_training_row_fills_no_place() -> None:
    x = mixed_rows(gaps=False)
    x[TRAIN, 3] = np.nan
    assert encoding_of(x, PLAIN).inputs[3].places == []
