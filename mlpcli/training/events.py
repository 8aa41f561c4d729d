"""What training says as it goes, and why it may stop."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlpcli.model.metrics import Scores

StopReason: TypeAlias = Literal[
    "finished", "early stopping", "interrupted", "terminated", "diverged"
]
Answer: TypeAlias = StopReason | Literal["pause"] | None  # what a listener says to an event


@dataclass(frozen=True, slots=True)
class Started:
    """Training begins or goes on: so many epochs of so many batches in all."""

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
    """All training rows were seen once more; `train_loss` is their mean loss under dropout."""

    epoch: int
    train_loss: float
    validation: Scores
    lr: float
    rows: int


@dataclass(frozen=True, slots=True)
class Paused:
    """A listener asked for a pause at the end of a batch; the state is whole, as it is not at every batch."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The last event: why training stopped, and a sentence where that needs one."""

    reason: StopReason
    sentence: str = ""


Event: TypeAlias = Started | BatchDone | EpochDone | Paused | Stopped
