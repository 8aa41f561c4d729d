"""Shapes, slices and shared memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli.arrays import ALL, Shape, chunks, shared_zeros

lengths = given(length=st.integers(0, 200), size=st.integers(1, 50))


def test_a_shape_counts_its_weights_and_parameters() -> None:
    shape = Shape(D=7, H=11, K=3)
    assert shape.weights == 7 * 11 + 11 * 3
    assert shape.parameters == 7 * 11 + 11 * 3 + 11 + 3


def test_a_shape_reads_as_its_three_sizes() -> None:
    assert str(Shape(784, 512, 10)) == "784-512-10"


@pytest.mark.parametrize("length", [0, 1, 5])
def test_all_is_the_whole_of_an_axis_with_a_start_and_a_stop(length: int) -> None:
    axis = np.arange(length)
    np.testing.assert_array_equal(axis[ALL], axis)
    assert len(axis[: ALL.start]) == len(axis[ALL.stop :]) == 0


@settings(deadline=None, derandomize=True)
@lengths
def test_chunks_cover_a_range_in_order_and_only_the_last_is_short(length: int, size: int) -> None:
    pieces = [np.arange(length)[chunk] for chunk in chunks(length, size)]
    covered = [number for piece in pieces for number in piece]
    assert covered == list(range(length))
    assert all(len(piece) == size for piece in pieces[:-1])
    assert all(0 < len(piece) <= size for piece in pieces)


@settings(deadline=None, derandomize=True)
@lengths
def test_chunks_never_reach_past_the_end(length: int, size: int) -> None:
    assert all(0 <= chunk.start < chunk.stop <= length for chunk in chunks(length, size))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shared_memory_begins_with_zeros_and_can_be_written_to(dtype: type) -> None:
    vector = shared_zeros(1000, dtype)
    assert vector.dtype == dtype
    np.testing.assert_array_equal(vector, np.zeros(1000))
    vector[:] = 7
    assert np.all(vector == 7)
