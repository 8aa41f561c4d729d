"""Masks: their values, their mean, and how far they advance the random generator."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from mlpcli.arrays import Floats
from mlpcli.model.dropout import WORDS, Masks, draw_nothing_dropped

RATES = [0.1, 0.3, 0.5, 0.9]
short_batches = pytest.mark.parametrize("rows", [1, 5, 9])
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64DXSM(0))


def draw(B: int, n: int, dropout: float, rows: int, dtype: type = np.float32) -> Floats:
    """The first mask of a new generator."""
    return Masks((B, n), dropout, dtype).draw(generator(), rows)


def rounded_q(dropout: float) -> float:
    """The probability of keeping a unit, as a multiple of 2⁻¹⁶."""
    return round((1 - dropout) * 2**16) / 2**16


def bits_of(dropout: float) -> int:
    """The bits of a draw: the fewest, of 8 and 16, that give exactly the rounded probability."""
    return 8 if (rounded_q(dropout) * 2**8).is_integer() else 16


@pytest.mark.parametrize("dropout", [*RATES, 1 / 3])
@dtypes
def test_a_mask_holds_0_and_1_over_q_with_q_a_multiple_of_2_to_the_minus_16(
    dropout: float, dtype: type
) -> None:
    r = draw(64, 101, dropout, 64, dtype)
    assert r.dtype == dtype
    assert set(np.unique(r)) == {0, dtype(1 / rounded_q(dropout))}


@pytest.mark.parametrize("dropout", RATES)
def test_units_are_kept_as_often_as_they_should_be_and_the_mean_is_1(dropout: float) -> None:
    r = draw(500, 2003, dropout, 500, np.float64)
    q = rounded_q(dropout)
    low, high = binom(r.size, q).interval(1 - 1e-6)
    assert low <= np.count_nonzero(r) <= high
    assert r.mean() == pytest.approx(1, abs=5 * np.sqrt((1 / q - 1) / r.size))


def generator_of_every_draw(bits: int) -> Any:
    """A stand-in for a generator whose words hold every possible draw once."""
    draws = np.arange(2**bits, dtype=f"u{bits // 8}")
    words = iter(draws.view(np.uint64))

    def random_raw(n: int) -> list[np.uint64]:
        return [next(words) for _ in range(n)]

    return SimpleNamespace(bit_generator=SimpleNamespace(random_raw=random_raw), left=words)


@pytest.mark.parametrize("dropout", [*RATES, 1 / 3, 1e-4, 0.25, 255 / 256, 1 / 256])
def test_over_all_values_of_a_draw_the_mean_is_exactly_1(dropout: float) -> None:
    bits = bits_of(dropout)
    rng = generator_of_every_draw(bits)
    side = 2 ** (bits // 2)
    r = Masks((side, side), dropout, np.float64).draw(rng, side)
    assert list(rng.left) == []
    assert np.count_nonzero(r) == rounded_q(dropout) * 2**bits
    assert r.mean() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("dropout", RATES)
def test_each_unit_and_each_row_is_drawn_for_itself(dropout: float) -> None:
    kept = draw(4000, 9, dropout, 4000) > 0
    of_four_rows = kept.reshape(-1, 4 * 9)  # which are nine words of four draws
    for draws in (kept, of_four_rows):
        correlation = np.corrcoef(draws.T) - np.eye(draws.shape[1])
        assert np.abs(correlation).max() < 5 / np.sqrt(len(draws))


def test_the_next_mask_is_another_one() -> None:
    masks = Masks((8, 31), 0.5)
    rng = generator()
    first = masks.draw(rng, 8).copy()
    assert (masks.draw(rng, 8) != first).mean() == pytest.approx(0.5, abs=0.2)


@short_batches
def test_the_mask_of_a_short_batch_does_not_depend_on_the_buffers_size(rows: int) -> None:
    np.testing.assert_array_equal(draw(9, 7, 0.4, rows), draw(300, 7, 0.4, rows))


@short_batches
def test_a_short_batch_advances_the_generator_by_its_own_words_alone(rows: int) -> None:
    rng, expected = generator(), generator()
    Masks((9, 7), 0.4).draw(rng, rows)
    expected.bit_generator.random_raw(-(-rows * 7 // 4))  # four draws of 16 bits in a word of 64
    assert rng.bit_generator.state == expected.bit_generator.state


@short_batches
@pytest.mark.parametrize("dropout", [1 / 256, 0.25, 0.5, 0.75, 255 / 256])
def test_a_draw_takes_8_bits_where_q_is_a_multiple_of_1_over_256(dropout: float, rows: int) -> None:
    rng, expected = generator(), generator()
    Masks((9, 7), dropout).draw(rng, rows)
    expected.bit_generator.random_raw(-(-rows * 7 // 8))
    assert rng.bit_generator.state == expected.bit_generator.state


@pytest.mark.parametrize(
    ("dropout", "dtype", "limit"), [(0.5, np.uint8, 2**7), (0.4, np.uint16, 39_322)]
)
def test_a_mask_longer_than_one_draw_of_words_is_the_same_stream_unbroken(
    dropout: float, dtype: type, limit: int
) -> None:
    size = np.dtype(dtype).itemsize
    rows = 8 // size * WORDS // 10 + 50
    n_words = -(-rows * 10 * size // 8)
    assert n_words > WORDS
    words: Any = generator().bit_generator.random_raw(n_words)
    draws = words.astype(np.uint64).view(dtype)[: rows * 10]
    kept = draws.reshape(rows, 10) < limit
    np.testing.assert_array_equal(draw(rows, 10, dropout, rows) > 0, kept)


@dtypes
@pytest.mark.parametrize("dropout", [*RATES, 0.25])
@pytest.mark.parametrize("ends", [(0, 13), (0, 6, 13), (0, 1, 5, 13)], ids=str)
def test_some_columns_are_those_of_the_whole_mask(
    dropout: float, ends: tuple[int, ...], dtype: type
) -> None:
    whole = Masks((9, 13), dropout, dtype)
    rng = generator()
    parts = [Masks((9, 13), dropout, dtype, slice(*cut)) for cut in pairwise(ends)]
    rngs = [generator() for _ in parts]
    for rows in (9, 4, 9):
        expected = whole.draw(rng, rows)
        drawn = [part.draw(own, rows) for part, own in zip(parts, rngs, strict=True)]
        np.testing.assert_array_equal(np.hstack(drawn), expected)
    assert all(own.bit_generator.state == rng.bit_generator.state for own in rngs)


def test_masks_are_drawn_into_one_buffer() -> None:
    masks = Masks((9, 7), 0.4)
    rng = generator()
    address = masks.r.ctypes.data
    assert all(masks.draw(rng, rows).ctypes.data == address for rows in (9, 4, 9))


def test_both_dtypes_drop_the_same_units() -> None:
    single = draw(9, 7, 0.4, 9, np.float32)
    double = draw(9, 7, 0.4, 9, np.float64)
    np.testing.assert_array_equal(single > 0, double > 0)


@pytest.mark.parametrize("dropout", [1 - 1e-6, 1 - 1e-16])
def test_dropping_almost_everything_leaves_a_finite_mask_of_mean_1(dropout: float) -> None:
    r = draw(2000, 1000, dropout, 2000)
    assert set(np.unique(r)) == {0, 2**16}
    assert 0 < np.count_nonzero(r) < 100


def test_dropping_almost_nothing_drops_nothing() -> None:
    assert np.all(draw(500, 100, 1e-6, 500) == 1)


def test_without_dropout_the_mask_is_1_and_no_number_is_drawn() -> None:
    rng = generator()
    assert draw_nothing_dropped(rng, 9) == 1.0
    assert rng.bit_generator.state == generator().bit_generator.state
