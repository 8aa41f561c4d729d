"""Shapes and slices."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli.arrays import Shape, chunks


def test_a_shape_counts_its_weights_and_parameters() -> None:
    shape = Shape(D=7, H=11, K=3)
    assert shape.weights == 7 * 11 + 11 * 3
    assert shape.parameters == 7 * 11 + 11 * 3 + 11 + 3


def test_a_shape_reads_as_its_three_sizes() -> None:
    assert str(Shape(784, 512, 10)) == "784-512-10"


@settings(deadline=None, derandomize=True)
@given(length=st.integers(0, 200), size=st.integers(1, 50))
def test_chunks_cover_a_range_in_order_and_only_the_last_is_short(length: int, size: int) -> None:
    pieces = [np.arange(length)[piece] for piece in chunks(length, size)]
    assert [number for piece in pieces for number in piece] == list(range(length))
    assert all(len(piece) == size for piece in pieces[:-1])
    assert all(0 < len(piece) <= size for piece in pieces)


@settings(deadline=None, derandomize=True)
@given(length=st.integers(0, 200), size=st.integers(1, 50))
def test_chunks_never_reach_past_the_end(length: int, size: int) -> None:
    assert all(0 <= piece.start < piece.stop <= length for piece in chunks(length, size))
