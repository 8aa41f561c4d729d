"""MNIST with JAX: one jitted `lax.scan` an epoch, as its documentation advises."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.to98.protocol import Settings, print_accuracy, print_epoch, read_arguments

Params = dict[str, jax.Array]


class State(NamedTuple):
    """What one epoch passes on to the next."""

    params: Params
    velocity: Params
    step: jax.Array
    key: jax.Array


def first_state(settings: Settings) -> State:
    """Uniform weights after He and Glorot, zero biases."""
    H = settings.hidden
    key, first, second = jax.random.split(jax.random.key(0), 3)
    W1 = jax.nn.initializers.he_uniform()(first, (784, H))
    W2 = jax.nn.initializers.glorot_uniform()(second, (H, 10))
    params = {"W1": W1, "b1": jnp.zeros(H), "W2": W2, "b2": jnp.zeros(10)}
    velocity = jax.tree.map(jnp.zeros_like, params)
    return State(params, velocity, jnp.zeros((), jnp.int32), key)


def train_loss(
    params: Params, x: jax.Array, y: jax.Array, key: jax.Array, dropout: float
) -> jax.Array:
    """The mean loss under dropout."""
    h = jax.nn.relu(x @ params["W1"] + params["b1"])
    kept = jax.random.bernoulli(key, 1 - dropout, h.shape)
    h = jnp.where(kept, h / (1 - dropout), 0)
    z = h @ params["W2"] + params["b2"]
    log_p = jax.nn.log_softmax(z)
    losses = -jnp.sum(log_p * jax.nn.one_hot(y, 10), axis=1)
    return jnp.mean(losses)


def momentum(state: State, g: Params, lr: jax.Array) -> tuple[Params, Params]:
    """The weights and velocity after one step of Nesterov's momentum of 0.9."""
    v = jax.tree.map(lambda v, g: 0.9 * v - lr * g, state.velocity, g)
    params = jax.tree.map(lambda p, v, g: p + 0.9 * v - lr * g, state.params, v, g)
    return params, v


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def epoch(
    settings: Settings, state: State, order: jax.Array, x: jax.Array, y: jax.Array
) -> tuple[State, jax.Array]:
    """Train on all minibatches, the last short one included.

    Returns the state, and the mean loss of the whole minibatches.
    """
    B = settings.batch_size
    steps = settings.steps(len(x))
    gradient = jax.value_and_grad(train_loss)

    def step(state: State, indices: jax.Array) -> tuple[State, jax.Array]:
        key, drop = jax.random.split(state.key)
        x_batch = x[indices]
        y_batch = y[indices]
        loss, g = gradient(state.params, x_batch, y_batch, drop, settings.dropout)
        lr = settings.lr * (1 - state.step / steps)
        params, velocity = momentum(state, g, lr)
        return State(params, velocity, state.step + 1, key), loss

    whole = len(x) // B * B
    state, losses = jax.lax.scan(step, state, order[:whole].reshape(-1, B))
    if whole < len(x):
        state, _ = step(state, order[whole:])
    return state, losses.mean()


@jax.jit
def accuracy(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """The share of rows that are classified correctly."""
    h = jax.nn.relu(x @ params["W1"] + params["b1"])
    z = h @ params["W2"] + params["b2"]
    return jnp.mean(z.argmax(axis=1) == y)


def main() -> None:
    """Train and score."""
    settings, rows = read_arguments()
    x, y = jax.device_put((rows.x, rows.y))
    state = first_state(settings)
    rng = np.random.default_rng(0)
    for number in range(1, settings.epochs + 1):
        order = rng.permutation(len(x)).astype(np.int32)
        state, loss = epoch(settings, state, order, x, y)
        print_epoch(number, float(loss))
    print_accuracy(float(accuracy(state.params, rows.x_test, rows.y_test)))


if __name__ == "__main__":
    main()
