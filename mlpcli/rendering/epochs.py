"""The table of epochs that `mlpcli train` prints while it trains."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

TABLE_ROWS = 20  # epochs shown of a long run; metrics.jsonl has them all


@dataclass(frozen=True)
class EpochRow:
    """What the table shows of an epoch; `improved` if no epoch before it had a lower loss."""

    epoch: int
    validation_loss: float  # NaN without validation rows
    improved: bool
    accuracy: str = ""
    seconds: str = ""  # since the run began
    train_loss: str = ""
    lr: str = ""
    speed: str = ""


@dataclass(frozen=True)
class EpochColumn:
    """A column of the table: how an epoch's cell is written, and the place it stands at."""

    heading: str
    width: int
    place: int
    cell: Callable[[EpochRow], str]


# The first are the last to go where the terminal is too narrow for all.
COLUMNS = (
    EpochColumn("epoch", 6, 0, lambda row: f"{row.epoch:,}"),
    EpochColumn("validation loss", 17, 2, lambda row: f"{row.validation_loss:.4f}"),
    EpochColumn("accuracy", 10, 3, lambda row: row.accuracy),
    EpochColumn("time", 8, 6, lambda row: row.seconds),
    EpochColumn("train loss", 12, 1, lambda row: row.train_loss),
    EpochColumn("lr", 9, 4, lambda row: row.lr),
    EpochColumn("rows/s", 10, 5, lambda row: row.speed),
)
WITHOUT_VALIDATION = tuple(
    column for column in COLUMNS if column.heading not in ("validation loss", "accuracy")
)
BEST_HEADING, BEST = " * best", " *"


def columns_for(width: int, has_validation: bool = True) -> list[EpochColumn]:
    """The columns that fit a screen, in the order in which they stand."""
    room = width - len(BEST_HEADING)
    fitting: list[EpochColumn] = []
    for column in COLUMNS if has_validation else WITHOUT_VALIDATION:
        if column.width > room:
            break
        room -= column.width
        fitting.append(column)
    return sorted(fitting, key=lambda column: column.place)


class EpochTable:
    """Prints some twenty rows of a run, however many epochs it has; the best one is among them.

    A row stands for the epochs since the row before it. It is that of the last one with a lower
    validation loss than all before, which has a star, or of the last one if there is none. So the
    last star is at the best epoch of all. The run's last epoch has a row in any case. Without
    validation rows there are no stars.
    """

    def __init__(
        self,
        out: Console,
        epochs: int,
        best_epoch: int,
        best_loss: float,
        has_validation: bool = True,
    ) -> None:
        self.out = out
        self.columns = columns_for(out.width, has_validation)
        self.every = math.ceil(epochs / TABLE_ROWS)
        self.best_loss = best_loss
        self.chosen: EpochRow | None = None  # of the epochs since the last row that was printed
        self.last: EpochRow | None = None  # the last epoch, if it has no row yet
        headings = [f"{column.heading:>{column.width}}" for column in self.columns]
        best_heading = BEST_HEADING if has_validation else ""
        self.out.print("".join(headings) + best_heading, style="bold")
        if best_epoch and has_validation:  # of a run that goes on
            self._print(EpochRow(best_epoch, best_loss, improved=True))

    def improves(self, validation_loss: float) -> bool:
        """Whether no epoch had so low a loss before."""
        return validation_loss < self.best_loss

    def add(self, row: EpochRow) -> None:
        """Take an epoch; print a row if it is time to."""
        self.last = row
        if row.improved:
            self.best_loss = row.validation_loss
        if row.improved or self.chosen is None or not self.chosen.improved:
            self.chosen = row
        if row.epoch % self.every == 0 or row.epoch == 1:
            self._print_chosen()

    def end(self) -> None:
        """Print what there is to see of the epochs since the last row."""
        self._print_chosen()
        if self.last:
            self._print(self.last)

    def _print_chosen(self) -> None:
        if self.chosen:
            self._print(self.chosen)
        self.chosen = None

    def _print(self, row: EpochRow) -> None:
        cells = [f"{column.cell(row):>{column.width}}" for column in self.columns]
        star = BEST if row.improved else ""
        self.out.print("".join(cells) + star)
        if row is self.last:
            self.last = None
