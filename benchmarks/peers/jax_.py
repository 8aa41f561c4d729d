"""JAX: a whole epoch, scoring included, is one jitted call with a `lax.scan` over the minibatches.

As its documentation advises: data on the device once, no Python between steps, state donated to the
call that replaces it, no wait before the result is needed. The order of rows comes from NumPy,
which shuffles faster than XLA sorts on a CPU. The last, short minibatch is one more step in the
same compiled function.
"""

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.protocol import EpochTimer, Settings, Task, read_task

Params = dict[str, jax.Array]


class State(NamedTuple):
    """What one epoch passes on to the next."""

    params: Params
    slots: tuple[Params, ...]  # the optimizer's moments
    steps: jax.Array
    key: jax.Array
    best: Params
    best_loss: jax.Array


class Data(NamedTuple):
    """The rows on the device."""

    x: jax.Array
    y: jax.Array
    x_validation: jax.Array
    y_validation: jax.Array


def hidden_layer(params: Params, x: jax.Array) -> jax.Array:
    """The hidden layer, before dropout."""
    return jax.nn.relu(x @ params["W1"] + params["b1"])


def cross_entropy(params: Params, h: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The mean loss and the logits."""
    z = h @ params["W2"] + params["b2"]
    labels = jax.nn.one_hot(y, z.shape[1])
    losses = -jnp.sum(jax.nn.log_softmax(z) * labels, axis=1)
    return jnp.mean(losses), z


def train_loss(
    params: Params, x: jax.Array, y: jax.Array, key: jax.Array, dropout: float
) -> jax.Array:
    """The mean loss under dropout."""
    h = hidden_layer(params, x)
    kept = jax.random.bernoulli(key, 1 - dropout, h.shape)
    h = jnp.where(kept, h / (1 - dropout), 0)
    loss, _ = cross_entropy(params, h, y)
    return loss


def momentum(state: State, g: Params, lr: float) -> tuple[Params, tuple[Params, ...]]:
    """Nesterov's momentum of 0.9."""
    v = jax.tree.map(lambda v, g: 0.9 * v - lr * g, state.slots[0], g)
    params = jax.tree.map(lambda p, v, g: p + 0.9 * v - lr * g, state.params, v, g)
    return params, (v,)


def adam(state: State, g: Params, lr: float) -> tuple[Params, tuple[Params, ...]]:
    """Adam with the constants of its paper."""
    t = state.steps + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.slots[0], g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state.slots[1], g)
    step = lr / (1 - 0.9**t)
    correction = 1 / (1 - 0.999**t)

    def moved(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p - step * m / (jnp.sqrt(v * correction) + 1e-8)

    return jax.tree.map(moved, state.params, m, v), (m, v)


Step = Callable[[State, jax.Array], tuple[State, jax.Array]]
Epoch = Callable[[State, jax.Array, Data], tuple[State, jax.Array, jax.Array]]
RULES = {"momentum": momentum, "adam": adam}
N_SLOTS = {"momentum": 1, "adam": 2}


def make_step(settings: Settings, data: Data) -> Step:
    """The function of one minibatch, as `lax.scan` takes it."""
    rule = RULES[settings.optimizer]
    gradient = jax.value_and_grad(train_loss)

    def step(state: State, indices: jax.Array) -> tuple[State, jax.Array]:
        key, drop = jax.random.split(state.key)
        x = data.x[indices]
        y = data.y[indices]
        loss, g = gradient(state.params, x, y, drop, settings.dropout)
        params, slots = rule(state, g, settings.lr)
        state = state._replace(params=params, slots=slots, steps=state.steps + 1, key=key)
        return state, loss

    return step


def keep_best(state: State, loss: jax.Array) -> State:
    """The state with the weights of the lowest validation loss."""
    better = loss < state.best_loss
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.params, state.best)
    return state._replace(best=best, best_loss=jnp.minimum(loss, state.best_loss))


def compiled_epoch(settings: Settings) -> Epoch:
    """The function of one epoch: returns the state, the validation loss and the accuracy."""
    B = settings.batch_size

    def epoch(state: State, order: jax.Array, data: Data) -> tuple[State, jax.Array, jax.Array]:
        step = make_step(settings, data)
        whole = len(data.x) // B * B
        state, _ = jax.lax.scan(step, state, order[:whole].reshape(-1, B))
        if whole < len(data.x):
            state, _ = step(state, order[whole:])
        h = hidden_layer(state.params, data.x_validation)
        loss, z = cross_entropy(state.params, h, data.y_validation)
        accuracy = jnp.mean(z.argmax(axis=1) == data.y_validation)
        return keep_best(state, loss), loss, accuracy

    compiled: Epoch = jax.jit(epoch, donate_argnums=0)
    return compiled


def first_state(task: Task) -> State:
    """The task's first weights, and an optimizer whose moments are 0."""

    def weights() -> Params:
        return {name: jnp.array(value) for name, value in task.weights.items()}

    settings = task.settings
    zeros = [jax.tree.map(jnp.zeros_like, weights()) for _ in range(N_SLOTS[settings.optimizer])]
    return State(
        params=weights(),
        slots=tuple(zeros),
        steps=jnp.zeros((), jnp.int32),
        key=jax.random.key(settings.seed),
        best=weights(),
        best_loss=jnp.float32(np.inf),
    )


def device_data(task: Task) -> Data:
    """The rows, copied to the device."""
    y = task.y.astype(np.int32)
    y_validation = task.y_validation.astype(np.int32)
    data = Data(task.x, y, task.x_validation, y_validation)
    return Data(*jax.device_put(data))


def use_one_core() -> None:
    """Keep this process on its first core; before JAX makes its pool of threads."""
    first = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, [first])


def main() -> None:
    """Train for as long as epochs are requested."""
    task = read_task()
    if "one core" in sys.argv:
        use_one_core()
    data = device_data(task)
    rng = np.random.default_rng(task.settings.seed)
    epoch = compiled_epoch(task.settings)
    state = first_state(task)
    threads = len(os.sched_getaffinity(0))
    timer = EpochTimer(f"XLA on {jax.default_backend()}, Eigen's pool of {threads} threads")
    while True:
        order = rng.permutation(len(task.x)).astype(np.int32)
        state, loss, accuracy = epoch(state, order, data)
        timer.epoch_done(float(loss), float(accuracy))


if __name__ == "__main__":
    main()
