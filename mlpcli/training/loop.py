"""The training loop: epochs and minibatches, as a generator of events that can be told to stop."""

import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import ALL, Floats, Shape
from mlpcli.config import Config
from mlpcli.datasets.dataset import Dataset
from mlpcli.datasets.loader import BatchLoader
from mlpcli.model.buffers import gradient, workspace
from mlpcli.model.dropout import Masks, draw_nothing_dropped
from mlpcli.model.initialisation import initialise_normal, initialise_uniform
from mlpcli.model.metrics import Scores
from mlpcli.model.network import AllReduce, Network, backward, forward, mean_loss
from mlpcli.model.optimizers import Hyperparameters, Optimizer, limit_norms
from mlpcli.model.schedules import rate
from mlpcli.model.state import Streams, TrainingState
from mlpcli.training.communicator import Communicator, SingleProcess
from mlpcli.training.events import Answer, BatchDone, EpochDone, Event, Paused, Started, Stopped
from mlpcli.training.forked import ForkedWorkers
from mlpcli.training.resources import SCORING_ROWS, even_slices
from mlpcli.training.scoring import Scorer

DIVERGED = 1_000  # a mean loss of more than this many times ln K, the loss of guessing, is hopeless

DrawMask: TypeAlias = Callable[[np.random.Generator, int], Floats | float]
Events: TypeAlias = Generator[Event, Answer, None]


def new_state(
    config: Config,
    shape: Shape,
    streams: Streams,
    dtype: DTypeLike = np.float32,
    mean_square: float = 1.0,
) -> TrainingState:
    """The state before the first step: initial weights, and an optimizer whose moments are 0.

    `mean_square` is the mean of x² over the inputs, for weights that go by it.
    """
    network = Network(shape, config.network.activation, dtype)
    if config.network.initial == "normal":
        initialise_normal(network, streams.initialise, mean_square)
    else:
        initialise_uniform(network, streams.initialise)
    settings = config.optimizer
    constants = Hyperparameters(
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        beta1=settings.beta1,
        beta2=settings.beta2,
        epsilon=settings.epsilon,
    )
    optimizer = Optimizer(settings.name, network, constants, settings.weight_decay)
    return TrainingState(network, optimizer, streams.shuffle, streams.dropout)


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


def train(state: TrainingState, data: Dataset, config: Config, n_processes: int = 1) -> Events:
    """Train from where the state is to the last epoch, or until an answer is a reason to stop.

    Yields Started, then BatchDone for each minibatch and EpochDone for each epoch, then Stopped.
    The state is complete at every event; with several processes, at every one but BatchDone.
    Raises WorkerError if another process cannot be started, or ends before its time.
    """
    if n_processes == 1:
        return _epochs(Shard(state, ALL, SingleProcess()), data, config)
    return _in_processes(state, data, config, n_processes)


def _epochs(shard: Shard, data: Dataset, config: Config) -> Events:
    """All epochs of one process."""
    state, allreduce = shard.state, shard.communicator.allreduce
    train_step = TrainStep(shard, data, config)
    score = _scoring(state.network, data, allreduce)
    answer = yield Started(config.training.epochs, train_step.batches)
    stopped = _reason_to_stop(answer)
    while stopped is None and state.epoch < config.training.epochs:
        stopped = yield from _batches(train_step, len(data.train))
        if stopped is None:
            stopped = yield from _end_epoch(train_step, score(), len(data.train))
    yield stopped or Stopped("finished")


def _scoring(network: Network, data: Dataset, allreduce: AllReduce) -> Callable[[], Scores | None]:
    """The function that scores the validation rows, or gives None if there are none."""
    if not len(data.validation):
        return lambda: None
    return Scorer(network, data.preprocessing, data.validation, allreduce).score


def _in_processes(state: TrainingState, data: Dataset, config: Config, size: int) -> Events:
    """Train with the hidden units shared out over processes; rank 0 answers for all."""
    units = even_slices(state.network.shape.H, size)
    states = [state.shard(part) for part in units]
    n_rows = max(minibatches(len(data.train), config.training.batch_size)[0], SCORING_ROWS)
    workers = ForkedWorkers(size, n_rows * state.network.shape.K, state.network.theta.dtype)

    def events(rank: int) -> Events:
        return _epochs(Shard(states[rank], units[rank], workers), data, config)

    def gather() -> None:
        workers.barrier()
        state.copy_position(states[0])
        for part, its_units in zip(states, units, strict=True):
            state.gather(part, its_units)

    try:
        workers.start(lambda rank: deque(events(rank), maxlen=0))
        leading = events(0)
        event = next(leading)
        while not isinstance(event, Stopped):
            answer = yield event
            event = leading.send(answer)
            if not isinstance(event, BatchDone):
                gather()
        yield event
    finally:
        workers.close()


def _batches(train_step: TrainStep, n_rows: int) -> Generator[Event, Answer, Stopped | None]:
    """The minibatches that are left of the epoch in progress."""
    state = train_step.state
    if state.batch == 0:
        state.order = state.shuffle.permutation(n_rows)
        state.loss_sum = 0.0
    while state.batch < train_step.batches:
        n, loss = train_step.step()
        if not math.isfinite(loss):
            return _diverged(train_step, f"the loss of batch {state.batch + 1} is {loss}")
        state.batch += 1
        state.loss_sum += loss * n
        answer = yield BatchDone(state.epoch + 1, state.batch, n, loss)
        if answer == "pause":
            answer = yield Paused()
        stopped = _reason_to_stop(answer)
        if stopped:
            return stopped
    return None


def _end_epoch(
    train_step: TrainStep, scores: Scores | None, n_rows: int
) -> Generator[Event, Answer, Stopped | None]:
    """End an epoch: its mean loss and the validation scores, or Stopped if training diverged."""
    state = train_step.state
    mean = state.loss_sum / n_rows
    guessing = math.log(state.network.shape.K)
    if scores and not math.isfinite(scores.loss):
        return _diverged(train_step, f"the validation loss is {scores.loss}")
    if mean > DIVERGED * guessing:
        return _diverged(
            train_step, f"the mean loss is {mean:.3g}, and guessing would give {guessing:.3g}"
        )
    state.epoch += 1
    state.batch = 0
    answer = yield EpochDone(state.epoch, mean, scores, train_step.lr, n_rows)
    return _reason_to_stop(answer)


def _reason_to_stop(answer: Answer) -> Stopped | None:
    if answer is None or answer == "pause":
        return None
    return Stopped(answer)


def _diverged(train_step: TrainStep, cause: str) -> Stopped:
    state, batches = train_step.state, train_step.batches
    batch = min(state.batch + 1, batches)  # an epoch is judged after its last minibatch
    return Stopped(
        "diverged",
        f"Training diverged in epoch {state.epoch + 1}, batch {batch} of {batches}, "
        f"at learning rate {train_step.lr:.3g}: {cause}. Try a learning rate of a tenth "
        "(optimizer.lr), a warm-up (optimizer.warmup_epochs), or scaled features (data.scaling).",
    )
