"""The training loop: epochs and minibatches, as a generator of events that can be told to stop."""

import math
from collections import deque
from collections.abc import Callable, Generator
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from mlpcli.arrays import ALL, Shape
from mlpcli.config import Config
from mlpcli.datasets.dataset import Dataset
from mlpcli.model.initialisation import initialise_normal, initialise_uniform
from mlpcli.model.metrics import Scores
from mlpcli.model.network import AllReduce, Network
from mlpcli.model.optimizers import Hyperparameters, Optimizer
from mlpcli.model.state import Streams, TrainingState
from mlpcli.training.communicator import SingleProcess
from mlpcli.training.events import Answer, BatchDone, EpochDone, Event, Paused, Started, Stopped
from mlpcli.training.forked import ForkedWorkers
from mlpcli.training.resources import SCORING_ROWS, even_slices
from mlpcli.training.scoring import Scorer
from mlpcli.training.step import Shard, TrainStep, minibatches

DIVERGED = 1_000  # a mean loss of more than this many times ln K, the loss of guessing, is hopeless

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
    network = Network(shape, config.network.activation, dtype, config.training.label_smoothing)
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
