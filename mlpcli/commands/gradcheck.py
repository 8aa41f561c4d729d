"""What `mlpcli gradcheck` does: small cases, the config's own network on real rows, a student's file, the self-test."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Floats, Labels, Raw, Shape
from mlpcli.commands.plan import load_data
from mlpcli.config import Config
from mlpcli.datasets.dataset import Dataset
from mlpcli.datasets.loader import BatchLoader
from mlpcli.errors import CheckError
from mlpcli.gradcheck.cases import Coverage, coverage, small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK, PHI, Case
from mlpcli.gradcheck.cross_checks import CrossChecks, cross_check
from mlpcli.gradcheck.diagnosis import Diagnosis
from mlpcli.gradcheck.kernels import Check, check_along, check_network
from mlpcli.gradcheck.mistakes import BY_ID
from mlpcli.gradcheck.selftest import Trial
from mlpcli.gradcheck.student import Answers, ask
from mlpcli.gradcheck.verdict import TOLERANCE, Equation, Sample, judge, truth_of
from mlpcli.messages import SCHEMA, Notify
from mlpcli.model.dropout import Masks
from mlpcli.model.network import Network
from mlpcli.model.state import Streams
from mlpcli.training.events import Stopped
from mlpcli.training.loop import minibatches, new_state, train

STEPS = 30  # of training, for the trained weights of the config's network
BIAS = 0.1  # standard deviation of the b2 that fresh weights are given: at 0 a lost bias would go unseen


@dataclass(frozen=True)
class Inspection:
    """All checks of network.py, and what plain real arithmetic says of the truth that they were held against."""

    checks: list[Check]
    cross_checks: list[CrossChecks]
    seed: int

    @property
    def passed(self) -> bool:
        """Whether every equation of every check is right."""
        return all(check.passed for check in self.checks)

    def document(self) -> dict[str, Any]:
        """What `gradcheck --json` prints."""
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "checks": [document(check) for check in self.checks],
        }


def document(check: Check) -> dict[str, Any]:
    """One check for JSON."""
    return {
        "activation": check.activation,
        "dtype": check.dtype,
        "case": check.case,
        "passed": check.passed,
        "equations": [equation.document() for equation in check.equations],
        "coverage": asdict(check.coverage),
    }


def inspect_network(config: Config, activations: tuple[str, ...], notify: Notify) -> Inspection:
    """Check network.py on small cases entry by entry, and at the config's size on its own data along directions.

    Raises DataError, and CheckError where a case would prove nothing or the checker contradicts itself.
    """
    rng = np.random.default_rng(config.seed)
    checks, cross_checks = [], []
    for activation in activations:
        for case in _small_cases(activation, config.seed):
            cross_checks.append(cross_check(case, truth_of(case), rng))
            checks += [check_network(case, dtype) for dtype in TOLERANCE]
    try:
        for case in _real_cases(config, notify):
            checks += [check_along(case, dtype, rng) for dtype in TOLERANCE]
    except CheckError:
        if all(
            check.passed for check in checks
        ):  # or it may be for a wrong gradient that training came to nothing
            raise
    return Inspection(checks, cross_checks, config.seed)


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
    if activation == "relu":
        yield small_case("a unit at ReLU's kink", activation, seed + 4, dropout=0.5, at_kink=True)


def _real_cases(config: Config, notify: Notify) -> Iterator[Case]:
    """The config's network on a minibatch of its data, with fresh weights and after some steps of training."""
    streams = Streams.from_seed(config.seed)
    data = load_data(config, streams, notify)
    shape = Shape(data.features, config.network.hidden, len(data.classes))
    state = new_state(config, shape, streams)
    rng = np.random.default_rng(config.seed)
    state.network.b2[...] = rng.normal(scale=BIAS, size=shape.K)
    x, labels, r = _minibatch(config, data, shape, rng)
    name = f"{shape}, {len(x)} rows of {data.source}"
    yield _fit_to_prove(f"{name}, fresh weights", config, x, labels, r, state.network)
    *_, last = islice(train(state, data, config), STEPS)
    if isinstance(last, Stopped) and last.reason == "diverged":
        raise CheckError(f"there are no trained weights to check gradients on. {last.sentence}")
    yield _fit_to_prove(f"{name}, trained weights", config, x, labels, r, state.network)


def _fit_to_prove(
    name: str, config: Config, x: Floats, labels: Labels, r: Floats, network: Network
) -> Case:
    """The case with these weights, and with biases that make each unit live in some rows and dead in some."""
    network.b1[...] = -(x @ network.W1).mean(axis=0)
    W1, b1, W2, b2 = (
        w.astype(np.float64) for w in (network.W1, network.b1, network.W2, network.b2)
    )
    case = Case(name, config.network.activation, x, labels, r, W1, b1, W2, b2, config.network.l2)
    if gap := coverage(case).gap(config.network.dropout > 0):
        raise CheckError(
            f"the case {name!r} has not {gap}, so it would prove nothing. Try another --seed."
        )
    return case


