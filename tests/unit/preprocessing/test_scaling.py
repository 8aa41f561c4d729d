"""Scaling is learnt on the training rows alone, and equals scikit-learn's where features move.

A feature that hardly ever moves has a floor for its divisor: see the part of that name.
"""

import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from mlpcli.arrays import SWEEP, Floats, Index, Raw
from mlpcli.config import Config
from mlpcli.datasets.assemble import Sources, assemble
from mlpcli.datasets.named import digits
from mlpcli.datasets.table import Table
from mlpcli.model.state import Streams
from mlpcli.preprocessing.pipeline import Settings
from mlpcli.preprocessing.scaling import Scaling, learn
from mlpcli.training.fit import begin, fit
from mlpcli.training.scoring import score_all
from tests.support.formats import some

finite = st.floats(-1e30, 1e30, allow_subnormal=True)
half_precision = st.floats(-1e3, 1e3, width=16)
tables = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12), elements=finite
)
tables_of_halves = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, min_side=2), elements=half_precision
)
kinds = pytest.mark.parametrize("kind", ["unit", "standard"])


def every_row(x: Raw) -> Index:
    return np.arange(len(x))


def applied(scaling: Scaling, x: Raw, dtype: type = np.float64) -> Floats:
    """The table as the network sees it."""
    out: Floats = np.empty(x.shape, dtype)
    scaling.apply(x, out)
    return out


def scaled(kind: str, x: Raw, together: bool = False, dtype: type = np.float64) -> Floats:
    """The table by a scaling that is learnt on all of its rows."""
    return applied(learn(kind, x, every_row(x), together), x, dtype)


@some
@given(tables, st.sampled_from(["none", "unit", "standard"]), st.booleans(), st.data())
def test_values_outside_the_training_rows_do_not_matter(
    x: Floats, kind: str, together: bool, data: st.DataObject
) -> None:
    indices = st.lists(st.integers(0, len(x) - 1), min_size=1, unique=True)
    index = np.array(data.draw(indices))
    other = np.full_like(x, 7e29)
    other[index] = x[index]
    learnt = learn(kind, x, index, together)
    expected = learn(kind, other, index, together)
    np.testing.assert_array_equal(learnt.offset, expected.offset)
    np.testing.assert_array_equal(learnt.scale, expected.scale)


@some
@given(tables, st.booleans())
def test_unit_scaling_puts_the_training_rows_between_0_and_1(x: Floats, together: bool) -> None:
    result = scaled("unit", x, together)
    assert result.min() == 0
    assert result.max() <= 1 + 1e-12
    axis = None if together else 0
    largest = np.abs(x).max(axis=axis)
    varies = np.ptp(x, axis=axis) > 1e-9 * largest + 1e-30
    np.testing.assert_allclose(result.max(axis=axis)[varies], 1, rtol=1e-12)


def share_that_moves(x: Floats) -> Floats:
    """The share of rows in which each feature is not at its median, the slow way (D)."""
    shares = []
    for values in x.T:
        usual, deviation = statistics.median(values), statistics.pstdev(values)
        moves = [value for value in values if abs(value - usual) > 1e-3 * deviation]
        shares.append(len(moves) / len(values))
    return np.array(shares)


@some
@given(tables_of_halves)
def test_unit_scaling_equals_that_of_scikit_learn(x: Floats) -> None:
    expected = MinMaxScaler().fit_transform(x)
    np.testing.assert_allclose(scaled("unit", x), expected, rtol=1e-9, atol=1e-9)


