"""The training loop, against scikit-learn and the oracle; its state, memory and ways to stop."""

import copy
import math
import os
import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from mlpcli.arrays import ALL, Floats, Labels, Shape
from mlpcli.commands.settings import load
from mlpcli.config import Config
from mlpcli.datasets.dataset import Dataset, Rows
from mlpcli.datasets.loader import BatchLoader
from mlpcli.errors import WorkerError
from mlpcli.model.dropout import Masks
from mlpcli.model.metrics import Scores
from mlpcli.model.state import Streams, TrainingState
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.training.communicator import SingleProcess
from mlpcli.training.events import BatchDone, EpochDone, Event, Paused, Started, Stopped, StopReason
from mlpcli.training.loop import new_state, train
from mlpcli.training.observers import drive
from mlpcli.training.step import Shard, TrainStep
from tests.support import reference
from tests.support.processes import children

N, D, H, K, B = 23, 7, 11, 3, 5
BATCHES, LAST = 5, 3  # of five, five, five, five and three rows
SHAPE = Shape(D, H, K)
T = TypeVar("T", bound=Event)
PLAIN: dict[str, Any] = {
    "network.hidden": H,
    "network.activation": "relu",
    "network.dropout": 0.5,
    "network.input_dropout": 0.0,
    "network.l2": 0.0,
    "network.max_norm": 0.0,
    "optimizer.name": "momentum",
    "optimizer.schedule": "constant",
    "optimizer.warmup_epochs": 0.0,
    "optimizer.weight_decay": 0.0,
    "training.label_smoothing": 0.0,
    "training.batch_size": B,
    "training.epochs": 4,
}
NO_DROPOUT: dict[str, Any] = {"network.dropout": 0.0}
EVERYTHING: dict[str, Any] = {
    "network.dropout": 0.4,
    "network.input_dropout": 0.2,
    "network.l2": 0.01,
    "network.max_norm": 1.1,
    "optimizer.weight_decay": 0.1,
    "optimizer.schedule": "cosine",
    "optimizer.warmup_epochs": 0.7,
    "training.label_smoothing": 0.2,
}
rules = pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])


def settings(values: dict[str, Any]) -> Config:
    return load(None, PLAIN | values, [])


def dataset(rows: int = N, dtype: type = np.float64, D: int = D, K: int = K) -> Dataset:
    """Rows at scattered places of one table, with a scaling that is not the identity."""
    stream = np.random.default_rng(0)
    total = rows + 19
    x: Floats
    x, labels, places = (
        stream.normal(1, 2, (total, D)).astype(dtype),
        stream.integers(0, K, total),
        stream.permutation(total),
    )
    train, validation, test = (
        Rows(x, labels, part) for part in np.split(places, [rows, rows + 12])
    )
    scaling = Scaling(
        stream.normal(1, 0.1, D).astype(dtype), stream.uniform(0.4, 0.6, D).astype(dtype)
    )
    return Dataset(
        "by hand", tuple("abcdefghij"[:K]), train, validation, test, scaling, "standard", None, ""
    )


def fresh(
    values: dict[str, Any], dtype: type = np.float64
) -> tuple[TrainingState, Dataset, Config]:
    """What train takes: a new state, the data and the settings."""
    config = settings(values)
    return (
        new_state(config, SHAPE, Streams.from_seed(config.seed), dtype),
        dataset(dtype=dtype),
        config,
    )


def scaled(data: Dataset, rows: Rows) -> tuple[Floats, Labels]:
    """The features as the network sees them, and the labels, in the order of the rows' places."""
    scaling = data.preprocessing
    return (rows.x[rows.index] - scaling.offset) * scaling.scale, rows.labels[rows.index]


def weights(state: TrainingState) -> reference.Weights:
    return reference.unflat(state.network.theta.astype(np.float64), *state.network.shape)


def scored(event: EpochDone) -> Scores:
    """The scores on the validation rows, of a run that has such rows."""
    assert event.validation is not None
    return event.validation


