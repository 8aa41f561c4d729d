"""JAX: a whole epoch, scoring included, is one jitted call with a `lax.scan` over the minibatches.

As its documentation advises: data on the device once, no Python between steps, state donated to the call that
replaces it, no wait before the result is needed. The order of rows comes from NumPy, which shuffles faster than XLA
sorts on a CPU; the last, short minibatch is one more step in the same compiled function.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.protocol import Settings, Task, Turns, read_task

Params = dict[str, jax.Array]


class State(NamedTuple):
    """What an epoch hands to the next."""

    params: Params
    slots: tuple[Params, ...]  # the optimizer's moments
    steps: jax.Array
    key: jax.Array
    best: Params
    best_loss: jax.Array


def hidden(params: Params, x: jax.Array) -> jax.Array:
    """The hidden layer, before dropout."""
    return jax.nn.relu(x @ params["W1"] + params["b1"])


def cross_entropy(params: Params, h: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The mean loss and the logits."""
    z = h @ params["W2"] + params["b2"]
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(z) * jax.nn.one_hot(y, z.shape[1]), axis=1)), z


def train_loss(
    params: Params, x: jax.Array, y: jax.Array, key: jax.Array, dropout: float
) -> jax.Array:
    """The mean loss under dropout."""
    h = hidden(params, x)
    kept = jax.random.bernoulli(key, 1 - dropout, h.shape)
    return cross_entropy(params, jnp.where(kept, h / (1 - dropout), 0), y)[0]


def momentum(state: State, g: Params, lr: float) -> tuple[Params, tuple[Params, ...]]:
    """Nesterov's momentum of 0.9."""
    v = jax.tree.map(lambda v, g: 0.9 * v - lr * g, state.slots[0], g)
    return jax.tree.map(lambda p, v, g: p + 0.9 * v - lr * g, state.params, v, g), (v,)


def adam(state: State, g: Params, lr: float) -> tuple[Params, tuple[Params, ...]]:
    """Adam with its authors' constants."""
    t = state.steps + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.slots[0], g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state.slots[1], g)
    size, root = lr / (1 - 0.9**t), 1 / (1 - 0.999**t)
    return jax.tree.map(
        lambda p, m, v: p - size * m / (jnp.sqrt(v * root) + 1e-8), state.params, m, v
    ), (m, v)


RULES = {"momentum": (momentum, 1), "adam": (adam, 2)}


def compiled_epoch(settings: Settings) -> Callable[..., tuple[State, jax.Array, jax.Array]]:
    """The function that takes a state through an epoch; returns it with validation loss and accuracy."""
    rule, B = RULES[settings.optimizer][0], settings.batch_size

    def epoch(
        state: State, order: jax.Array, rows: tuple[jax.Array, ...]
    ) -> tuple[State, jax.Array, jax.Array]:
        x, y, x_validation, y_validation = rows

        def step(state: State, places: jax.Array) -> tuple[State, jax.Array]:
            key, drop = jax.random.split(state.key)
            loss, g = jax.value_and_grad(train_loss)(
                state.params, x[places], y[places], drop, settings.dropout
            )
            params, slots = rule(state, g, settings.lr)
            return state._replace(params=params, slots=slots, steps=state.steps + 1, key=key), loss

        whole = len(x) // B * B
        state, _ = jax.lax.scan(step, state, order[:whole].reshape(-1, B))
        if whole < len(x):
            state, _ = step(state, order[whole:])
        loss, z = cross_entropy(state.params, hidden(state.params, x_validation), y_validation)
        better = loss < state.best_loss
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.params, state.best)
        state = state._replace(best=best, best_loss=jnp.minimum(loss, state.best_loss))
        return state, loss, jnp.mean(z.argmax(axis=1) == y_validation)

    return jax.jit(epoch, donate_argnums=0)


def first_state(task: Task) -> State:
    """The start: the weights of everybody, and an optimizer at rest."""

    def copy() -> Params:
        return {name: jnp.array(value) for name, value in task.weights.items()}

    slots = tuple(
        jax.tree.map(jnp.zeros_like, copy()) for _ in range(RULES[task.settings.optimizer][1])
    )
    return State(
        copy(),
        slots,
        jnp.zeros((), jnp.int32),
        jax.random.key(task.settings.seed),
        copy(),
        jnp.float32(np.inf),
    )


def main() -> None:
    """Train as long as asked."""
    task = read_task()
    if "one core" in sys.argv:
        os.sched_setaffinity(
            0, sorted(os.sched_getaffinity(0))[:1]
        )  # before JAX makes its pool of threads
    rows: Any = jax.device_put(
        (task.x, task.y.astype(np.int32), task.x_validation, task.y_validation.astype(np.int32))
    )
    stream, epoch, state = (
        np.random.default_rng(task.settings.seed),
        compiled_epoch(task.settings),
        first_state(task),
    )
    turns = Turns(
        f"XLA on {jax.default_backend()}, Eigen's pool of {len(os.sched_getaffinity(0))} threads"
    )
    while True:
        state, loss, accuracy = epoch(state, stream.permutation(len(task.x)).astype(np.int32), rows)
        turns.epoch_done(float(loss), float(accuracy))


if __name__ == "__main__":
    main()
