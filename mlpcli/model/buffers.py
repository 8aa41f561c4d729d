"""The arrays that a forward and a backward pass write into: made once, used for every minibatch."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import Floats, Index, Shape
from mlpcli.model.parameters import PIECE, views


@dataclass
class Workspace:
    """The buffers of a forward pass over at most B rows."""

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
        """The first n rows of the same buffers, as views."""
        cut = {name: buffer[:n] for name, buffer in vars(self).items()}
        return Workspace(**cut)


@dataclass
class Gradient:
    """The buffers of a backward pass over at most B rows; dW1, dW2, db1, db2 are views of flat."""

    dz: Floats  # (B,K) ∂z
    slope: Floats  # (B,H) φ′(a)
    da: Floats  # (B,H) ∂a
    flat: Floats  # all four gradients, in the order of theta
    dW1: Floats  # (D,H)
    dW2: Floats  # (H,K)
    db1: Floats  # (H)
    db2: Floats  # (K)
    scratch: Floats  # (PIECE)

    def first(self, n: int) -> "Gradient":
        """The same buffers, with the first n rows of ∂z, φ′(a) and ∂a, as views."""
        return replace(self, dz=self.dz[:n], slope=self.slope[:n], da=self.da[:n])


def workspace(shape: Shape, B: int, dtype: DTypeLike = np.float32) -> Workspace:
    """Make the buffers of a forward pass over at most B rows; what they hold is arbitrary."""
    D, H, K = shape
    return Workspace(
        x=np.empty((B, D), dtype),
        a=np.empty((B, H), dtype),
        s=np.empty((B, H), dtype),
        h=np.empty((B, H), dtype),
        z=np.empty((B, K), dtype),
        p=np.empty((B, K), dtype),
        top=np.empty((B, 1), dtype),
        total=np.empty((B, 1), dtype),
        rows=np.arange(B),
    )


def gradient(shape: Shape, B: int, dtype: DTypeLike = np.float32) -> Gradient:
    """Make the buffers of a backward pass over at most B rows; the flat gradient is 0 at first."""
    _, H, K = shape
    flat = np.zeros(shape.parameters, dtype)
    dW1, dW2, db1, db2 = views(flat, shape)
    return Gradient(
        dz=np.empty((B, K), dtype),
        slope=np.empty((B, H), dtype),
        da=np.empty((B, H), dtype),
        flat=flat,
        dW1=dW1,
        dW2=dW2,
        db1=db1,
        db2=db2,
        scratch=np.empty(PIECE, dtype),
    )