def of_kind(kind: type[T], events: list[Event]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"name": "sgd", "lr": 0.3}, {"solver": "sgd", "momentum": 0}),
        (
            {"name": "momentum", "lr": 0.1, "nesterov": False},
            {"solver": "sgd", "nesterovs_momentum": False},
        ),
        (
            {"name": "momentum", "lr": 0.1, "nesterov": True},
            {"solver": "sgd", "nesterovs_momentum": True},
        ),
        # the two put ε in different places, so it must vanish
        ({"name": "adam", "lr": 0.01, "epsilon": 1e-30}, {"solver": "adam", "epsilon": 1e-30}),
    ],
    ids=["sgd", "momentum", "nesterov", "adam"],
)
def test_training_without_dropout_follows_scikit_learn_step_by_step(
    activation: str, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    values = {f"optimizer.{key}": value for key, value in ours.items()}
    values |= {"network.activation": activation, "training.epochs": 8}
    state, data, config = fresh(NO_DROPOUT | values)
    x, labels = scaled(data, data.train)
    model = MLPClassifier(
        H, activation=activation, alpha=0, learning_rate_init=ours["lr"], shuffle=False, **theirs
    )
    model.partial_fit(x, labels, classes=range(K))
    start = copy.deepcopy(state.network)
    model.coefs_, model.intercepts_ = [start.W1, start.W2], [start.b1, start.b2]
    del (
        model._optimizer
    )  # it has taken one step, to make the model's arrays; the next call makes a new one

    steps = 0
    for event in train(state, data, config):
        if isinstance(event, BatchDone):
            places = state.order[(event.batch - 1) * B : event.batch * B]
            model.partial_fit(x[places], labels[places])
            assert event.loss == pytest.approx(model.loss_, rel=1e-10)
            for got, expected in zip(
                weights(state), [*model.coefs_, *model.intercepts_], strict=True
            ):
                np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)
            steps += 1
    assert steps == 8 * BATCHES


def textbook(config: Config) -> reference.Rule:
    o, decayed = config.optimizer, SHAPE.weights
    if o.name == "momentum":
        return reference.Momentum(o.momentum, o.nesterov, o.weight_decay, decayed)
    if o.name == "adam":
        return reference.Adam(o.beta1, o.beta2, o.epsilon, o.weight_decay, decayed)
    return reference.Rule(o.weight_decay, decayed)


def reference_run(config: Config, data: Dataset) -> Iterator[tuple[float, reference.Array]]:
    """Each step's loss and the parameters after it, by the oracle, from the run's own draws."""
    twin, rule = (
        new_state(config, SHAPE, Streams.from_seed(config.seed), np.float64),
        textbook(config),
    )
    inputs = Masks((B, D), config.network.input_dropout, np.float64)
    hidden = Masks((B, H), config.network.dropout, np.float64)
    (x, labels), theta, net = scaled(data, data.train), twin.network.theta, config.network
    own_weights, smoothing = data.train.own_weights, config.training.label_smoothing
    steps, warmup = (
        config.training.epochs * BATCHES,
        round(config.optimizer.warmup_epochs * BATCHES),
    )
    for step in range(steps):
        if step % BATCHES == 0:
            order = twin.shuffle.permutation(N)
        places = order[step % BATCHES * B :][:B]
        dropped_x = x[places] * inputs.draw(twin.dropout, len(places))
        r = hidden.draw(twin.dropout, len(places))
        at = (reference.unflat(theta, D, H, K), net.activation, dropped_x, r, labels[places])
        row_weights = None if own_weights is None else own_weights[places]
        lr = config.optimizer.lr * reference.cosine_after_warmup(step, steps, warmup)
        gradients = reference.gradients(*at, net.l2, row_weights, smoothing)
        w = reference.unflat(rule.step(theta, gradients.weights.flat, lr), D, H, K)
        theta = w._replace(W1=reference.limited(w.W1, net.max_norm)).flat
        yield float(reference.loss(*at, row_weights=row_weights).real), theta


CONSTANTS: dict[str, Any] = {
    "optimizer.momentum": 0.8,
    "optimizer.nesterov": False,
    "optimizer.beta1": 0.7,
    "optimizer.beta2": 0.95,
    "optimizer.epsilon": 1e-3,
}


