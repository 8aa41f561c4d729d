"""The views of the flat vector."""

import numpy as np

from mlpcli.arrays import Shape
from mlpcli.model.parameters import views
from tests.support import reference

SHAPE = Shape(7, 11, 3)


def test_the_views_lie_in_the_flat_vector_in_the_order_W1_W2_b1_b2() -> None:
    flat = np.arange(float(SHAPE.parameters))
    for view, expected in zip(views(flat, SHAPE), reference.unflat(flat, *SHAPE), strict=True):
        np.testing.assert_array_equal(view, expected)


def test_writing_to_the_views_writes_all_of_the_flat_vector() -> None:
    flat = np.zeros(SHAPE.parameters)
    for view in views(flat, SHAPE):
        view += 1
    assert np.all(flat == 1)
