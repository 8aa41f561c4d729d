"""MNIST with JAX: one jitted `lax.scan` an epoch, as its documentation advises; `jax_.py FOLDER [EPOCHS]`."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.to98.shared import Settings, conclude, read_arguments, report

Params = dict[str, jax.Array]


class State(NamedTuple):
    """What an epoch hands to the next."""

    params: Params
    velocity: Params
    step: jax.Array
    key: jax.Array


def start(settings: Settings) -> State:
    """Uniform weights after He and Glorot, zero biases."""
    H, (key, first, second) = settings.hidden, jax.random.split(jax.random.key(0), 3)
    W1 = jax.nn.initializers.he_uniform()(first, (784, H))
    W2 = jax.nn.initializers.glorot_uniform()(second, (H, 10))
    params = {"W1": W1, "b1": jnp.zeros(H), "W2": W2, "b2": jnp.zeros(10)}
    return State(params, jax.tree.map(jnp.zeros_like, params), jnp.zeros((), jnp.int32), key)


def train_loss(
    params: Params, x: jax.Array, y: jax.Array, key: jax.Array, dropout: float
) -> jax.Array:
    """The mean loss under dropout."""
    h = jax.nn.relu(x @ params["W1"] + params["b1"])
    h = jnp.where(jax.random.bernoulli(key, 1 - dropout, h.shape), h / (1 - dropout), 0)
    log_p = jax.nn.log_softmax(h @ params["W2"] + params["b2"])
    return -jnp.mean(jnp.sum(log_p * jax.nn.one_hot(y, 10), axis=1))


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def epoch(
    settings: Settings, state: State, order: jax.Array, x: jax.Array, y: jax.Array
) -> tuple[State, jax.Array]:
    """All minibatches, the last short one included; returns the mean loss of the others with the state."""
    B = settings.batch_size
    steps = settings.epochs * -(-len(x) // B)

    def step(state: State, places: jax.Array) -> tuple[State, jax.Array]:
        key, drop = jax.random.split(state.key)
        loss, g = jax.value_and_grad(train_loss)(
            state.params, x[places], y[places], drop, settings.dropout
        )
        lr = settings.lr * (1 - state.step / steps)
        v = jax.tree.map(lambda v, g: 0.9 * v - lr * g, state.velocity, g)
        params = jax.tree.map(lambda p, v, g: p + 0.9 * v - lr * g, state.params, v, g)
        return State(params, v, state.step + 1, key), loss

    whole = len(x) // B * B
    state, losses = jax.lax.scan(step, state, order[:whole].reshape(-1, B))
    if whole < len(x):
        state, _ = step(state, order[whole:])
    return state, losses.mean()


@jax.jit
def accuracy(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """The share of rows given their own label."""
    z = jax.nn.relu(x @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"]
    return jnp.mean(z.argmax(axis=1) == y)


def main() -> None:
    """Train and score."""
    settings, rows = read_arguments()
    x, y = jax.device_put((rows.x, rows.y))
    state, stream = start(settings), np.random.default_rng(0)
    for number in range(1, settings.epochs + 1):
        state, loss = epoch(settings, state, stream.permutation(len(x)).astype(np.int32), x, y)
        report(number, float(loss))
    conclude(float(accuracy(state.params, rows.x_test, rows.y_test)))


if __name__ == "__main__":
    main()