@rules
@pytest.mark.parametrize("constants", [{}, CONSTANTS], ids=["usual constants", "other constants"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_run_with_dropout_and_all_that_can_be_set_follows_the_reference(
    rule: str, constants: dict[str, Any], activation: str
) -> None:
    values = EVERYTHING | constants | {"optimizer.name": rule, "network.activation": activation}
    follows_reference(*fresh(values))


def follows_reference(state: TrainingState, data: Dataset, config: Config) -> None:
    expected = reference_run(config, data)
    events = []
    for event in train(state, data, config):
        if isinstance(event, BatchDone):
            loss, theta = next(expected)
            assert event.loss == pytest.approx(loss, rel=1e-10)
            np.testing.assert_allclose(state.network.theta, theta, rtol=1e-9, atol=1e-10)
        events.append(event)
    assert len(of_kind(BatchDone, events)) == 20


@rules
def test_a_run_with_row_weights_follows_the_reference(rule: str) -> None:
    state, data, config = fresh(EVERYTHING | {"optimizer.name": rule})
    follows_reference(state, weighted(data), config)


def weighted(data: Dataset) -> Dataset:
    """The data with a weight for each row of the table."""
    row_weights = np.random.default_rng(3).uniform(0, 2, len(data.train.x))
    return replace(data, train=replace(data.train, weights=row_weights))


def without_validation(data: Dataset) -> Dataset:
    return replace(data, validation=data.validation.subset(slice(0)))


def test_without_validation_rows_the_same_steps_are_taken_and_epochs_have_no_scores() -> None:
    state, data, config = fresh(EVERYTHING)
    other, _, _ = fresh(EVERYTHING)
    events = list(train(state, data, config))
    others = list(train(other, without_validation(data), config))
    assert other.network.theta.tobytes() == state.network.theta.tobytes()
    assert of_kind(BatchDone, others) == of_kind(BatchDone, events)
    assert [event.validation for event in of_kind(EpochDone, others)] == [None] * 4
    assert others[-1] == Stopped("finished")


def test_the_settings_of_that_run_all_take_effect() -> None:
    ends = []
    for changed in [{}, *({key: PLAIN[key]} for key in EVERYTHING)]:
        state, data, config = fresh(EVERYTHING | changed)
        list(train(state, data, config))
        ends.append(state.network.theta.tobytes())
    assert len(set(ends)) == 1 + len(EVERYTHING)


def test_float32_training_follows_float64_training() -> None:
    losses = []
    for dtype in (np.float32, np.float64):
        state, data, config = fresh(EVERYTHING, dtype)
        losses.append(
            [event.loss for event in of_kind(BatchDone, list(train(state, data, config)))]
        )
        assert state.network.theta.dtype == dtype
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0] != losses[1]


@rules
def test_training_learns_what_can_be_learnt(rule: str) -> None:
    state, data, config = fresh(
        {"optimizer.name": rule, "optimizer.lr": 0.02, "training.epochs": 60}, np.float32
    )
    data.train.x[:, :K] += 20 * np.eye(K, dtype=np.float32)[data.train.labels]
    done = of_kind(EpochDone, list(train(state, data, config)))
    assert done[-1].train_loss < done[0].train_loss
    assert scored(done[-1]).accuracy == 1


def test_the_events_come_in_order_and_count_the_last_short_batch() -> None:
    events = list(train(*fresh({})))
    one_epoch = [BatchDone] * BATCHES + [EpochDone]
    assert [type(event) for event in events] == [Started, *(one_epoch * 4), Stopped]
    assert events[0] == Started(epochs=4, batches=BATCHES)
    assert events[-1] == Stopped("finished")
    batches = of_kind(BatchDone, events)
    assert [(b.epoch, b.batch) for b in batches] == [
        (e, b) for e in range(1, 5) for b in range(1, BATCHES + 1)
    ]
    assert [b.rows for b in batches] == [B, B, B, B, LAST] * 4
    assert [(e.epoch, e.rows) for e in of_kind(EpochDone, events)] == [(e, N) for e in range(1, 5)]


def test_every_row_is_seen_exactly_once_an_epoch_and_in_another_order_each_time() -> None:
    state, data, config = fresh({})
    orders = [
        state.order.copy() for event in train(state, data, config) if isinstance(event, EpochDone)
    ]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(N))
    assert len({tuple(order) for order in orders}) == 4


