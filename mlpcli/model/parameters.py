"""The parameters lie in one flat vector; W1, W2, b1 and b2 are named views of it."""

import numpy as np

from mlpcli.arrays import Floats, Shape

PIECE = 32_768  # numbers handled at a time, so that a sweep over all parameters stays in cache


def views(flat: Floats, shape: Shape) -> tuple[Floats, Floats, Floats, Floats]:
    """The views W1 (D,H), W2 (H,K), b1 (H) and b2 (K) of a flat vector, which lie in that order."""
    D, H, K = shape
    ends = np.cumsum([D * H, H * K, H])
    W1, W2, b1, b2 = np.split(flat, ends)
    return W1.reshape(D, H), W2.reshape(H, K), b1, b2
