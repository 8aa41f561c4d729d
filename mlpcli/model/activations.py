"""The activation functions φ and their derivatives φ′, entry by entry and in place."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mlpcli.arrays import Floats


class Activation(NamedTuple):
    """phi(a, s) writes φ(a) into s; slope(s, out) writes φ′(a) into out, as a function of s = φ(a).

    The two arrays have the same shape, (B,H). φ′ is 0 at the kink of ReLU.
    """

    phi: Callable[[Floats, Floats], object]
    slope: Callable[[Floats, Floats], object]


def _relu(a: Floats, s: Floats) -> None:
    zeros = np.zeros(a.shape[1], a.dtype)  # with the number 0 it takes three times as long
    np.maximum(a, zeros, out=s)


def _relu_slope(s: Floats, out: Floats) -> None:
    np.greater(s, 0, out=out)


def _tanh(a: Floats, s: Floats) -> None:
    np.tanh(a, out=s)


def _tanh_slope(s: Floats, out: Floats) -> None:
    np.multiply(s, s, out=out)
    np.subtract(1, out, out=out)


def _logistic(a: Floats, s: Floats) -> None:
    np.multiply(a, 0.5, out=s)  # 1 / (1 + exp(−a)) = (1 + tanh(a/2)) / 2, which cannot overflow
    np.tanh(s, out=s)
    s += 1
    s *= 0.5


def _logistic_slope(s: Floats, out: Floats) -> None:
    np.subtract(1, s, out=out)
    out *= s


def _identity(a: Floats, s: Floats) -> None:
    np.copyto(s, a)


def _identity_slope(s: Floats, out: Floats) -> None:
    out.fill(1)


ACTIVATIONS = {
    "relu": Activation(_relu, _relu_slope),
    "tanh": Activation(_tanh, _tanh_slope),
    "logistic": Activation(_logistic, _logistic_slope),
    "identity": Activation(_identity, _identity_slope),
}
