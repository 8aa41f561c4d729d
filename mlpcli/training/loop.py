"""Training: epochs and minibatches, as a generator of events that can be told to stop."""

import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import ALL, Floats, Shape
from mlpcli.config import Config
from mlpcli.datasets.dataset import BatchLoader, Dataset
from mlpcli.model.dropout import Masks, draw_nothing_dropped
from mlpcli.model.metrics import Scores
from mlpcli.model.network import (
    AllReduce,
    Network,
    backward,
    forward,
    gradient,
    initialise,
    mean_loss,
    no_reduce,
    workspace,
)
from mlpcli.model.optimizers import Hyperparameters, Optimizer, limit_norms, rate
from mlpcli.model.state import Streams, TrainingState
from mlpcli.training.events import Answer, BatchDone, EpochDone, Event, Paused, Started, Stopped
from mlpcli.training.forked import ForkedWorkers, even_cuts
from mlpcli.training.scoring import SCORED_TOGETHER, Scorer

HOPELESS = (
    1_000  # an epoch whose mean loss is over this many times ln K, that of guessing, has diverged
)

Draw: TypeAlias = Callable[[np.random.Generator, int], Floats | float]
Events: TypeAlias = Generator[Event, Answer, None]


def new_state(
    config: Config, shape: Shape, seeds: Streams, dtype: DTypeLike = np.float32
) -> TrainingState:
    """A fresh start: initial weights, and an optimizer at rest."""
    network = Network(shape, config.network.activation, dtype)
    initialise(network, seeds.initialise)
    o = config.optimizer
    hyper = Hyperparameters(
        momentum=o.momentum, nesterov=o.nesterov, beta1=o.beta1, beta2=o.beta2, epsilon=o.epsilon
    )
    return TrainingState(
        network, Optimizer(o.name, network, hyper, o.weight_decay), seeds.shuffle, seeds.dropout
    )


@dataclass(frozen=True)
class Share:
    """What one process trains: its own state, which of the hidden units that is, and the sum over all of them."""

    state: TrainingState
    units: slice
    allreduce: AllReduce


