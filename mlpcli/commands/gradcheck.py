"""The check of this package's own gradients: on small cases, and at the configuration's size."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from mlpcli.arrays import Floats, Index, Labels, Shape
from mlpcli.commands.data import load_new
from mlpcli.config import Config
from mlpcli.datasets.dataset import Dataset
from mlpcli.datasets.loader import BatchLoader
from mlpcli.errors import CheckError
from mlpcli.gradcheck.cases import coverage, small_case
from mlpcli.gradcheck.complex_step import Case, true_gradients
from mlpcli.gradcheck.cross_checks import CrossCheck, cross_check
from mlpcli.gradcheck.network_check import Check, check_directions, check_entries
from mlpcli.gradcheck.verdict import TOLERANCE
from mlpcli.machine import available_memory
from mlpcli.messages import SCHEMA, Notify, size_in_words
from mlpcli.model.dropout import Masks
from mlpcli.model.network import Network
from mlpcli.model.state import Streams
from mlpcli.training.events import Stopped
from mlpcli.training.fit import mean_square
from mlpcli.training.loop import new_state, train
from mlpcli.training.step import minibatches

N_EVENTS = 30  # of training, one a minibatch, after which weights count as trained
N_VECTORS = 14  # as long as theta, that the check allocates at its peak (measured)
N_BUFFERS = 20  # of the size of a minibatch's x, a and z together
BIAS_SCALE = 0.1  # standard deviation of the fresh b2: at 0, a missing b2 might go unnoticed


class Minibatch(NamedTuple):
    """The rows of a case, in float64."""

    x: Floats  # (B,D)
    labels: Labels  # (B)
    r: Floats  # (B,H) the dropout mask
    weights: Floats | None  # (B) of the rows, if they have any


@dataclass(frozen=True)
class NetworkReport:
    """All checks of model/network.py, and the cross-checks of the true gradients."""

    checks: list[Check]  # in pairs: each case in float64, then in float32
    cross_checks: list[CrossCheck]  # one for each small case
    seed: int

    @property
    def passed(self) -> bool:
        """Whether every equation of every check is right."""
        return all(check.passed for check in self.checks)

    def document(self) -> dict[str, Any]:
        """The report for `--json`."""
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "checks": [_document(check) for check in self.checks],
        }


def _document(check: Check) -> dict[str, Any]:
    return {
        "activation": check.activation,
        "dtype": check.dtype,
        "case": check.case,
        "passed": check.passed,
        "equations": [verdict.document() for verdict in check.equations],
        "coverage": asdict(check.coverage),
    }


def check_network(config: Config, activations: tuple[str, ...], notify: Notify) -> NetworkReport:
    """Check the gradients of model/network.py, in float64 and float32.

    Small cases of each activation are checked entry by entry; the configuration's network, on a
    minibatch of its data, along random directions. Raises DataError if the data cannot be read,
    and CheckError if a case would prove nothing or the checker contradicts itself.
    """
    rng = np.random.default_rng(config.seed)
    checks: list[Check] = []
    cross_checks = []
    for activation in activations:
        for case in _small_cases(activation, config.seed):
            cross_checks.append(cross_check(case, true_gradients(case), rng))
            checks += [check_entries(case, dtype) for dtype in TOLERANCE]
    try:
        for case in _data_cases(config, notify):
            checks += [check_directions(case, dtype, rng) for dtype in TOLERANCE]
    except CheckError:
        if all(check.passed for check in checks):
            raise
        # A gradient is wrong, which may be why training failed: the report names it.
    return NetworkReport(checks, cross_checks, config.seed)


def _small_cases(activation: str, seed: int) -> Iterator[Case]:
    yield small_case("fresh weights", activation, seed)
    yield small_case("dropout", activation, seed + 1, dropout=0.5)
    yield small_case(
        "both dropouts, decay", activation, seed + 2, dropout=0.3, input_dropout=0.2, l2=0.01
    )
    yield small_case(
        "trained, dropout, decay", activation, seed + 3, dropout=0.5, l2=0.01, trained=True
    )
    yield small_case("logits past exp's range", activation, seed + 5, dropout=0.5, overflow=True)
    yield small_case("row weights", activation, seed + 6, dropout=0.5, weighted=True)
    yield small_case("label smoothing", activation, seed + 7, smoothing=0.1)
    yield small_case(
        "trained, weights, smoothing, decay",
        activation,
        seed + 8,
        dropout=0.3,
        l2=0.01,
        trained=True,
        weighted=True,
        smoothing=0.1,
    )
    if activation == "relu":
        yield small_case("a unit at ReLU's kink", activation, seed + 4, dropout=0.5, at_kink=True)


def _data_cases(config: Config, notify: Notify) -> Iterator[Case]:
    """The configuration's network on a minibatch of its data, with fresh and with trained weights.

    Raises CheckError if a case does not cover everything, or training diverges.
    """
    streams = Streams.from_seed(config.seed)
    config, data = load_new(config, streams, notify)
    shape = Shape(data.n_inputs, config.network.hidden, len(data.classes))
    _check_memory(config, data, shape)
    state = new_state(config, shape, streams, mean_square=mean_square(config, data))
    rng = np.random.default_rng(config.seed)
    state.network.b2[...] = rng.normal(scale=BIAS_SCALE, size=shape.K)
    minibatch = _draw_minibatch(config, data, shape, rng)
    B = len(minibatch.x)
    name = f"{shape}, {B} rows of {data.source}"
    yield _case(f"{name}, fresh weights", config, minibatch, state.network)
    events = islice(train(state, data, config), N_EVENTS)
    *_, last = events
    if isinstance(last, Stopped) and last.reason == "diverged":
        raise CheckError(f"there are no trained weights to check gradients on. {last.sentence}")
    yield _case(f"{name}, trained weights", config, minibatch, state.network)


def _check_memory(config: Config, data: Dataset, shape: Shape) -> None:
    """Raise CheckError if the check would take more memory than is free, in float64."""
    B, _ = minibatches(len(data.train), config.training.batch_size)
    by_row = max(B, shape.K) * (shape.D + shape.H + shape.K)
    needed = 8 * (N_VECTORS * shape.parameters + N_BUFFERS * by_row)
    free = available_memory()
    if needed > free:
        raise CheckError(
            f"to check a network of {shape} needs {size_in_words(needed)} of memory, and "
            f"{size_in_words(free)} is free. Lower network.hidden or training.batch_size."
        )


def _case(name: str, config: Config, minibatch: Minibatch, network: Network) -> Case:
    """The network on a minibatch, as a case. b1 is set so that each unit is live in some rows only.

    Raises CheckError if the case does not cover everything.
    """
    a = minibatch.x @ network.W1
    network.b1[...] = -a.mean(axis=0)
    case = Case(
        name,
        config.network.activation,
        x=minibatch.x,
        labels=minibatch.labels,
        r=minibatch.r,
        W1=network.W1.astype(np.float64),
        b1=network.b1.astype(np.float64),
        W2=network.W2.astype(np.float64),
        b2=network.b2.astype(np.float64),
        l2=config.network.l2,
        weights=minibatch.weights,
        smoothing=config.training.label_smoothing,
    )
    missing = coverage(case).missing(config.network.dropout > 0)
    if missing:
        raise CheckError(
            f"the case {name!r} has not {missing}, so it would prove nothing. Try another --seed."
        )
    return case


def _draw_minibatch(
    config: Config, data: Dataset, shape: Shape, rng: np.random.Generator
) -> Minibatch:
    """Training rows of every class, scaled, with inputs dropped as in training; and a mask r."""
    indices = _draw_rows(config, data, rng)
    B = len(indices)
    x = np.empty((B, shape.D), np.float32)
    loader = BatchLoader(data.train, data.preprocessing, B)
    labels = loader.fill(indices, x)
    weights = loader.weights(indices)
    if weights is not None:
        weights = weights.astype(np.float64)
    settings = config.network
    if settings.input_dropout:
        x *= Masks(x.shape, settings.input_dropout).draw(rng, B)
    r = np.ones((B, shape.H), np.float32)
    if settings.dropout:
        r[...] = Masks(r.shape, settings.dropout).draw(rng, B)
    return Minibatch(x.astype(np.float64), labels, r.astype(np.float64), weights)


def _draw_rows(config: Config, data: Dataset, rng: np.random.Generator) -> Index:
    """The indices of a training row of each class, and of random others up to the batch size."""
    labels = data.train.labels[data.train.index]
    shuffled = rng.permutation(len(labels))
    _, positions = np.unique(labels[shuffled], return_index=True)
    one_of_each = shuffled[positions]
    others = np.setdiff1d(shuffled, one_of_each, assume_unique=True)
    B, _ = minibatches(len(labels), config.training.batch_size)
    n_rows = max(len(one_of_each), B)
    indices: Index = np.concatenate([one_of_each, others])[:n_rows]
    return indices
