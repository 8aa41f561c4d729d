"""Masks: their values, their mean, and what they spend of the random stream."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

from mlpcli.arrays import Floats
from mlpcli.dropout import DRAW, Masks, draw_nothing_dropped

RATES = [0.1, 0.3, 0.5, 0.9]


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64DXSM(seed))


def draw(B: int, n: int, dropout: float, rows: int, dtype: type = np.float32) -> Floats:
    return Masks((B, n), dropout, dtype).draw(stream(), rows)


@pytest.mark.parametrize("dropout", [*RATES, 1 / 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mask_holds_0_and_1_over_q_with_q_a_multiple_of_2_to_the_minus_16(dropout: float, dtype: type) -> None:
    r = draw(64, 101, dropout, 64, dtype)
    q = np.round((1 - dropout) * 2**16) / 2**16
    assert r.dtype == dtype
    assert set(np.unique(r)) == {0, dtype(1 / q)}


@pytest.mark.parametrize("dropout", RATES)
def test_units_are_kept_as_often_as_they_should_be_and_the_mean_is_1(dropout: float) -> None:
    r = draw(500, 2003, dropout, 500, np.float64)
    q = np.round((1 - dropout) * 2**16) / 2**16
    low, high = binom(r.size, q).interval(1 - 1e-6)
    assert low <= np.count_nonzero(r) <= high
    assert r.mean() == pytest.approx(1, abs=5 * np.sqrt((1 / q - 1) / r.size))


@pytest.mark.parametrize("dropout", [*RATES, 1 / 3, 1e-4])
def test_over_all_values_of_a_draw_the_mean_is_exactly_1(dropout: float) -> None:
    every = iter(np.arange(2**16, dtype=np.uint16).view(np.uint64))
    source = SimpleNamespace(bit_generator=SimpleNamespace(random_raw=lambda n: [next(every) for _ in range(n)]))
    r = Masks((2**8, 2**8), dropout, np.float64).draw(source, 2**8)
    assert np.count_nonzero(r) == round((1 - dropout) * 2**16)
    assert r.mean() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("dropout", RATES)
def test_each_unit_and_each_row_is_drawn_for_itself(dropout: float) -> None:
    kept = draw(4000, 9, dropout, 4000) > 0
    for draws in (kept, kept.reshape(-1, 4 * 9)):  # the units of one row; those of four rows, which are nine words
        correlation = np.corrcoef(draws.T) - np.eye(draws.shape[1])
        assert np.abs(correlation).max() < 5 / np.sqrt(len(draws))


def test_the_next_mask_is_another_one() -> None:
    masks, source = Masks((8, 31), 0.5), stream()
    first = masks.draw(source, 8).copy()
    assert (masks.draw(source, 8) != first).mean() == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("rows", [1, 5, 9])
def test_the_mask_of_a_short_batch_does_not_depend_on_the_buffers_size(rows: int) -> None:
    np.testing.assert_array_equal(draw(9, 7, 0.4, rows), draw(300, 7, 0.4, rows))


@pytest.mark.parametrize("rows", [1, 5, 9])
def test_a_short_batch_spends_only_its_own_share_of_the_stream(rows: int) -> None:
    used, words = stream(), stream()
    Masks((9, 7), 0.4).draw(used, rows)
    words.bit_generator.random_raw(-(-rows * 7 // 4))  # four draws of 16 bits in a word of 64
    assert used.bit_generator.state == words.bit_generator.state


def test_a_mask_longer_than_one_draw_of_words_is_the_same_stream_unbroken() -> None:
    rows = 4 * DRAW // 10 + 50
    words = stream().bit_generator.random_raw(-(-rows * 10 // 4)).astype(np.uint64)
    assert len(words) > DRAW
    kept = words.view(np.uint16)[: rows * 10].reshape(rows, 10) < 2**15
    np.testing.assert_array_equal(draw(rows, 10, 0.5, rows), 2 * kept)


def test_masks_are_drawn_into_one_buffer() -> None:
    masks, source = Masks((9, 7), 0.4), stream()
    assert all(masks.draw(source, rows).ctypes.data == masks.r.ctypes.data for rows in (9, 4, 9))


def test_both_dtypes_drop_the_same_units() -> None:
    np.testing.assert_array_equal(draw(9, 7, 0.4, 9, np.float32) > 0, draw(9, 7, 0.4, 9, np.float64) > 0)


@pytest.mark.parametrize("dropout", [1 - 1e-6, 1 - 1e-16])
def test_dropping_almost_everything_leaves_a_finite_mask_of_mean_1(dropout: float) -> None:
    r = draw(2000, 1000, dropout, 2000)
    assert set(np.unique(r)) == {0, 2**16}
    assert 0 < np.count_nonzero(r) < 100


def test_dropping_almost_nothing_drops_nothing() -> None:
    assert np.all(draw(500, 100, 1e-6, 500) == 1)


def test_without_dropout_the_mask_is_1_and_no_number_is_spent() -> None:
    source = stream()
    assert draw_nothing_dropped(source, 9) == 1.0
    assert source.bit_generator.state == stream().bit_generator.state
