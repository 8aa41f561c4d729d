"""JAX: the probabilities by one jitted function, pieces on the device before the clock starts, one wait at the end."""

import jax
import numpy as np

from benchmarks.score.protocol import read_pieces, serve, weights


@jax.jit
def probabilities(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """Softmax of the logits."""
    return jax.nn.softmax(
        jax.nn.relu(x @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"]
    )


def main() -> None:
    """Score as often as asked."""
    pieces, params = [jax.device_put(piece) for piece in read_pieces()], jax.device_put(weights())
    serve(
        lambda: [np.asarray(p) for p in [probabilities(params, piece) for piece in pieces]], "XLA"
    )


if __name__ == "__main__":
    main()