def test_the_rows_that_are_fed_are_those_that_the_order_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fed: list[Floats] = []
    step = TrainStep.step

    def watched(self: TrainStep) -> tuple[int, float]:
        count, loss = step(self)
        fed.append((self.ws if count == B else self.last_ws).x.copy())
        return count, loss

    monkeypatch.setattr(TrainStep, "step", watched)
    state, data, config = fresh({"training.epochs": 1})
    list(train(state, data, config))
    np.testing.assert_allclose(
        np.concatenate(fed), scaled(data, data.train)[0][state.order], rtol=1e-15
    )


def test_a_batch_larger_than_the_training_set_is_the_training_set() -> None:
    events = list(train(*fresh({"training.batch_size": 1000, "training.epochs": 2})))
    assert events[0] == Started(epochs=2, batches=1)
    assert [event.rows for event in of_kind(BatchDone, events)] == [N, N]


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows() -> None:
    events = list(train(*fresh({})))
    batches = of_kind(BatchDone, events)
    for done in of_kind(EpochDone, events):
        mine = [batch for batch in batches if batch.epoch == done.epoch]
        assert done.train_loss == pytest.approx(sum(b.loss * b.rows for b in mine) / N, rel=1e-14)


def predicted_loss(state: TrainingState, x: Floats, labels: Labels) -> float:
    """The mean of −log p[label], where p is what the smoothed softmax has learnt, row by row."""
    smoothing = state.network.smoothing
    total = 0.0
    for row, label in zip(x, labels, strict=True):
        z = reference.forward(weights(state), "relu", row, np.ones(H), label).z.real
        q = np.exp(z) / np.exp(z).sum()
        p = np.maximum((q - smoothing / K) / (1 - smoothing), smoothing / 10)
        total -= np.log(p[label] / p.sum())
    return total / len(x)


def test_validation_is_scored_without_dropout_with_the_weights_at_the_epochs_end() -> None:
    state, data, config = fresh(EVERYTHING)
    x, labels = scaled(data, data.validation)
    for event in train(state, data, config):
        if isinstance(event, EpochDone):
            expected = predicted_loss(state, x, labels)
            assert scored(event).loss == pytest.approx(expected, rel=1e-12)
            np.testing.assert_array_equal(scored(event).labels, labels)


def test_an_epoch_tells_the_learning_rate_of_its_last_step() -> None:
    told = [
        event.lr
        for event in of_kind(EpochDone, list(train(*fresh(EVERYTHING | {"optimizer.lr": 0.08}))))
    ]
    last_steps = range(BATCHES - 1, 4 * BATCHES, BATCHES)
    assert told == pytest.approx(
        [0.08 * reference.cosine_after_warmup(step, 20, warmup=4) for step in last_steps]
    )


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    ends = []
    for seed in (1, 1, 2):
        state, data, config = fresh({"seed": seed}, np.float32)
        list(train(state, data, config))
        ends.append(state.network.theta.tobytes())
    assert ends[0] == ends[1] != ends[2]


def test_using_one_stream_leaves_the_others_as_they_are() -> None:
    names = ("split", "initialise", "shuffle", "dropout")
    expected = {name: getattr(Streams.from_seed(7), name).integers(2**62) for name in names}
    assert len(set(expected.values())) == 4
    for used in names:
        streams = Streams.from_seed(7)
        getattr(streams, used).random(1000)
        for name in set(names) - {used}:
            assert getattr(streams, name).integers(2**62) == expected[name]


@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.8, 0.5)])
def test_another_dropout_rate_changes_neither_first_weights_nor_the_order_of_rows(
    rates: tuple[float, float],
) -> None:
    def start_and_orders(values: dict[str, Any]) -> list[bytes]:
        state, data, config = fresh(values)
        start = state.network.theta.tobytes()
        return [start] + [
            state.order.tobytes()
            for event in train(state, data, config)
            if isinstance(event, EpochDone)
        ]

    other = dict(zip(("network.dropout", "network.input_dropout"), rates, strict=True))
    assert start_and_orders(other) == start_and_orders({})


def told(event: Event) -> Event | tuple[float, ...]:
    """An event in numbers that can be compared."""
    if isinstance(event, EpochDone):
        return event.epoch, event.train_loss, scored(event).loss, event.lr, event.rows
    return event