def minibatches(rows: int, batch_size: int) -> tuple[int, int]:
    """B, the rows in a minibatch, and how many of them an epoch has, the last short one included."""
    B = min(batch_size, rows)
    return B, -(-rows // B)


class TrainStep:
    """Takes one step after another; owns the buffers, the masks and the feed that steps reuse."""

    def __init__(self, share: Share, data: Dataset, config: Config) -> None:
        state, self.allreduce = share.state, share.allreduce
        shape, dtype, rows = state.network.shape, state.network.theta.dtype, len(data.train)
        self.state, self.config = state, config
        self.B, self.batches = minibatches(rows, config.training.batch_size)
        self.warmup = round(config.optimizer.warmup_epochs * self.batches)
        self.lr = self._rate(state.batch - 1)  # the last step's learning rate
        self.loader = BatchLoader(data.train, data.scaling, self.B)
        self.ws, self.grad = workspace(shape, self.B, dtype), gradient(shape, self.B, dtype)
        last = rows - (self.batches - 1) * self.B
        self.short = self.ws.first(last), self.grad.first(last)
        self.hidden_mask = _mask(
            config.network.dropout, (self.B, config.network.hidden), dtype, share.units
        )
        self.input_mask = _mask(config.network.input_dropout, (self.B, shape.D), dtype, ALL)

    def _rate(self, batch: int) -> float:
        step = self.state.epoch * self.batches + batch
        o = self.config.optimizer
        return o.lr * rate(
            o.schedule, step, self.config.training.epochs * self.batches, self.warmup
        )

    @np.errstate(over="ignore", invalid="ignore")
    def step(self) -> tuple[int, float]:
        """Take the next step; returns its number of rows and their mean loss before it.

        Where that loss is not finite, the weights stay as they are.
        """
        state, settings = self.state, self.config.network
        self.lr = self._rate(state.batch)
        places = state.order[state.batch * self.B : (state.batch + 1) * self.B]
        ws, grad = (self.ws, self.grad) if len(places) == self.B else self.short
        labels = self.loader.fill(places, ws.x)
        active_columns = self.loader.active_columns(len(places))
        if settings.input_dropout:
            ws.x *= self.input_mask(state.dropout, len(places))
        r = self.hidden_mask(state.dropout, len(places))
        forward(state.network, ws.x, r, ws, active_columns, self.allreduce)
        loss = mean_loss(labels, ws)
        if math.isfinite(loss):
            backward(state.network, ws.x, labels, r, ws, grad, settings.l2, active_columns)
            state.optimizer.step(state.network, grad.flat, self.lr)
            if settings.max_norm:
                limit_norms(state.network.W1, settings.max_norm)
        return len(places), loss


def _mask(dropout: float, shape: tuple[int, int], dtype: DTypeLike, part: slice) -> Draw:
    return Masks(shape, dropout, dtype, part).draw if dropout else draw_nothing_dropped


def train(state: TrainingState, data: Dataset, config: Config, processes: int = 1) -> Events:
    """Train from where the state is to the last epoch, or until an event is answered with a reason to stop.

    Yields Started, then BatchDone for each batch and EpochDone for each epoch, then Stopped.
    The state is whole at every yield; with more than one process, at every one but BatchDone.
    """
    if processes == 1:
        return _epochs(Share(state, ALL, no_reduce), data, config)
    return _shared_out(state, data, config, processes)


def _epochs(share: Share, data: Dataset, config: Config) -> Events:
    state = share.state
    train_step, checker = (
        TrainStep(share, data, config),
        Scorer(state.network, data.scaling, data.validation, share.allreduce),
    )
    answer = yield Started(config.training.epochs, train_step.batches)
    stopped = _reason(answer)
    while stopped is None and state.epoch < config.training.epochs:
        stopped = yield from _batches(train_step, len(data.train))
        if stopped is None:
            stopped = yield from _end_epoch(train_step, checker.score(), len(data.train))
    yield stopped or Stopped("finished")


def _shared_out(state: TrainingState, data: Dataset, config: Config, processes: int) -> Events:
    """Train with the hidden units shared out over processes; this one leads, and answers for all."""
    cuts = even_cuts(state.network.shape.H, processes)
    parts = [state.part(units) for units in cuts]
    rows = max(minibatches(len(data.train), config.training.batch_size)[0], SCORED_TOGETHER)
    workers = ForkedWorkers(processes, rows * state.network.shape.K, state.network.theta.dtype)

    def events(rank: int) -> Events:
        return _epochs(Share(parts[rank], cuts[rank], workers.allreduce), data, config)

    try:
        workers.start(lambda rank: deque(events(rank), maxlen=0))
        leading = events(0)
        event = next(leading)
        while not isinstance(event, Stopped):
            event = leading.send((yield event))
            if not isinstance(event, BatchDone):
                workers.barrier()
                state.copy_position(parts[0])
                for part, units in zip(parts, cuts, strict=True):
                    state.gather(part, units)
        yield event
    finally:
        workers.close()


def _batches(train_step: TrainStep, rows: int) -> Generator[Event, Answer, Stopped | None]:
    """The batches that are left of the epoch in progress."""
    state = train_step.state
    if state.batch == 0:
        state.order, state.loss_sum = state.shuffle.permutation(rows), 0.0
    while state.batch < train_step.batches:
        count, loss = train_step.step()
        if not math.isfinite(loss):
            return _diverged(train_step, f"the loss of batch {state.batch + 1} is {loss}")
        state.batch += 1
        state.loss_sum += loss * count
        answer = yield BatchDone(state.epoch + 1, state.batch, count, loss)
        if answer == "pause":
            answer = yield Paused()
        stopped = _reason(answer)
        if stopped:
            return stopped
    return None


def _end_epoch(
    train_step: TrainStep, scores: Scores, rows: int
) -> Generator[Event, Answer, Stopped | None]:
    """Close the epoch: its mean loss, the validation scores, and whether training is still sane."""
    state = train_step.state
    mean = state.loss_sum / rows
    limit = HOPELESS * math.log(train_step.state.network.shape.K)
    if not math.isfinite(scores.loss):
        return _diverged(train_step, f"the validation loss is {scores.loss}")
    if mean > limit:
        return _diverged(
            train_step,
            f"the mean loss is {mean:.3g}, and guessing would give {limit / HOPELESS:.3g}",
        )
    state.epoch, state.batch = state.epoch + 1, 0
    answer = yield EpochDone(state.epoch, mean, scores, train_step.lr, rows)
    return _reason(answer)


def _reason(answer: Answer) -> Stopped | None:
    return None if answer is None or answer == "pause" else Stopped(answer)


def _diverged(train_step: TrainStep, what: str) -> Stopped:
    state, batches = train_step.state, train_step.batches
    batch = min(state.batch + 1, batches)  # a whole epoch is judged after its last batch
    return Stopped(
        "diverged",
        f"Training diverged in epoch {state.epoch + 1}, batch {batch} of {batches}, "
        f"at learning rate {train_step.lr:.3g}: {what}. Try a learning rate of a tenth (optimizer.lr), "
        "a warm-up (optimizer.warmup_epochs), or scaled features (data.scaling).",
    )
