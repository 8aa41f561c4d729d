"""The network: h = φ(x W1 + b1) ⊙ r, softmax(h W2 + b2), and its gradients derived by hand.

B rows in a minibatch, D inputs, H hidden units, K classes.

    equation          batch form                      shape         homework
    pre-activation    a  = x W1 + b1                  (B,H)         3.1
    hidden layer      h  = φ(a) ⊙ r                   (B,H)         3.1
    logits            z  = h W2 + b2                  (B,K)         3.1
    loss              L  = 1/B Σ_rows w · (−Σ_k y_k log softmax(z)_k)
    logits            ∂z = w (softmax(z) − y) / B     (B,K)         3.2
    second layer      ∂W2 = hᵀ ∂z,  ∂b2 = Σ_rows ∂z   (H,K), (K)    3.3
    hidden layer      ∂a = (∂z W2ᵀ) ⊙ r ⊙ φ′(a)       (B,H)         3.4
    first layer       ∂W1 = xᵀ ∂a,  ∂b1 = Σ_rows ∂a   (D,H), (H)    3.4

r is the dropout mask, 0 or 1/q (the float 1.0 if nothing is dropped). w is the weight of a row, 1
without weights. y is (1 − ε) one-hot + ε/K, where ε is the label smoothing, 0 without it.
Smoothing, and weight decay (L2), which adds λ/2 (‖W1‖² + ‖W2‖²), change what is differentiated,
never a reported loss.
docs/derivation.md derives these equations step by step.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import ALL, Floats, Labels, Shape, chunks, shared_zeros
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.model.buffers import Gradient, Workspace
from mlpcli.model.parameters import PIECE, views

Mask: TypeAlias = Floats | float  # r: (B,H), or 1.0 if nothing is dropped
LEAST = 0.1  # of ε: the least probability where smoothing is taken back, so that losses are finite
AllReduce: TypeAlias = Callable[[Floats], None]  # replaces z by its sum over all processes


class Network:
    """The parameters: one flat vector theta, its views W1, W2, b1, b2, and the name of φ.

    `smoothing` is the ε that labels are smoothed by in training: `probabilities` takes it back.
    """

    def __init__(
        self,
        shape: Shape,
        activation: str,
        dtype: DTypeLike = np.float32,
        smoothing: float = 0.0,
    ) -> None:
        self.shape = shape
        self.activation = activation
        self.smoothing = smoothing
        self.theta: Floats = shared_zeros(shape.parameters, dtype)
        self.W1, self.W2, self.b1, self.b2 = views(self.theta, shape)

    def with_parameters(self, theta: Floats) -> "Network":
        """The same network, but with the vector theta for its parameters."""
        network = Network.__new__(Network)
        network.__setstate__((self.shape, self.activation, theta, self.smoothing))
        return network

    def __getstate__(self) -> tuple[Shape, str, Floats, float]:
        return self.shape, self.activation, self.theta, self.smoothing

    def __setstate__(self, state: tuple[Shape, str, Floats, float]) -> None:
        """Make the views anew: views that are copied one by one are views no more."""
        self.shape, self.activation, self.theta, self.smoothing = state
        self.W1, self.W2, self.b1, self.b2 = views(self.theta, self.shape)


def no_reduce(z: Floats) -> None:
    """The allreduce of one process, which has all hidden units: z is their sum already."""


def forward(
    network: Network,
    x: Floats,
    r: Mask,
    ws: Workspace,
    active_columns: slice = ALL,
    allreduce: AllReduce = no_reduce,
) -> None:
    """Compute a, s = φ(a), h and z in the workspace from x (B,D) and the mask r, (B,H) or 1.0.

    Columns of x outside `active_columns` must be 0: they are left out of the product. If the
    network has only a shard of the hidden units, `allreduce` adds h W2 of the other shards to z.
    """
    phi = ACTIVATIONS[network.activation].phi
    np.matmul(x[:, active_columns], network.W1[active_columns], out=ws.a)
    ws.a += network.b1  # a = x W1 + b1
    phi(ws.a, ws.s)
    np.multiply(ws.s, r, out=ws.h)  # h = φ(a) ⊙ r
    np.matmul(ws.h, network.W2, out=ws.z)
    allreduce(ws.z)
    ws.z += network.b2  # z = h W2 + b2


def softmax(ws: Workspace) -> None:
    """Write each row's probabilities into ws.p; leave its largest logit and Σ exp(z − it) in ws."""
    np.maximum.reduce(ws.z, axis=1, keepdims=True, out=ws.top)
    np.subtract(ws.z, ws.top, out=ws.p)
    np.exp(ws.p, out=ws.p)
    np.add.reduce(ws.p, axis=1, keepdims=True, out=ws.total)
    ws.p /= ws.total


