"""The checker checked: every mistake of the catalogue is put into the backward pass, and must be caught and named."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case
from mlpcli.gradcheck.derivation import Mistake, Pass, backward
from mlpcli.gradcheck.mistakes import CATALOGUE
from mlpcli.gradcheck.verdict import TOLERANCE, Sample, judge, truth_of
from mlpcli.model.activations import ACTIVATIONS

Judged = tuple[Case, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Trial:
    """One mistake under one activation: `idle` where it changes no number, else whether it was caught and named."""

    activation: str
    id: str
    idle: bool
    caught: bool
    named: bool


def self_test() -> list[Trial]:
    """Try every mistake, in every equation that it can stand in, under every activation."""
    return [trial for activation in ACTIVATIONS for trial in _trials(activation)]


def _trials(activation: str) -> Iterator[Trial]:
    cases = [
        small_case("dropout, decay", activation, 11, dropout=0.5, l2=0.01),
        small_case("less dropout, decay", activation, 12, dropout=0.2, l2=0.02),
    ]
    truths = [truth_of(case) for case in cases]
    tried: dict[str, list[Trial]] = {}
    for mistake in _distinct():
        for at in filter(mistake.changes, EQUATIONS):
            samples = [
                _sample(case, truth, mistake, at) for case, truth in zip(cases, truths, strict=True)
            ]
            tried.setdefault(mistake.id, []).append(_try(activation, mistake, samples))
    for id, trials in tried.items():
        real = [trial for trial in trials if not trial.idle]
        yield Trial(
            activation, id, not real, all(t.caught for t in real), all(t.named for t in real)
        )


def _distinct() -> Iterator[Mistake]:
    """The catalogue without those that are one function under two names."""
    seen: list[object] = []
    for mistake in CATALOGUE:
        what = (mistake.steps, mistake.decay)
        if what not in seen:
            seen.append(what)
            yield mistake


def _sample(case: Case, truth: dict[str, np.ndarray], mistake: Mistake, at: str) -> Sample:
    tolerance = dict.fromkeys(EQUATIONS, TOLERANCE["float64"])
    return Sample(case, backward(Pass(case), mistake, at), truth, tolerance)


def _try(activation: str, mistake: Mistake, samples: list[Sample]) -> Trial:
    rows = judge(samples)
    wrong = [row for row in rows if not row.passed]
    idle = all(_same(s) for s in samples)
    named = bool(wrong) and wrong[0].diagnosis is not None and mistake.id in wrong[0].diagnosis.ids
    return Trial(activation, mistake.id, idle, bool(wrong), named)


def _same(s: Sample) -> bool:
    """Whether the mistake left every number as it was, to rounding."""
    return all(
        s.given[n].shape == s.truth[n].shape
        and np.allclose(s.given[n], s.truth[n], rtol=1e-12, atol=1e-15)
        for n in EQUATIONS
    )
