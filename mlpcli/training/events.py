"""The events of training, and the reasons for which it stops."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlpcli.model.metrics import Scores

StopReason: TypeAlias = Literal[
    "finished", "early stopping", "interrupted", "terminated", "diverged"
]
Answer: TypeAlias = StopReason | Literal["pause"] | None  # what an observer answers to an event


@dataclass(frozen=True, slots=True)
class Started:
    """Training begins or goes on; `epochs` of `batches` minibatches each are the whole run."""

    epochs: int
    batches: int


@dataclass(frozen=True, slots=True)
class BatchDone:
    """One step was taken; `loss` is the minibatch's mean loss before it, under dropout."""

    epoch: int
    batch: int
    rows: int
    loss: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """Every training row was seen once more; `train_loss` is their mean loss under dropout.

    `validation` is None if there are no validation rows.
    """

    epoch: int
    train_loss: float
    validation: Scores | None
    lr: float
    rows: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The state is complete after a minibatch, because an observer asked for a pause."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The last event: why training stopped, with a sentence where the reason needs one."""

    reason: StopReason
    sentence: str = ""


Event: TypeAlias = Started | BatchDone | EpochDone | Paused | Stopped
