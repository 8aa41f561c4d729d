"""The buffers: their shapes, and their first rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Shape
from mlpcli.model.buffers import gradient, workspace
from tests.support import reference

B, D, H, K = 5, 7, 11, 3
SHAPE = Shape(D, H, K)
makers = pytest.mark.parametrize("make", [workspace, gradient])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_buffers_of_a_forward_pass_have_the_shapes_of_its_equations(dtype: type) -> None:
    shapes = {
        "x": (B, D),
        "a": (B, H),
        "s": (B, H),
        "h": (B, H),
        "z": (B, K),
        "p": (B, K),
        "top": (B, 1),
        "total": (B, 1),
    }
    buffers = vars(workspace(SHAPE, B, dtype))
    np.testing.assert_array_equal(buffers.pop("rows"), np.arange(B))
    assert {name: buffer.shape for name, buffer in buffers.items()} == shapes
    assert all(buffer.dtype == dtype for buffer in buffers.values())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_buffers_of_a_backward_pass_have_the_shapes_of_its_equations(dtype: type) -> None:
    grad = gradient(SHAPE, B, dtype)
    assert grad.dz.shape == (B, K)
    assert grad.slope.shape == grad.da.shape == (B, H)
    assert grad.flat.shape == (SHAPE.parameters,)
    assert all(buffer.dtype == dtype for buffer in vars(grad).values())


def test_the_gradients_are_views_of_the_flat_one_in_the_order_of_theta() -> None:
    grad = gradient(SHAPE, B)
    grad.flat[:] = np.arange(SHAPE.parameters)
    expected = reference.unflat(grad.flat, D, H, K)
    for name in ("W1", "W2", "b1", "b2"):
        np.testing.assert_array_equal(getattr(grad, "d" + name), getattr(expected, name))


@makers
def test_the_first_rows_of_a_buffer_are_views_of_it(make: Callable[..., Any]) -> None:
    whole = make(SHAPE, B)
    for name, first in vars(whole.first(2)).items():
        assert np.shares_memory(first, getattr(whole, name)), name


def test_only_buffers_with_a_row_for_each_example_are_cut() -> None:
    assert all(len(buffer) == 2 for buffer in vars(workspace(SHAPE, B).first(2)).values())
    whole = vars(gradient(SHAPE, B))
    first = vars(gradient(SHAPE, B).first(2))
    cut = {name for name, buffer in first.items() if buffer.shape != whole[name].shape}
    assert cut == {"dz", "slope", "da"}
    assert all(len(first[name]) == 2 for name in cut)