@rules
@pytest.mark.parametrize(
    "values", [{}, NO_DROPOUT, EVERYTHING], ids=["dropout", "no dropout", "everything"]
)
def test_a_copy_of_the_state_taken_at_any_event_goes_on_exactly_as_the_run_itself(
    rule: str, values: dict[str, Any]
) -> None:
    state, data, config = fresh(values | {"optimizer.name": rule, "training.epochs": 3}, np.float32)
    events, copies = [], []
    for event in train(state, data, config):
        events.append(told(event))
        copies.append(copy.deepcopy(state))
    assert len(copies) == 1 + 3 * (BATCHES + 1) + 1
    for place, twin in enumerate(copies):
        rest = [told(event) for event in train(twin, data, config)]
        assert rest[0] == events[0]
        assert rest[1:] == (events[place + 1 :] or [Stopped("finished")])
        assert twin.network.theta.tobytes() == state.network.theta.tobytes()


@pytest.mark.parametrize("reason", ["interrupted", "early stopping"])
def test_an_answer_to_any_event_stops_the_run_and_the_state_can_go_on(reason: StopReason) -> None:
    whole, data, config = fresh(EVERYTHING)
    count = len(list(train(whole, data, config)))
    for place in range(count - 1):
        state = fresh(EVERYTHING)[0]
        events = train(state, data, config)
        for _ in range(place + 1):
            next(events)
        before = state.network.theta.tobytes()
        assert events.send(reason) == Stopped(reason)
        assert state.network.theta.tobytes() == before
        assert list(events) == []
        list(train(state, data, config))
        assert state.network.theta.tobytes() == whole.network.theta.tobytes()


@pytest.mark.parametrize("processes", [1, 2])
@rules
def test_pauses_change_nothing_and_at_each_the_state_is_whole(rule: str, processes: int) -> None:
    values = EVERYTHING | {"optimizer.name": rule, "training.epochs": 2}
    state, data, config = fresh(values, np.float32)
    straight = list(train(state, data, config, processes))
    end = state.network.theta.tobytes()

    state, data, config = fresh(values, np.float32)
    events: list[Event] = []
    paused = []
    with closing(train(state, data, config, processes)) as running:
        event = next(running)
        while not isinstance(event, Stopped):
            events.append(event)
            if isinstance(event, Paused):
                paused.append(copy.deepcopy(state))
            event = running.send("pause")  # more than a batch asks for, which is no reason to stop
    events.append(event)
    assert state.network.theta.tobytes() == end
    assert [type(e) for e in events[1:3]] == [BatchDone, Paused]
    assert [told(e) for e in events if not isinstance(e, Paused)] == [told(e) for e in straight]
    assert len(paused) == 2 * BATCHES
    for place, saved in enumerate(paused):
        rest = [
            e for e in list(train(saved, data, config, processes))[1:] if isinstance(e, BatchDone)
        ]
        assert rest == of_kind(BatchDone, straight)[place + 1 :]
        assert saved.network.theta.tobytes() == end


def test_a_run_can_be_stopped_in_a_pause() -> None:
    running = train(*fresh({}))
    next(running)
    next(running)
    assert running.send("pause") == Paused()
    assert running.send("interrupted") == Stopped("interrupted")


def buffers(train_step: TrainStep) -> dict[str, int]:
    """Where each array that a step writes lies in memory."""
    groups = [
        train_step.ws,
        train_step.grad,
        train_step.last_ws,
        train_step.last_grad,
        train_step.loader,
        train_step.state.network,
    ]
    arrays = {f"{n} {name}": a for n, group in enumerate(groups) for name, a in vars(group).items()}
    return {name: a.ctypes.data for name, a in arrays.items() if isinstance(a, np.ndarray)}


@rules
def test_steps_reuse_the_same_buffers(rule: str) -> None:
    state, data, config = fresh(EVERYTHING | {"optimizer.name": rule}, np.float32)
    train_step = TrainStep(Shard(state, ALL, SingleProcess()), data, config)
    state.order = np.arange(N)
    before, theta = buffers(train_step), state.network.theta.copy()
    for step in range(20):
        state.batch = step % BATCHES
        train_step.step()
    assert {"0 a", "0 h", "1 da", "1 dW1", "2 a", "3 da", "4 raw", "5 theta"} < set(before)
    assert buffers(train_step) == before
    assert (state.network.theta != theta).all()