@some
@given(tables_of_halves)
def test_standard_scaling_equals_that_of_scikit_learn_above_the_floor(x: Floats) -> None:
    """A feature that moves in less than a fifth of the rows is shrunk as if it moved in a fifth."""
    share = share_that_moves(x)
    shrunk = np.where(share < 0.2, np.sqrt(share / 0.2), 1)
    expected = StandardScaler().fit_transform(x) * shrunk
    np.testing.assert_allclose(scaled("standard", x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_where_every_feature_moves_no_bit_is_other_than_without_a_floor(dtype: type) -> None:
    rng = np.random.default_rng(0)
    x: Floats = rng.lognormal(0, [0.1, 1, 2], (1000, 3)).astype(dtype)
    x[:, 0] = np.where(rng.random(1000) < 0.25, 7, 3)
    x[5, 1] = 1e4
    learnt = learn("standard", x, every_row(x), together=False)
    mean = x.sum(axis=0, dtype=np.float64) / len(x)
    deviation = np.sqrt(((x - mean) ** 2).sum(axis=0) / len(x))
    np.testing.assert_array_equal(learnt.offset, mean.astype(dtype))
    np.testing.assert_array_equal(learnt.scale, (1 / deviation).astype(dtype))


def test_standard_scaling_gives_mean_0_and_deviation_1_over_many_sweeps() -> None:
    n_rows = 2 * SWEEP + 5
    x = np.random.default_rng(0).normal([3, -1e3, 1e-6], [1, 50, 1e-9], (n_rows, 3))
    result = scaled("standard", x)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(result.std(axis=0), 1, rtol=1e-9)


@pytest.mark.parametrize("kind", ["none", "unit", "standard"])
def test_a_missing_value_that_training_did_not_have_becomes_0(kind: str) -> None:
    raw = np.array([[1.0, 5.0], [3.0, 9.0], [4.0, 6.0]])
    scaling = learn(kind, raw, np.arange(3), together=False)
    x, with_gap = np.empty((3, 2)), np.empty((3, 2))
    scaling.apply(raw, x)
    raw[1, 0] = np.nan
    scaling.apply(raw, with_gap)
    x[1, 0] = 0
    np.testing.assert_array_equal(with_gap, x)


def test_no_scaling_changes_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(scaled("none", x, together=True), x)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9, 1e30, 1e-320])
@kinds
def test_a_constant_feature_becomes_0_and_never_infinite(kind: str, value: float) -> None:
    x = np.full((1000, 2), value)
    x[:, 1] = np.arange(1000)
    result = scaled(kind, x)
    np.testing.assert_allclose(result[:, 0], 0, atol=1e-9)
    assert np.ptp(result[:, 1]) >= 1 - 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@kinds
def test_a_spread_too_small_to_invert_counts_as_constant(kind: str, dtype: type) -> None:
    x: Floats = np.array([[0, 1e-39], [1, 0]], dtype)
    learnt = learn(kind, x, every_row(x), together=False)
    assert learnt.scale[1] == 0


# Features that hardly ever move

N = 2 * SWEEP
FARTHEST = 1 / np.sqrt(0.2)  # the root mean square, in scaled units, of what moves


def sparse(share: float, values: Floats | float, usual: float = 0.0) -> Floats:
    """A feature (N,1) at its usual value but for a share of the rows, which is at random places."""
    rng = np.random.default_rng(0)
    x = np.full(N, usual)
    places = rng.permutation(N)[: max(1, round(share * N))]
    x[places] = np.resize(values, len(places))
    return x[:, np.newaxis]


def moved(x: Floats, usual: float = 0.0) -> Floats:
    """The scaled values of the rows in which a feature (N,1) moves, from its scaled usual value."""
    result = scaled("standard", x)
    moves = x != usual
    from_usual: Floats = result[moves] - result[~moves][0]
    return from_usual


COUNTS = np.random.default_rng(0).poisson(3, 997) + 1.0


@pytest.mark.parametrize(
    ("x", "usual"),
    [
        pytest.param(sparse(1e-3, 1), 0, id="1 in one of a thousand rows"),
        pytest.param(sparse(1e-3, 0, usual=1), 1, id="0 in one of a thousand rows"),
        pytest.param(sparse(0.19, 1), 0, id="1 in nearly a fifth of the rows"),
        pytest.param(sparse(0.01, COUNTS), 0, id="counts that are almost always 0"),
        pytest.param(sparse(0.01, np.array([-5.0, 5.0])), 0, id="to both sides"),
        pytest.param(sparse(0, 1e6), 0, id="a constant with one outlier"),
        pytest.param(sparse(0, 1e6, usual=1e3), 1e3, id="a constant other than 0, one outlier"),
        pytest.param(sparse(0, 1e-6), 0, id="however small it is"),
        pytest.param(sparse(0.01, 16).astype(np.uint8), 0, id="bytes"),
        pytest.param(sparse(0.01, 0.1).astype(np.float32), 0, id="single precision"),
    ],
)
def test_a_feature_that_hardly_ever_moves_moves_by_about_2(x: Floats, usual: float) -> None:
    size = np.sqrt((moved(x, usual) ** 2).mean())
    assert 1 < size < 1.12 * FARTHEST
    plain = np.abs(StandardScaler().fit_transform(x)).max()
    assert np.abs(scaled("standard", x)).max() < plain


def test_the_floor_begins_where_a_feature_moves_in_a_fifth_of_the_rows() -> None:
    below = learn("standard", sparse(0.1999, 1), np.arange(N), together=False)
    above = learn("standard", sparse(0.2001, 1), np.arange(N), together=False)
    assert below.scale[0] == pytest.approx(above.scale[0], rel=1e-3)
    assert above.scale[0] == pytest.approx(1 / sparse(0.2001, 1).std(), rel=1e-12)


