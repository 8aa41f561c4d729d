"""Masks: their values, their mean, and what they spend of the random stream."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

from mlpcli.arrays import Floats
from mlpcli.model.dropout import WORDS, Masks, draw_nothing_dropped

RATES = [0.1, 0.3, 0.5, 0.9]


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64DXSM(seed))


def width(dropout: float) -> int:
    """Bits of a draw: the fewest, of 8 and 16, that give exactly this probability as it is rounded."""
    return 8 if (round((1 - dropout) * 2**16) / 2**8).is_integer() else 16


def draw(B: int, n: int, dropout: float, rows: int, dtype: type = np.float32) -> Floats:
    return Masks((B, n), dropout, dtype).draw(stream(), rows)


@pytest.mark.parametrize("dropout", [*RATES, 1 / 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mask_holds_0_and_1_over_q_with_q_a_multiple_of_2_to_the_minus_16(
    dropout: float, dtype: type
) -> None:
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


@pytest.mark.parametrize("dropout", [*RATES, 1 / 3, 1e-4, 0.25, 255 / 256, 1 / 256])
def test_over_all_values_of_a_draw_the_mean_is_exactly_1(dropout: float) -> None:
    bits = width(dropout)
    every = iter(np.arange(2**bits, dtype=f"u{bits // 8}").view(np.uint64))
    source = SimpleNamespace(
        bit_generator=SimpleNamespace(random_raw=lambda n: [next(every) for _ in range(n)])
    )
    side = 2 ** (bits // 2)
    r = Masks((side, side), dropout, np.float64).draw(source, side)
    assert list(every) == []
    assert np.count_nonzero(r) * 2**16 == round((1 - dropout) * 2**16) * 2**bits
    assert r.mean() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("dropout", RATES)
def test_each_unit_and_each_row_is_drawn_for_itself(dropout: float) -> None:
    kept = draw(4000, 9, dropout, 4000) > 0
    for draws in (
        kept,
        kept.reshape(-1, 4 * 9),
    ):  # the units of one row; those of four rows, which are nine words
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


@pytest.mark.parametrize(
    ("dropout", "dtype", "limit"), [(0.5, np.uint8, 2**7), (0.4, np.uint16, 39_322)]
)
def test_a_mask_longer_than_one_draw_of_words_is_the_same_stream_unbroken(
    dropout: float, dtype: type, limit: int
) -> None:
    size = np.dtype(dtype).itemsize
    rows = 8 // size * WORDS // 10 + 50
    words = stream().bit_generator.random_raw(-(-rows * 10 * size // 8)).astype(np.uint64)
    assert len(words) > WORDS
    kept = words.view(dtype)[: rows * 10].reshape(rows, 10) < limit
    np.testing.assert_array_equal(draw(rows, 10, dropout, rows) > 0, kept)


@pytest.mark.parametrize("rows", [1, 5, 9])
@pytest.mark.parametrize("dropout", [1 / 256, 0.25, 0.5, 0.75, 255 / 256])
def test_a_draw_takes_8_bits_where_q_is_a_multiple_of_1_over_256(dropout: float, rows: int) -> None:
    used, words = stream(), stream()
    Masks((9, 7), dropout).draw(used, rows)
    words.bit_generator.random_raw(-(-rows * 7 // 8))
    assert used.bit_generator.state == words.bit_generator.state


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dropout", [*RATES, 0.25])
@pytest.mark.parametrize("cuts", [(0, 13), (0, 6, 13), (0, 1, 5, 13)], ids=str)
def test_parts_of_the_columns_are_those_of_the_whole_mask(
    dropout: float, cuts: tuple[int, ...], dtype: type
) -> None:
    whole, source = Masks((9, 13), dropout, dtype), stream()
    parts = [Masks((9, 13), dropout, dtype, slice(*cut)) for cut in pairwise(cuts)]
    sources = [stream() for _ in parts]
    for rows in (9, 4, 9):
        expected = whole.draw(source, rows)
        drawn = [part.draw(own, rows) for part, own in zip(parts, sources, strict=True)]
        np.testing.assert_array_equal(np.hstack(drawn), expected)
    assert all(own.bit_generator.state == source.bit_generator.state for own in sources)


def test_masks_are_drawn_into_one_buffer() -> None:
    masks, source = Masks((9, 7), 0.4), stream()
    assert all(masks.draw(source, rows).ctypes.data == masks.r.ctypes.data for rows in (9, 4, 9))


def test_both_dtypes_drop_the_same_units() -> None:
    np.testing.assert_array_equal(
        draw(9, 7, 0.4, 9, np.float32) > 0, draw(9, 7, 0.4, 9, np.float64) > 0
    )


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