@pytest.mark.parametrize("hidden", [512, 2048])
@pytest.mark.parametrize(
    "values", [{}, EVERYTHING | {"optimizer.name": "adam"}], ids=["defaults", "everything"]
)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_step_allocates_nothing_that_grows_with_the_network(
    hidden: int, values: dict[str, Any], processes: int
) -> None:
    shape = Shape(784, hidden, 10)
    config = settings(
        values | {"network.hidden": hidden, "training.batch_size": 128, "training.epochs": 1}
    )
    data = dataset(21 * 128 + 1, np.float32, shape.D, shape.K)
    state = new_state(config, shape, Streams.from_seed(0))
    with closing(train(state, data, config, processes)) as events:
        for _ in range(2):  # Started, and one step that warms up what is made once
            next(events)
        tracemalloc.start()
        try:
            for _ in range(21):  # the last of them short
                assert isinstance(next(events), BatchDone)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 64 * 1024  # one (B,H) buffer of the smaller network is 256 KiB


def last(events: list[Event]) -> Stopped:
    assert isinstance(events[-1], Stopped)
    return events[-1]


def ends_at(
    values: dict[str, Any], spoil_at: tuple[int, int] | None = None
) -> tuple[list[Event], TrainingState]:
    """A run's events and state; after batch `spoil_at` = (epoch, batch) a weight becomes NaN."""
    state, data, config = fresh(values, np.float32)
    events: list[Event] = []
    for event in train(state, data, config):
        events.append(event)
        if isinstance(event, BatchDone) and (event.epoch, event.batch) == spoil_at:
            state.network.b2[0] = np.nan
    return events, state


@pytest.mark.parametrize(("spoil_at", "batch"), [((1, 1), 2), ((3, 1), 2), ((2, 4), 5)])
def test_a_loss_that_is_not_finite_stops_at_its_batch_and_names_it(
    spoil_at: tuple[int, int], batch: int
) -> None:
    events, state = ends_at({"optimizer.lr": 0.025}, spoil_at)
    stopped = last(events)
    assert stopped.reason == "diverged"
    assert f"epoch {spoil_at[0]}, batch {batch} of 5, at learning rate 0.025:" in stopped.sentence
    assert f"the loss of batch {batch} is nan" in stopped.sentence
    assert "optimizer.lr" in stopped.sentence
    assert len(of_kind(BatchDone, events)) == (spoil_at[0] - 1) * BATCHES + spoil_at[1]
    assert (state.epoch, state.batch) == (spoil_at[0] - 1, spoil_at[1])
    assert np.isnan(state.network.theta).sum() == 1  # the batch that said so has moved nothing


def test_a_validation_loss_that_is_not_finite_stops_the_epoch_that_ends_with_it() -> None:
    events, _ = ends_at({}, spoil_at=(2, BATCHES))
    assert len(of_kind(EpochDone, events)) == 1
    assert "epoch 2, batch 5 of 5, " in last(events).sentence
    assert "the validation loss is nan" in last(events).sentence


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("lr", [1e10, 1e20, 1e38])
@pytest.mark.parametrize("size", [B, N], ids=["batches", "one batch"])
def test_an_absurd_learning_rate_ends_in_a_sentence_and_never_in_a_warning(
    activation: str, lr: float, size: int
) -> None:
    values = {"optimizer.lr": lr, "network.activation": activation, "training.batch_size": size}
    events, _ = ends_at(values | NO_DROPOUT)
    assert last(events).reason == "diverged"


def guessing_wrong_by(mean: float) -> list[Event]:
    """A run that hardly moves, of a network whose mean loss is this."""
    state, data, config = fresh(NO_DROPOUT | {"optimizer.lr": 1e-30})
    state.network.theta[:] = 0
    share = np.mean(data.train.labels[data.train.index] == 0)
    state.network.b2[0] = -(mean - math.log(K - 1)) / share  # the other K − 1 labels share the rest
    return list(train(state, data, config))


