"""Scaling is learnt on the training rows alone, and equals scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlpcli.arrays import SWEEP
from mlpcli.preprocessing.scaling import Scaling, learn
from tests.support.formats import some

finite = st.floats(-1e30, 1e30, allow_subnormal=True)
tables = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12), elements=finite
)


def scaled(scaling: Scaling, x: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    out = np.empty(x.shape, dtype)
    scaling.apply(x, out)
    return out


def everything(x: np.ndarray) -> np.ndarray:
    return np.arange(len(x))


@some
@given(tables, st.sampled_from(["none", "unit", "standard"]), st.booleans(), st.data())
def test_values_outside_the_training_rows_do_not_matter(
    x: np.ndarray, kind: str, together: bool, data: st.DataObject
):
    index = np.array(data.draw(st.lists(st.integers(0, len(x) - 1), min_size=1, unique=True)))
    other = np.full_like(x, 7e29)
    other[index] = x[index]
    learnt, again = learn(kind, x, index, together), learn(kind, other, index, together)
    np.testing.assert_array_equal(learnt.offset, again.offset)
    np.testing.assert_array_equal(learnt.scale, again.scale)


@some
@given(tables, st.booleans())
def test_unit_scaling_puts_the_training_rows_between_0_and_1(x: np.ndarray, together: bool) -> None:
    result = scaled(learn("unit", x, everything(x), together), x)
    assert result.min() == 0
    assert result.max() <= 1 + 1e-12
    axis = None if together else 0
    spread = np.ptp(x, axis=axis) > 1e-9 * np.abs(x).max(axis=axis) + 1e-30
    np.testing.assert_allclose(result.max(axis=axis)[spread], 1, rtol=1e-12)


@some
@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, min_side=2),
        elements=st.floats(-1e3, 1e3, width=16),
    )
)
def test_scaling_equals_that_of_scikit_learn(x: np.ndarray) -> None:
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    for kind, scaler in {"unit": MinMaxScaler(), "standard": StandardScaler()}.items():
        expected = scaler.fit_transform(x)
        np.testing.assert_allclose(
            scaled(learn(kind, x, everything(x), False), x), expected, rtol=1e-9, atol=1e-9
        )


def test_standard_scaling_gives_mean_0_and_deviation_1_over_many_sweeps() -> None:
    x = np.random.default_rng(0).normal([3, -1e3, 1e-6], [1, 50, 1e-9], (2 * SWEEP + 5, 3))
    result = scaled(learn("standard", x, everything(x), False), x)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(result.std(axis=0), 1, rtol=1e-9)


def test_no_scaling_changes_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(scaled(learn("none", x, everything(x), True), x), x)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9, 1e30, 1e-320])
@pytest.mark.parametrize("kind", ["unit", "standard"])
def test_a_constant_feature_becomes_0_and_never_infinite(kind: str, value: float) -> None:
    x = np.full((1000, 2), value)
    x[:, 1] = np.arange(1000)
    result = scaled(learn(kind, x, everything(x), False), x)
    np.testing.assert_allclose(result[:, 0], 0, atol=1e-9)
    assert np.ptp(result[:, 1]) >= 1 - 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_spread_too_small_to_invert_counts_as_constant(dtype: type) -> None:
    x = np.array([[0, 1e-39], [1, 0]], dtype)
    for kind in ("unit", "standard"):
        np.testing.assert_array_equal(learn(kind, x, everything(x), False).scale[1], 1)


@pytest.mark.parametrize("kind", ["none", "unit", "standard"])
@pytest.mark.parametrize("together", [True, False])
def test_bytes_and_floats_of_equal_value_are_scaled_alike(kind: str, together: bool) -> None:
    x = np.random.default_rng(0).integers(0, 256, (100, 5)).astype(np.uint8)
    x[:, 0] = 17
    results = [
        scaled(learn(kind, x.astype(dtype), everything(x), together), x.astype(dtype), np.float32)
        for dtype in (np.uint8, np.int64, np.float32, np.float64)
    ]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=2e-6, atol=2e-6)


def test_bytes_are_scaled_in_float32_so_that_a_model_is_small() -> None:
    x = np.arange(6, dtype=np.uint8).reshape(3, 2)
    learnt = learn("unit", x, everything(x), True)
    assert (learnt.offset.dtype, learnt.scale.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("kind", ["unit", "standard"])
def test_timestamps_keep_their_precision_on_the_way_to_float32(kind: str) -> None:
    seconds = np.arange(1000.0)
    x = (1.7e9 + seconds)[:, np.newaxis]
    result = scaled(learn(kind, x, everything(x), False), x, np.float32)[:, 0]
    offset, scale = (0, 1 / 999) if kind == "unit" else (seconds.mean(), 1 / seconds.std())
    np.testing.assert_allclose(result, (seconds - offset) * scale, rtol=1e-6, atol=1e-6)


def test_pixels_are_scaled_together_and_other_features_one_by_one() -> None:
    x = np.array([[0, 10], [100, 200]], np.uint8)
    np.testing.assert_allclose(scaled(learn("unit", x, everything(x), True), x), x / 200, rtol=1e-6)
    np.testing.assert_allclose(
        scaled(learn("unit", x, everything(x), False), x), [[0, 0], [1, 1]], rtol=1e-6
    )
