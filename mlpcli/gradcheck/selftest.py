"""The self-test: every mistake of the catalogue is made, and must be caught and named."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case, true_gradients
from mlpcli.gradcheck.derivation import ForwardPass, Mistake, backward
from mlpcli.gradcheck.mistakes import CATALOGUE
from mlpcli.gradcheck.verdict import TOLERANCE, Sample, judge
from mlpcli.messages import SCHEMA
from mlpcli.model.activations import ACTIVATIONS

Known: TypeAlias = tuple[Case, dict[str, Floats]]  # a case and its true gradients


@dataclass(frozen=True)
class Trial:
    """One mistake with one activation: `idle` if it changes no gradient, else caught and named."""

    activation: str
    id: str
    idle: bool
    caught: bool
    named: bool


def self_test() -> list[Trial]:
    """Try every mistake, in every equation in which it can be made, with every activation."""
    trials: list[Trial] = []
    for activation in ACTIVATIONS:
        trials += _trials(activation)
    return trials


def document(trials: list[Trial]) -> dict[str, Any]:
    """The result of the self-test for `--json`; it passed if all mistakes were caught and named."""
    effective = [trial for trial in trials if not trial.idle]
    return {
        "schema": SCHEMA,
        "passed": all(trial.caught and trial.named for trial in effective),
        "caught": sum(trial.caught for trial in effective),
        "named": sum(trial.named for trial in effective),
        "of": len(effective),
        "trials": [asdict(trial) for trial in trials],
    }


def _trials(activation: str) -> Iterator[Trial]:
    """A trial of each mistake, which must be caught and named in each of its equations."""
    cases = [
        small_case("dropout, decay", activation, 11, dropout=0.5, l2=0.01),
        small_case(
            "less dropout, decay, weights, smoothing",
            activation,
            12,
            dropout=0.2,
            l2=0.02,
            weighted=True,
            smoothing=0.2,
        ),
    ]
    known = [(case, true_gradients(case)) for case in cases]
    by_id: dict[str, list[Trial]] = {}
    for mistake in _distinct_mistakes():
        equations = [name for name in EQUATIONS if mistake.changes(name)]
        trials = [_try(activation, mistake, equation, known) for equation in equations]
        by_id.setdefault(mistake.id, []).extend(trials)
    for id, trials in by_id.items():
        effective = [trial for trial in trials if not trial.idle]
        yield Trial(
            activation,
            id,
            idle=not effective,
            caught=all(trial.caught for trial in effective),
            named=all(trial.named for trial in effective),
        )


def _distinct_mistakes() -> Iterator[Mistake]:
    """The catalogue without mistakes that are the same function under another id."""
    seen: list[object] = []
    for mistake in CATALOGUE:
        function = (mistake.steps, mistake.decay)
        if function not in seen:
            seen.append(function)
            yield mistake


def _try(activation: str, mistake: Mistake, equation: str, known: list[Known]) -> Trial:
    """Make the mistake in one equation, and judge the gradients."""
    tolerance = dict.fromkeys(EQUATIONS, TOLERANCE["float64"])
    samples = []
    for case, gradients in known:
        given = backward(ForwardPass(case), mistake, equation)
        samples.append(Sample(case, given, gradients, tolerance))
    wrong = [verdict for verdict in judge(samples) if not verdict.passed]
    named = False
    if wrong and wrong[0].diagnosis is not None:
        named = mistake.id in wrong[0].diagnosis.ids
    idle = all(_is_unchanged(sample) for sample in samples)
    return Trial(activation, mistake.id, idle, bool(wrong), named)


def _is_unchanged(sample: Sample) -> bool:
    """Whether every gradient equals the true one, to rounding."""
    for name in EQUATIONS:
        given = sample.given[name]
        expected = sample.true_gradients[name]
        if given.shape != expected.shape:
            return False
        if not np.allclose(given, expected, rtol=1e-12, atol=1e-15):
            return False
    return True