def test_a_mean_loss_over_a_thousand_times_that_of_guessing_stops_at_the_end_of_that_epoch() -> (
    None
):
    events = guessing_wrong_by(1000.001 * math.log(K))
    assert [type(event) for event in events] == [Started, *[BatchDone] * BATCHES, Stopped]
    assert last(events).reason == "diverged"
    assert "epoch 1, batch 5 of 5, at learning rate " in last(events).sentence
    assert "the mean loss is 1.1e+03, and guessing would give 1.1." in last(events).sentence


def test_a_mean_loss_just_under_that_goes_on() -> None:
    assert guessing_wrong_by(999.999 * math.log(K))[-1] == Stopped("finished")


# Images with blank borders


def images(dtype: type) -> Dataset:
    """Images of 300 pixels whose first 40 and last 33 are blank, as bytes or as floats."""
    stream, pixels = np.random.default_rng(0), 300
    x = stream.integers(1, 256, (N + 12, pixels)) * (stream.random((N + 12, pixels)) < 0.3)
    x[:, :40] = x[:, -33:] = 0
    x[:3] = 0  # three blank images, the first rows of the training set
    labels, places = stream.integers(0, K, N + 12), np.arange(N + 12)
    train_rows, rest = (Rows(x.astype(dtype), labels, part) for part in np.split(places, [N]))
    scaling = Scaling(np.zeros(pixels), np.full(pixels, 1 / 255))
    return Dataset("images", tuple("abc"), train_rows, rest, rest, scaling, "unit", (15, 20), "")


