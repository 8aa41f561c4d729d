"""The buffers of a forward and a backward pass, made once and written in place."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import Floats, Index, Shape
from mlpcli.model.parameters import PIECE, views


@dataclass
class Workspace:
    """The buffers of a forward pass over at most B rows, made once and written in place."""

    x: Floats  # (B,D) the minibatch
    a: Floats  # (B,H) pre-activation
    s: Floats  # (B,H) φ(a)
    h: Floats  # (B,H) φ(a) ⊙ r
    z: Floats  # (B,K) logits
    p: Floats  # (B,K) softmax(z)
    top: Floats  # (B,1) each row's largest logit
    total: Floats  # (B,1) each row's Σ exp(z − top)
    rows: Index  # (B) 0, 1, …, B − 1

    def first(self, n: int) -> "Workspace":
        """The same buffers, cut to their first n rows; views, nothing is copied."""
        return Workspace(**{name: buffer[:n] for name, buffer in vars(self).items()})


@dataclass
class Gradient:
    """The buffers of a backward pass: one flat vector, its views by name, and ∂z, φ′(a) and ∂a."""

    dz: Floats  # (B,K)
    slope: Floats  # (B,H) φ′(a)
    da: Floats  # (B,H)
    flat: Floats  # as long as theta, in its order
    dW1: Floats  # (D,H)
    dW2: Floats  # (H,K)
    db1: Floats  # (H)
    db2: Floats  # (K)
    scratch: Floats  # (PIECE)

    def first(self, n: int) -> "Gradient":
        """The same buffers, with ∂z, φ′(a) and ∂a cut to their first n rows; nothing is copied."""
        return replace(self, dz=self.dz[:n], slope=self.slope[:n], da=self.da[:n])


def workspace(shape: Shape, B: int, dtype: DTypeLike = np.float32) -> Workspace:
    """Buffers for a forward pass over at most B rows."""
    D, H, K = shape
    x, a, s, h, z, p, top, total = (
        np.empty((B, width), dtype) for width in (D, H, H, H, K, K, 1, 1)
    )
    return Workspace(x, a, s, h, z, p, top, total, np.arange(B))


def gradient(shape: Shape, B: int, dtype: DTypeLike = np.float32) -> Gradient:
    """Buffers for a backward pass over at most B rows."""
    dz, slope, da = (np.empty((B, width), dtype) for width in (shape.K, shape.H, shape.H))
    flat = np.zeros(shape.parameters, dtype)
    dW1, dW2, db1, db2 = views(flat, shape)
    return Gradient(dz, slope, da, flat, dW1, dW2, db1, db2, np.empty(PIECE, dtype))
