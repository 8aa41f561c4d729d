"""Scores of a network on rows: loss, accuracy, confusion, and precision, recall and F1 by class."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Labels
from mlpcli.model.buffers import Workspace
from mlpcli.model.network import AllReduce, Network, forward, loss_by_row, no_reduce

Z95 = 1.959963984540054  # the standard normal's 97.5 % point


@dataclass(frozen=True)
class Scores:
    """What a network made of N rows: its mean loss and, row by row, label, guess and confidence."""

    loss: float
    labels: Labels
    predicted: Labels
    confidence: Floats
    K: int

    @property
    def rows(self) -> int:
        """N, the number of rows scored."""
        return len(self.labels)

    @property
    def correct(self) -> int:
        """How many rows were given their own label."""
        return int(np.count_nonzero(self.labels == self.predicted))

    @property
    def accuracy(self) -> float:
        """The share of rows given their own label."""
        return self.correct / self.rows

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy."""
        return wilson(self.correct, self.rows)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts (K,K): row the label, column the guess."""
        pairs = np.bincount(self.labels * self.K + self.predicted, minlength=self.K**2)
        return pairs.reshape(self.K, self.K).astype(np.int64)

    def worst(self, count: int) -> Labels:
        """The places of the `count` wrong guesses that were made with most confidence, worst first."""
        wrong = np.flatnonzero(self.labels != self.predicted)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:count]


@dataclass(frozen=True)
class ClassScores:
    """One class: rows that have its label, and precision, recall and F1 (0 where undefined)."""

    rows: int
    precision: float
    recall: float
    f1: float


def by_class(confusion: NDArray[np.int64]) -> list[ClassScores]:
    """Precision, recall and F1 of each class, from the counts (K,K)."""
    scores = []
    for k, hits in enumerate(map(int, confusion.diagonal())):
        actual, guessed = int(confusion[k].sum()), int(confusion[:, k].sum())
        f1 = 2 * hits / (actual + guessed) if actual + guessed else 0.0
        scores.append(
            ClassScores(
                actual, hits / guessed if guessed else 0.0, hits / actual if actual else 0.0, f1
            )
        )
    return scores


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927)."""
    p, zz = successes / n, Z95**2
    centre = (p + zz / (2 * n)) / (1 + zz / n)
    half = Z95 / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


class ByRow(NamedTuple):
    """What a network made of N rows, one by one: each row's loss, the guess, and the confidence in it."""

    losses: Floats
    predicted: Labels
    confidence: Floats

    def part(self, rows: slice) -> "ByRow":
        """The same for some of the rows; views, nothing is copied."""
        return ByRow(self.losses[rows], self.predicted[rows], self.confidence[rows])

    def scores(self, labels: Labels, K: int) -> Scores:
        """The scores of these rows, whose labels (N) are given."""
        return Scores(
            float(self.losses.mean(dtype=np.float64)), labels, self.predicted, self.confidence, K
        )


@np.errstate(over="ignore", invalid="ignore")
def score(
    network: Network,
    batches: Iterable[tuple[Floats, Labels]],
    ws: Workspace,
    found: ByRow,
    allreduce: AllReduce = no_reduce,
) -> None:
    """Score every row of the batches, x (n,D) and labels (n) with n at most ws's B, dropout off, into `found`.

    Where weights are so large that a row's loss is not finite, the mean loss says so. add_up as in forward.
    """
    done = 0
    for x, labels in batches:
        cut, here = ws.first(len(x)), found.part(slice(done, done + len(x)))
        forward(network, x, 1.0, cut, allreduce=allreduce)
        here.losses[:] = loss_by_row(labels, cut)
        cut.z.argmax(axis=1, out=here.predicted)
        cut.p.max(axis=1, out=here.confidence)
        done += len(x)