@pytest.mark.parametrize("size", [1, B, N])
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
@pytest.mark.parametrize("processes", [1, 2])
def test_images_whose_blank_borders_are_left_out_train_as_if_they_were_not(
    size: int, values: dict[str, Any], processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[slice] = []
    used = BatchLoader.active_columns

    def watched(self: BatchLoader, n: int) -> slice:
        seen.append(used(self, n))
        return seen[-1]

    monkeypatch.setattr(BatchLoader, "active_columns", watched)
    ends, lefts_out = [], []
    for dtype in (np.uint8, np.float64):
        config = settings(
            values | {"training.batch_size": size, "training.epochs": 2, "optimizer.lr": 0.01}
        )
        state = new_state(config, Shape(300, H, K), Streams.from_seed(0), np.float64)
        seen.clear()
        losses = [
            event.loss
            for event in of_kind(BatchDone, list(train(state, images(dtype), config, processes)))
        ]
        ends.append(
            [losses, *(vector.copy() for vector in (state.network.theta, *state.optimizer.slots))]
        )
        lefts_out.append(list(seen))
    for got, expected in zip(*ends, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    bytes_, floats = lefts_out
    assert set(map(str, floats)) == {str(ALL)}
    assert all(each.start >= 40 and each.stop <= 267 for each in bytes_ if each.stop)
    assert (slice(0, 0) in bytes_) == (size == 1)  # a batch that is blank altogether


# Hidden units shared out over processes

SHARED = pytest.mark.parametrize("processes", [2, 3])


OTHERS: set[int] = set()  # the children that there were before a test: other tests may keep some


@pytest.fixture(autouse=True)
def others() -> None:
    OTHERS.clear()
    OTHERS.update(children())


def no_child_is_left() -> bool:
    return children() == OTHERS


def snapshot(state: TrainingState) -> tuple[Any, ...]:
    """Where a state is, and its arrays and streams."""
    place = state.epoch, state.batch, state.optimizer.steps, state.order.tolist()
    streams_at = state.shuffle.bit_generator.state, state.dropout.bit_generator.state
    return (
        place,
        streams_at,
        [state.loss_sum],
        [v.copy() for v in (state.network.theta, *state.optimizer.slots)],
    )


def same(one: tuple[Any, ...], other: tuple[Any, ...], rtol: float) -> None:
    assert one[:2] == other[:2]
    assert one[2] == pytest.approx(other[2], rel=rtol)
    for got, expected in zip(one[3], other[3], strict=True):
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol)


@SHARED
@rules
@pytest.mark.parametrize("values", [NO_DROPOUT, EVERYTHING], ids=["no dropout", "everything"])
def test_hidden_units_shared_out_train_as_those_in_one_process(
    rule: str, processes: int, values: dict[str, Any]
) -> None:
    runs = []
    for count in (1, processes):
        state, data, config = fresh(values | {"optimizer.name": rule})
        events, whole = [], []
        for event in train(state, data, config, count):
            events.append(event)
            if not isinstance(event, BatchDone):
                whole.append(snapshot(state))
        runs.append((events, whole))
    (events, whole), (shared, shared_whole) = runs
    assert [type(event) for event in shared] == [type(event) for event in events]
    for got, expected in zip(shared, events, strict=True):
        if isinstance(got, BatchDone) and isinstance(expected, BatchDone):
            assert (got.epoch, got.batch, got.rows) == (
                expected.epoch,
                expected.batch,
                expected.rows,
            )
            assert got.loss == pytest.approx(expected.loss, rel=1e-9)
        elif isinstance(got, EpochDone) and isinstance(expected, EpochDone):
            assert (got.epoch, got.rows, got.lr) == (expected.epoch, expected.rows, expected.lr)
            assert got.train_loss == pytest.approx(expected.train_loss, rel=1e-9)
            assert scored(got).loss == pytest.approx(scored(expected).loss, rel=1e-9)
        else:
            assert got == expected
    for one, other in zip(shared_whole, whole, strict=True):
        same(one, other, 1e-9)
    assert no_child_is_left()


@SHARED
@pytest.mark.parametrize("rows", [B, 100])
def test_the_same_seed_in_as_many_processes_gives_the_same_bytes(processes: int, rows: int) -> None:
    ends = []
    for _ in range(2):
        state, data, config = fresh(
            EVERYTHING | {"optimizer.name": "adam", "training.batch_size": rows}, np.float32
        )
        list(train(state, data, config, processes))
        ends.append([vector.tobytes() for vector in (state.network.theta, *state.optimizer.slots)])
    assert ends[0] == ends[1]


@rules
def test_a_shared_run_stopped_at_any_event_can_go_on_from_its_state(rule: str) -> None:
    values = EVERYTHING | {"optimizer.name": rule, "training.epochs": 2}
    whole, data, config = fresh(values, np.float32)
    events = [told(event) for event in train(whole, data, config, 2)]
    for place in range(len(events) - 1):
        state = fresh(values, np.float32)[0]
        running = train(state, data, config, 2)
        before = [told(next(running)) for _ in range(place + 1)]
        assert running.send("interrupted") == Stopped("interrupted")
        assert list(running) == []
        assert no_child_is_left()
        after = [told(event) for event in train(state, data, config, 2)]
        assert before + after[1:] == events
        same(snapshot(state), snapshot(whole), 0)


def test_a_run_may_go_on_in_another_number_of_processes() -> None:
    values = EVERYTHING | {"optimizer.name": "adam"}
    whole, data, config = fresh(values)
    list(train(whole, data, config))
    state = fresh(values)[0]
    for count in (3, 1, 2):
        running = train(state, data, config, count)
        for _ in range(7):
            next(running)
        running.send("interrupted")
    list(train(state, data, config, 3))
    same(snapshot(state), snapshot(whole), 1e-9)


@SHARED
def test_a_shared_run_that_diverges_stops_in_all_processes_with_the_same_sentence(
    processes: int,
) -> None:
    ends = []
    for count in (1, processes):
        state, data, config = fresh(NO_DROPOUT | {"optimizer.lr": 1e20}, np.float32)
        events = list(train(state, data, config, count))
        ends.append((len(events), events[-1], state.epoch, state.batch))
        assert last(events).reason == "diverged"
        assert no_child_is_left()
    assert ends[0] == ends[1]


@pytest.mark.parametrize("kind", [Started, BatchDone, EpochDone])
def test_an_observer_that_fails_leaves_no_process(kind: type[Event]) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, kind):
            raise ZeroDivisionError

    files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ZeroDivisionError):
        drive(train(*fresh({}), 3), [fail])
    assert no_child_is_left()
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_worker_of_a_run_that_is_killed_ends_the_run_in_a_sentence() -> None:
    running = train(*fresh({}), 3)
    next(running)
    workers = children() - OTHERS
    assert len(workers) == 2
    os.kill(max(workers), signal.SIGKILL)
    with pytest.raises(WorkerError, match="--threads 1"):
        list(running)
    assert no_child_is_left()
