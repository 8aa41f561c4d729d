"""The activation functions and their derivatives, against SciPy, the oracle and complex steps."""

from typing import get_args

import numpy as np
import pytest
from scipy.special import expit

from mlpcli.arrays import Floats
from mlpcli.config import Net
from mlpcli.model.activations import ACTIVATIONS
from tests.support import reference

POINTS = np.array([[-3.0, -0.5, -1e-3], [1e-3, 0.5, 3.0]])
activations = pytest.mark.parametrize("activation", list(ACTIVATIONS))


@activations
def test_an_activation_equals_the_reference(activation: str) -> None:
    s = np.empty_like(POINTS)
    ACTIVATIONS[activation].phi(POINTS, s)
    np.testing.assert_allclose(s, reference.PHI[activation](POINTS), rtol=1e-12)


@activations
def test_a_slope_is_the_derivative_of_its_function(activation: str) -> None:
    phi, slope = ACTIVATIONS[activation]
    s = np.empty_like(POINTS)
    out = np.empty_like(POINTS)
    phi(POINTS, s)
    slope(s, out)
    derivative = reference.PHI[activation](POINTS + 1e-200j).imag / 1e-200
    np.testing.assert_allclose(out, derivative, rtol=1e-12, atol=1e-12)


def test_relu_takes_slope_zero_at_its_kink() -> None:
    phi, slope = ACTIVATIONS["relu"]
    s = np.empty((1, 2))
    out = np.empty((1, 2))
    phi(np.array([[0.0, -0.0]]), s)
    slope(s, out)
    assert np.all(out == 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_logistic_function_equals_scipys_and_never_overflows(dtype: type) -> None:
    a: Floats = np.concatenate([np.linspace(-50, 50, 1001), [-1e30, 1e30]]).astype(dtype)
    s = np.empty_like(a)
    ACTIVATIONS["logistic"].phi(a, s)
    np.testing.assert_allclose(s, expit(a), rtol=0, atol=2 * float(np.finfo(dtype).eps))


def test_the_configuration_takes_every_activation_and_no_other() -> None:
    assert get_args(Net.model_fields["activation"].annotation) == tuple(ACTIVATIONS)