def _minibatch(
    config: Config, data: Dataset, shape: Shape, rng: np.random.Generator
) -> tuple[Floats, Labels, Floats]:
    """A row of each class and random others, scaled and with inputs dropped as in training; and a mask r."""
    labels = data.train.labels[data.train.index]
    shuffled = rng.permutation(len(labels))
    first = shuffled[np.unique(labels[shuffled], return_index=True)[1]]
    places = np.concatenate([first, np.setdiff1d(shuffled, first, assume_unique=True)])
    B, _ = minibatches(len(labels), config.training.batch_size)
    places = places[: max(len(first), B)]
    x = np.empty((len(places), shape.D), np.float32)
    chosen = BatchLoader(data.train, data.scaling, len(places)).fill(places, x)
    if config.network.input_dropout:
        x *= Masks(x.shape, config.network.input_dropout).draw(rng, len(x))
    r = np.ones((len(x), shape.H), np.float32)
    if config.network.dropout:
        r = Masks(r.shape, config.network.dropout).draw(rng, len(x)).astype(np.float32)
    return x.astype(np.float64), chosen, r.astype(np.float64)


@dataclass(frozen=True)
class Homework:
    """The verdict on a student's file."""

    path: Path
    activation: str
    equations: tuple[Equation, ...]
    cases: dict[str, Coverage]
    seed: int

    @property
    def passed(self) -> bool:
        """Right as a whole: an equation that only inherits an error is right, but the file is not."""
        return all(e.passed and not e.inherits for e in self.equations if e.given)

    def document(self) -> dict[str, Any]:
        """What `gradcheck --impl --json` prints."""
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "activation": self.activation,
            "equations": [equation.document() for equation in self.equations],
            "coverage": {name: asdict(covered) for name, covered in self.cases.items()},
        }


def inspect_file(path: Path, activation: str, seed: int, timeout: float) -> Homework:
    """Check a student's backward pass, equation by equation; raises CheckError where it cannot be checked."""
    cases = [
        small_case("dropout 0.5", activation, seed, dropout=0.5),
        small_case("no dropout", activation, seed + 1),
        small_case("dropout 0.2", activation, seed + 2, dropout=0.2),
        small_case("trained weights, dropout 0.5", activation, seed + 3, dropout=0.5, trained=True),
    ]
    answers = ask(path, cases, timeout)
    rows = judge([_sample(case, calls[0]) for case, calls in zip(cases, answers, strict=True)])
    rows = _blame_chance(_other_activation(rows, cases, answers), answers)
    return Homework(path, activation, rows, {case.name: coverage(case) for case in cases}, seed)


def _other_activation(
    rows: tuple[Equation, ...], cases: list[Case], answers: Answers
) -> tuple[Equation, ...]:
    """Where everything is wrong for this φ and right for another, say so at the first wrong equation."""
    wrong = next((row for row in rows if row.given and not row.passed), None)
    for other in PHI if wrong else ():
        others = [replace(case, activation=other) for case in cases]
        judged = judge(
            [_sample(case, calls[0]) for case, calls in zip(others, answers, strict=True)]
        )
        if wrong and all(row.passed and not row.inherits for row in judged if row.given):
            sentence = (
                f"∂{wrong.name} ({HOMEWORK[wrong.name]}) is wrong for φ = {cases[0].activation}"
            )
            hint = f"if the file is written for that φ, say --activation {other}"
            found = Diagnosis(
                (), f"{sentence}, but every gradient given is right for φ = {other}.", hint
            )
            return tuple(replace(row, diagnosis=found) if row is wrong else row for row in rows)
    return rows


def _sample(case: Case, returned: dict[str, Raw]) -> Sample:
    tolerance = {name: TOLERANCE[value.dtype.name] for name, value in returned.items()}
    given: dict[str, Floats] = {name: value.astype(np.float64) for name, value in returned.items()}
    return Sample(case, given, truth_of(case), tolerance)


def _blame_chance(rows: tuple[Equation, ...], answers: Answers) -> tuple[Equation, ...]:
    """Where two calls with the same arguments differ, and not from upstream, an equation drew a mask of its own."""
    differ = [name for name in EQUATIONS if any(_differ(name, *calls) for calls in answers)]
    return tuple(
        _by_chance(row) if row.name in differ and not row.inherits else row for row in rows
    )


def _by_chance(row: Equation) -> Equation:
    sentence = (
        f"∂{row.name} ({HOMEWORK[row.name]}) is wrong: two calls with the same arguments give different gradients "
        "(random numbers, or something kept from call to call); "
        f"it looks as if {BY_ID['fresh-mask'].sentence}."
    )
    diagnosis = Diagnosis(
        ("fresh-mask",), sentence, "use the mask r that is handed in, and draw none"
    )
    return replace(row, passed=False, diagnosis=diagnosis)


def _differ(name: str, one: dict[str, Raw], other: dict[str, Raw]) -> bool:
    if name not in one or name not in other:
        return (name in one) != (name in other)
    return one[name].shape != other[name].shape or not np.allclose(
        one[name], other[name], rtol=1e-6, atol=1e-12
    )


def summary(trials: list[Trial]) -> dict[str, Any]:
    """What `gradcheck --self-test --json` prints."""
    real = [trial for trial in trials if not trial.idle]
    return {
        "schema": SCHEMA,
        "passed": all(trial.caught and trial.named for trial in real),
        "caught": sum(trial.caught for trial in real),
        "named": sum(trial.named for trial in real),
        "of": len(real),
        "trials": [asdict(trial) for trial in trials],
    }
