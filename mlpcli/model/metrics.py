"""Scores of a network on rows: loss, accuracies, confusion, and the scores of each class."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Labels
from mlpcli.model.buffers import Workspace
from mlpcli.model.network import AllReduce, Network, forward, loss_by_row, no_reduce, probabilities

Z95 = 1.959963984540054  # the standard normal's 97.5 % point


@dataclass(frozen=True)
class Scores:
    """The mean loss over N rows, and each row's label, prediction and confidence, all (N).

    With weights the loss is the weighted mean; all else counts each row once.
    """

    loss: float
    labels: Labels
    predicted: Labels
    confidence: Floats  # the predicted class's probability
    K: int
    weights: Floats | None = None  # of the rows in the loss, on any scale

    @property
    def n_rows(self) -> int:
        """N, the number of rows scored."""
        return len(self.labels)

    @property
    def correct(self) -> int:
        """The number of rows whose prediction is their label."""
        return int(np.count_nonzero(self.labels == self.predicted))

    @property
    def accuracy(self) -> float:
        """The share of rows whose prediction is their label, from 0 to 1."""
        return self.correct / self.n_rows

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the accuracy's 95 % interval."""
        return wilson_interval(self.correct, self.n_rows)

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have rows, from 0 to 1."""
        right = self.labels[self.labels == self.predicted]
        correct = np.bincount(right, minlength=self.K)
        labelled = np.bincount(self.labels, minlength=self.K)
        has_rows = labelled > 0
        recalls = correct[has_rows] / labelled[has_rows]
        return float(recalls.mean())

    @property
    def largest_class(self) -> float:
        """The share of rows with the commonest label: the accuracy of always guessing it."""
        labelled = np.bincount(self.labels)
        commonest = int(labelled.max())
        return commonest / self.n_rows

    @property
    def confusion(self) -> NDArray[np.int64]:
        """The confusion matrix (K,K): a row for each label, a column for each prediction."""
        cells = self.labels * self.K + self.predicted
        counts = np.bincount(cells, minlength=self.K**2)
        return counts.reshape(self.K, self.K).astype(np.int64)

    def worst(self, count: int) -> Labels:
        """The indices of at most `count` wrong predictions, the most confident first."""
        wrong = np.flatnonzero(self.labels != self.predicted)
        by_confidence = np.argsort(-self.confidence[wrong], kind="stable")
        return wrong[by_confidence][:count]


@dataclass(frozen=True)
class ClassScores:
    """The rows with a class's label, and its precision, recall and F1.

    Each is None where it is undefined: all three for a class without rows, the precision for one
    that is never predicted.
    """

    n_rows: int
    precision: float | None
    recall: float | None
    f1: float | None


def by_class(confusion: NDArray[np.int64]) -> list[ClassScores]:
    """The scores of each class, from the confusion matrix (K,K)."""
    correct = confusion.diagonal()
    labelled = confusion.sum(axis=1)
    predicted = confusion.sum(axis=0)
    counts = zip(correct.tolist(), labelled.tolist(), predicted.tolist(), strict=True)
    return [_class_scores(*of_class) for of_class in counts]


def _class_scores(correct: int, labelled: int, predicted: int) -> ClassScores:
    if labelled == 0:  # no model can be right about a class without rows, nor wrong
        return ClassScores(0, None, None, None)
    precision = None
    if predicted > 0:
        precision = correct / predicted
    recall = correct / labelled
    f1 = 2 * correct / (labelled + predicted)
    return ClassScores(labelled, precision, recall, f1)


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """The ends of the 95 % interval of a proportion, by its score (Wilson 1927); n is not 0."""
    p = successes / n
    zz = Z95**2
    shrinkage = 1 + zz / n
    centre = (p + zz / (2 * n)) / shrinkage
    variance = p * (1 - p) / n + zz / (4 * n * n)
    half = Z95 / shrinkage * math.sqrt(variance)
    return max(0.0, centre - half), min(1.0, centre + half)


class ByRow(NamedTuple):
    """Each row's loss, predicted class and that class's probability, all (N)."""

    losses: Floats
    predicted: Labels
    confidence: Floats

    def view(self, rows: slice) -> "ByRow":
        """The same of some rows, as views that can be written to."""
        return ByRow(self.losses[rows], self.predicted[rows], self.confidence[rows])

    def scores(self, labels: Labels, K: int, weights: Floats | None = None) -> Scores:
        """The scores of these rows, given their labels (N), and weights (N) that are not all 0."""
        loss = self._mean_loss(weights)
        return Scores(loss, labels, self.predicted, self.confidence, K, weights)

    @np.errstate(over="ignore", invalid="ignore")
    def _mean_loss(self, weights: Floats | None) -> float:
        """Σ w · loss / Σ w, or the plain mean without weights, in nats."""
        if weights is None:
            return float(self.losses.mean(dtype=np.float64))
        weighted = np.multiply(self.losses, weights, dtype=self.losses.dtype)
        total = np.add.reduce(weighted, dtype=np.float64)
        total_weight = np.add.reduce(weights, dtype=np.float64)
        return float(total) / float(total_weight)


def _losses(network: Network, labels: Labels, ws: Workspace) -> Floats:
    """−log p[label] of every row (n); leaves the probabilities in ws.p."""
    if not network.smoothing:  # by log-sum-exp, which no probability of 0 can harm
        return loss_by_row(labels, ws)
    probabilities(network, ws)
    losses: Floats = -np.log(ws.p[ws.rows, labels])
    return losses


@np.errstate(over="ignore", invalid="ignore")
def score(
    network: Network,
    batches: Iterable[tuple[Floats, Labels]],
    ws: Workspace,
    by_row: ByRow,
    allreduce: AllReduce = no_reduce,
) -> None:
    """Write the loss, prediction and confidence of every row of the batches into `by_row`.

    A batch is x (n,D) and labels (n), where n is at most the workspace's B. Nothing is dropped.
    Where the weights are so large that a loss overflows, the loss written is not finite.
    `allreduce` is as in `forward`.
    """
    done = 0
    for x, labels in batches:
        n = len(x)
        here = ws.first(n)
        scored = by_row.view(slice(done, done + n))
        forward(network, x, 1.0, here, allreduce=allreduce)
        scored.losses[:] = _losses(network, labels, here)
        here.z.argmax(axis=1, out=scored.predicted)
        here.p.max(axis=1, out=scored.confidence)
        done += n
