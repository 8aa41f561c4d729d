"""One step of training: a minibatch, its loss and gradient, and the weights moved once."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import ALL, Floats
from mlpcli.config import Config
from mlpcli.datasets.dataset import Dataset
from mlpcli.datasets.loader import BatchLoader
from mlpcli.model.buffers import gradient, workspace
from mlpcli.model.dropout import Masks, draw_nothing_dropped
from mlpcli.model.network import backward, forward, mean_loss
from mlpcli.model.optimizers import limit_norms
from mlpcli.model.schedules import rate
from mlpcli.model.state import TrainingState
from mlpcli.training.communicator import Communicator

DrawMask: TypeAlias = Callable[[np.random.Generator, int], Floats | float]


def minibatches(n_rows: int, batch_size: int) -> tuple[int, int]:
    """B, the rows in a minibatch, and the minibatches in an epoch, a shorter last one included."""
    B = min(batch_size, n_rows)
    return B, -(-n_rows // B)


@dataclass(frozen=True)
class Shard:
    """What one process trains: some of the hidden units, with a state of their own."""

    state: TrainingState
    units: slice
    communicator: Communicator


class TrainStep:
    """Takes one step after another; owns the buffers, masks and loader that all steps share."""

    def __init__(self, shard: Shard, data: Dataset, config: Config) -> None:
        state = shard.state
        shape, dtype = state.network.shape, state.network.theta.dtype
        n_rows = len(data.train)
        self.state = state
        self.config = config
        self.allreduce = shard.communicator.allreduce
        self.B, self.batches = minibatches(n_rows, config.training.batch_size)
        self.warmup = round(config.optimizer.warmup_epochs * self.batches)
        self.lr = self._learning_rate(state.batch - 1)  # of the last step
        self.loader = BatchLoader(data.train, data.preprocessing, self.B)
        self.ws = workspace(shape, self.B, dtype)
        self.grad = gradient(shape, self.B, dtype)
        n_last = n_rows - (self.batches - 1) * self.B
        self.last_ws = self.ws.first(n_last)
        self.last_grad = self.grad.first(n_last)
        settings = config.network
        self.hidden_mask = _mask(settings.dropout, (self.B, settings.hidden), dtype, shard.units)
        self.input_mask = _mask(settings.input_dropout, (self.B, shape.D), dtype, ALL)

    def _learning_rate(self, batch: int) -> float:
        settings = self.config.optimizer
        step = self.state.epoch * self.batches + batch
        steps = self.config.training.epochs * self.batches
        return settings.lr * rate(settings.schedule, step, steps, self.warmup)

    def _next_rows(self) -> np.ndarray:
        """The indices of the next minibatch's rows among the training rows."""
        start = self.state.batch * self.B
        return self.state.order[start : start + self.B]

    @np.errstate(over="ignore", invalid="ignore")
    def step(self) -> tuple[int, float]:
        """Take the next step; returns its number of rows and their mean loss before it.

        If that loss is not finite, the weights stay as they are.
        """
        state, settings = self.state, self.config.network
        self.lr = self._learning_rate(state.batch)
        indices = self._next_rows()
        n = len(indices)
        ws, grad = (self.ws, self.grad) if n == self.B else (self.last_ws, self.last_grad)
        labels = self.loader.fill(indices, ws.x)
        active_columns = self.loader.active_columns(n)
        if settings.input_dropout:
            ws.x *= self.input_mask(state.dropout, n)
        r = self.hidden_mask(state.dropout, n)
        forward(state.network, ws.x, r, ws, active_columns, self.allreduce)
        weights = self.loader.weights(indices)
        loss = mean_loss(labels, ws, weights)
        if math.isfinite(loss):
            smoothing = self.config.training.label_smoothing
            backward(
                state.network,
                ws.x,
                labels,
                r,
                ws,
                grad,
                settings.l2,
                active_columns,
                weights=weights,
                smoothing=smoothing,
            )
            state.optimizer.step(state.network, grad.flat, self.lr)
            if settings.max_norm:
                limit_norms(state.network.W1, settings.max_norm)
        return n, loss


def _mask(dropout: float, shape: tuple[int, int], dtype: DTypeLike, columns: slice) -> DrawMask:
    """The function that draws the masks of a layer, or the one that draws r = 1."""
    if not dropout:
        return draw_nothing_dropped
    return Masks(shape, dropout, dtype, columns).draw
