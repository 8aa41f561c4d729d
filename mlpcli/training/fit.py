"""Training as a function: a configuration and a data set in, a trained network out; no disk."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import Shape
from mlpcli.config import Config
from mlpcli.datasets.dataset import Dataset
from mlpcli.datasets.loader import BatchLoader
from mlpcli.machine import blas_threads
from mlpcli.model.network import Network
from mlpcli.model.state import Best, Streams, TrainingState
from mlpcli.training.events import StopReason
from mlpcli.training.loop import new_state, train
from mlpcli.training.observers import BestModel, EarlyStopping, Observer, drive

SAMPLE = 1024  # rows that show the size of the inputs


@dataclass(frozen=True)
class Progress:
    """How far training has come: its state, and the best weights so far. Training changes both."""

    state: TrainingState
    best: Best

    def best_network(self) -> Network:
        """The network with the best weights, or as it is if no epoch has ended.

        The best weights replace the network's own.
        """
        if self.best.epoch:
            self.state.network.theta[:] = self.best.theta
        return self.state.network


@dataclass(frozen=True)
class Fitted:
    """What training gave: the network with its best weights, and how training ended.

    `sentence` says why training diverged, if it did; `best_epoch` is 0 if no epoch has ended.
    """

    network: Network
    best_epoch: int
    epochs: int
    stopped: StopReason
    sentence: str


def network_shape(config: Config, data: Dataset) -> Shape:
    """The sizes of the network that a configuration and a data set make."""
    return Shape(data.n_inputs, config.network.hidden, len(data.classes))


def mean_square(config: Config, data: Dataset) -> float:
    """The mean of x² over the inputs of at most SAMPLE training rows, evenly chosen.

    1 if the first weights do not depend on it.
    """
    if config.network.initial != "normal":
        return 1.0
    n_rows = len(data.train)
    step = -(-n_rows // SAMPLE)
    indices = np.arange(0, n_rows, step)
    x = np.empty((len(indices), data.n_inputs), np.float32)
    BatchLoader(data.train, data.preprocessing, len(indices)).fill(indices, x)
    return float(np.square(x).mean(dtype=np.float64)) or 1.0


def begin(config: Config, data: Dataset, streams: Streams | None = None) -> Progress:
    """The progress before the first step.

    Args:
        config: The settings; `seed` gives the random streams.
        data: The rows; their features and classes give the shape of the network.
        streams: The random streams, if they are in use already.
    """
    streams = streams or Streams.from_seed(config.seed)
    size = mean_square(config, data)
    state = new_state(config, network_shape(config, data), streams, mean_square=size)
    return Progress(state, Best(np.copy(state.network.theta)))


def fit(
    config: Config,
    data: Dataset,
    observers: Sequence[Observer] = (),
    progress: Progress | None = None,
    n_processes: int = 1,
) -> Fitted:
    """Train a network, and return it with the weights of its best epoch by validation loss.

    Args:
        config: The settings.
        data: Training, validation and test rows; the test rows are not looked at.
        observers: Called with every event; an answer that is a reason to stop ends training.
        progress: Where to begin, and what is changed as training goes on; a new one if left out.
        n_processes: The processes that share the hidden units.

    Returns:
        The trained network, also if training diverged: `stopped` says so.

    Raises:
        WorkerError: Another process cannot be started, or ended before its time.
    """
    progress = progress or begin(config, data)
    state, best = progress.state, progress.best
    keeping = BestModel(state.network, best)
    stopping = EarlyStopping(config.training.patience, state, best)
    with blas_threads(1):  # one thread for each process
        events = train(state, data, config, n_processes)
        stopped = drive(events, [keeping, stopping, *observers])
    network = progress.best_network()
    return Fitted(network, best.epoch, state.epoch, stopped.reason, stopped.sentence)