def probabilities(network: Network, ws: Workspace) -> None:
    """Write the probabilities of the classes into ws.p, after `forward`.

    They are p = softmax(z), unless labels were smoothed. Then softmax(z) has learnt
    (1 − ε) p + ε/K, and p = (softmax(z) − ε/K) / (1 − ε), at least LEAST ε and scaled to sum to 1.
    """
    softmax(ws)
    smoothing = network.smoothing
    if not smoothing:
        return
    ws.p -= smoothing / network.shape.K
    ws.p /= 1 - smoothing
    np.maximum(ws.p, LEAST * smoothing, out=ws.p)
    np.add.reduce(ws.p, axis=1, keepdims=True, out=ws.total)
    ws.p /= ws.total


def loss_by_row(labels: Labels, ws: Workspace) -> Floats:
    """−log softmax(z)[label] of every row (B), by log-sum-exp; leaves softmax(z) in ws.p."""
    softmax(ws)
    picked = ws.z[ws.rows, labels] - ws.top[:, 0]
    losses: Floats = np.log(ws.total[:, 0]) - picked
    return losses


def mean_loss(labels: Labels, ws: Workspace, weights: Floats | None = None) -> float:
    """L without smoothing, in nats: the mean over rows of w times −log softmax(z)[label].

    weights is w (B). Leaves softmax(z) in ws.p.
    """
    losses = loss_by_row(labels, ws)
    if weights is not None:
        losses *= weights
    total = np.add.reduce(losses, dtype=np.float64)
    return float(total) / len(labels)


def logits_gradient(
    labels: Labels,
    ws: Workspace,
    grad: Gradient,
    weights: Floats | None = None,
    smoothing: float = 0.0,
) -> None:
    """∂z = w (softmax(z) − y) / B: the homework's 3.2. weights is w (B), smoothing is ε."""
    B, K = ws.p.shape
    np.divide(ws.p, B, out=grad.dz)
    if smoothing:
        grad.dz -= smoothing / K / B
    grad.dz[ws.rows, labels] -= (1 - smoothing) / B
    if weights is not None:
        grad.dz *= weights[:, np.newaxis]


def second_layer_gradient(ws: Workspace, grad: Gradient) -> None:
    """∂W2 = hᵀ ∂z and ∂b2 = Σ_rows ∂z: the homework's 3.3."""
    np.matmul(ws.h.T, grad.dz, out=grad.dW2)
    np.add.reduce(grad.dz, axis=0, out=grad.db2)


def hidden_gradient(network: Network, r: Mask, ws: Workspace, grad: Gradient) -> None:
    """∂a = (∂z W2ᵀ) ⊙ r ⊙ φ′(a): the factor φ′(a) is what the homework's printed 3.4 loses."""
    slope = ACTIVATIONS[network.activation].slope
    np.matmul(grad.dz, network.W2.T, out=grad.da)
    grad.da *= r
    slope(ws.s, grad.slope)
    grad.da *= grad.slope


def first_layer_gradient(x: Floats, grad: Gradient, active_columns: slice = ALL) -> None:
    """∂W1 = xᵀ ∂a and ∂b1 = Σ_rows ∂a: the homework's 3.4, with the ∂b1 it leaves out."""
    grad.dW1[: active_columns.start] = 0
    grad.dW1[active_columns.stop :] = 0
    np.matmul(x[:, active_columns].T, grad.da, out=grad.dW1[active_columns])
    np.add.reduce(grad.da, axis=0, out=grad.db1)


def add_weight_decay(network: Network, l2: float, grad: Gradient) -> None:
    """∂W += λ W for both weight matrices; biases are not decayed."""
    for piece in chunks(network.shape.weights, PIECE):
        decay = grad.scratch[: piece.stop - piece.start]
        np.multiply(network.theta[piece], l2, out=decay)
        grad.flat[piece] += decay


def backward(
    network: Network,
    x: Floats,
    labels: Labels,
    r: Mask,
    ws: Workspace,
    grad: Gradient,
    l2: float = 0.0,
    active_columns: slice = ALL,
    weights: Floats | None = None,
    smoothing: float = 0.0,
) -> None:
    """Fill grad with the gradient of L (plus weight decay), after `forward` and `mean_loss`.

    labels is (B); x, r and active_columns are those of `forward`; l2 is λ; weights is w (B), and
    smoothing is ε, from 0 to 1.
    """
    logits_gradient(labels, ws, grad, weights, smoothing)
    second_layer_gradient(ws, grad)
    hidden_gradient(network, r, ws, grad)
    first_layer_gradient(x, grad, active_columns)
    if l2:
        add_weight_decay(network, l2, grad)
