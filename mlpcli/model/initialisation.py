"""The first weights: drawn from the size of each layer; biases start at 0.

The draws are float64 for every dtype.
"""

import numpy as np

from mlpcli.model.network import Network


def initialise_uniform(network: Network, rng: np.random.Generator) -> None:
    """Draw W1 and W2 from uniform distributions.

    The limit of W1 is √(6/D) for ReLU (He et al. 2015), all other limits are
    √(6/(fan in + fan out)) (Glorot and Bengio 2010).
    """
    D, H, K = network.shape
    fan = D if network.activation == "relu" else D + H
    network.W1[...] = rng.uniform(-1, 1, (D, H)) * np.sqrt(6 / fan)
    network.W2[...] = rng.uniform(-1, 1, (H, K)) * np.sqrt(6 / (H + K))
    network.b1[...] = 0
    network.b2[...] = 0


def initialise_normal(network: Network, rng: np.random.Generator, mean_square: float) -> None:
    """Draw W1 from N(0, 2/(D mean x²)) and W2 from N(0, 1/H).

    `mean_square` is the mean of x² over the network's inputs: where most of them are 0, as those of
    categories are, the pre-activations keep their size (after He et al. 2015).
    """
    D, H, K = network.shape
    network.W1[...] = rng.normal(size=(D, H)) * np.sqrt(2 / (D * mean_square))
    network.W2[...] = rng.normal(size=(H, K)) * np.sqrt(1 / H)
    network.b1[...] = 0
    network.b2[...] = 0
