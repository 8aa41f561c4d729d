"""The homework's derivation with its equation 3.4 corrected.

To check it: mlpcli gradcheck --impl examples/homework_corrected.py
"""

import numpy as np


def backward(x, y, r, W1, b1, W2, b2):
    # 3.1  forward
    a = x @ W1 + b1
    h = np.maximum(a, 0) * r
    z = h @ W2 + b2
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)

    # 3.2  logits: softmax minus one-hot label, averaged over the minibatch
    dz = p.copy()
    dz[np.arange(len(y)), y] -= 1
    dz = dz / len(y)

    # 3.3  second layer
    dW2 = h.T @ dz
    db2 = dz.sum(axis=0)

    # 3.4  first layer: through the mask, and through the ReLU, whose derivative is 1 where a > 0
    da = (dz @ W2.T) * r * (a > 0)
    dW1 = x.T @ da
    db1 = da.sum(axis=0)

    return {"z": dz, "W2": dW2, "b2": db2, "a": da, "W1": dW1, "b1": db1}