def test_the_noise_of_rounding_is_no_movement() -> None:
    x = sparse(1e-3, 1) + np.random.default_rng(1).normal(0, 1e-9, (N, 1))
    assert np.abs(scaled("standard", x)).max() < 1.12 * FARTHEST


@pytest.mark.parametrize("outlier", [1e2, 1e3, 1e4])
def test_one_outlier_does_not_press_the_other_rows_of_a_feature_together(outlier: float) -> None:
    """A floor by the largest value would: to nothing, though a network still learns from them."""
    x = np.random.default_rng(0).normal(size=(N, 1))
    x[7] = outlier
    np.testing.assert_allclose(scaled("standard", x), StandardScaler().fit_transform(x), rtol=1e-9)


@kinds
def test_a_feature_that_is_constant_on_training_rows_is_0_on_all_rows(kind: str) -> None:
    x = np.random.default_rng(0).normal(size=(100, 2))
    x[:50, 1] = 3
    x[50:, 1] = 1e6
    result = applied(learn(kind, x, np.arange(50), together=False), x)
    np.testing.assert_array_equal(result[:, 1], 0)
    assert result[:, 0].all(axis=None) or kind == "unit"


def test_a_feature_that_hardly_moves_is_found_in_any_order_of_the_rows() -> None:
    x = sparse(0.1, 1)
    expected = learn("standard", x, np.arange(N), together=False).scale
    for order in (np.argsort(x[:, 0]), np.argsort(-x[:, 0]), np.arange(N)[::-1]):
        found = learn("standard", x, order, together=False).scale
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_unit_scaling_has_no_floor() -> None:
    np.testing.assert_array_equal(scaled("unit", sparse(1e-3, 16)), sparse(1e-3, 1))


# A run


def accuracy_of_a_run(table: Table) -> float:
    """The share of test rows that a network gets right after a short run, from 0 to 1."""
    config = Config.model_validate({"training": {"epochs": 30}})
    streams = Streams.from_seed(config.seed)
    data = assemble(
        Sources("digits", table),
        streams.split,
        validation=0.1,
        test=0.2,
        settings=Settings("auto", bins=0, rare=1),
    )
    trained = fit(config, data, progress=begin(config, data, streams))
    return score_all(trained.network, data.preprocessing, data.test, 1).accuracy


def test_digits_as_columns_are_learnt_nearly_as_well_as_images() -> None:
    """64 columns are taken for no image, and some of them are 0 in all but a few rows."""
    images = digits(lambda message: None)
    columns = replace(images, image=None)
    as_images = accuracy_of_a_run(images)
    as_columns = accuracy_of_a_run(columns)
    assert as_images > 0.96
    assert as_columns > as_images - 0.015


@pytest.mark.parametrize("kind", ["none", "unit", "standard"])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_bytes_and_numbers_of_equal_value_are_scaled_alike(
    kind: str, together: bool, dtype: type
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (100, 5)).astype(np.uint8)
    x[:, 0] = 17
    expected = scaled(kind, x, together, np.float32)
    result = scaled(kind, x.astype(dtype), together, np.float32)
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=2e-6)


def test_bytes_are_scaled_in_float32_so_that_a_model_is_small() -> None:
    x = np.arange(6, dtype=np.uint8).reshape(3, 2)
    learnt = learn("unit", x, every_row(x), together=True)
    assert learnt.offset.dtype == np.float32
    assert learnt.scale.dtype == np.float32


SECONDS = np.arange(1000.0)
MEAN, DEVIATION = SECONDS.mean(), SECONDS.std()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("unit", SECONDS / 999), ("standard", (SECONDS - MEAN) / DEVIATION)],
    ids=["unit", "standard"],
)
def test_timestamps_keep_their_precision_on_the_way_to_float32(kind: str, expected: Floats) -> None:
    x = (1.7e9 + SECONDS)[:, np.newaxis]
    result = scaled(kind, x, dtype=np.float32)
    np.testing.assert_allclose(result[:, 0], expected, rtol=1e-6, atol=1e-6)


def test_pixels_are_scaled_together_and_other_features_one_by_one() -> None:
    x = np.array([[0, 10], [100, 200]], np.uint8)
    np.testing.assert_allclose(scaled("unit", x, together=True), x / 200, rtol=1e-6)
    np.testing.assert_allclose(scaled("unit", x), [[0, 0], [1, 1]], rtol=1e-6)


@pytest.mark.parametrize(("offset", "keeps"), [([0.0, 0.0], True), ([0.0, 1.0], False)])
def test_a_scaling_keeps_zero_only_without_an_offset(offset: list[float], keeps: bool) -> None:
    scaling = Scaling(np.array(offset), np.array([2.0, 3.0]))
    assert scaling.keeps_zero == keeps
    assert (not applied(scaling, np.zeros((1, 2))).any()) == keeps
