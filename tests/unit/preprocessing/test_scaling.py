"""Scaling is learnt on the training rows alone, and equals scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlpcli.arrays import SWEEP, Floats, Index, Raw
from mlpcli.preprocessing.scaling import Scaling, learn
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


@some
@given(tables_of_halves)
def test_scaling_equals_that_of_scikit_learn(x: Floats) -> None:
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    for kind, scaler in {"unit": MinMaxScaler(), "standard": StandardScaler()}.items():
        expected = scaler.fit_transform(x)
        np.testing.assert_allclose(scaled(kind, x), expected, rtol=1e-9, atol=1e-9)


def test_standard_scaling_gives_mean_0_and_deviation_1_over_many_sweeps() -> None:
    n_rows = 2 * SWEEP + 5
    x = np.random.default_rng(0).normal([3, -1e3, 1e-6], [1, 50, 1e-9], (n_rows, 3))
    result = scaled("standard", x)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(result.std(axis=0), 1, rtol=1e-9)


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
    assert learnt.scale[1] == 1


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
