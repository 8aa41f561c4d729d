"""mlpcli: a run like any other, with one observer more, which waits for the next turn at each epoch's end."""

import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers.protocol import Settings, Turns, read_settings
from mlpcli.commands import plan as planning
from mlpcli.commands import train as run
from mlpcli.commands.settings import load
from mlpcli.config import Config
from mlpcli.machine import blas
from mlpcli.training.events import EpochDone, Event


def config_of(settings: Settings) -> Config:
    """The contest's settings as a configuration: nothing that the others do not have."""
    s = asdict(settings)
    flags = {
        "data.source": s["source"],
        "seed": s["seed"],
        "network.hidden": s["hidden"],
        "network.dropout": s["dropout"],
        "network.input_dropout": 0.0,
        "network.max_norm": 0.0,
        "optimizer.name": s["optimizer"],
        "optimizer.lr": s["lr"],
        "optimizer.schedule": "constant",
        "training.batch_size": s["batch_size"],
        "training.epochs": 1_000_000,
    }
    return load(None, flags, [])


class Waiting:
    """Tells of each epoch and waits for the next turn; last of the observers, so that their work is counted."""

    def __init__(self, processes: int) -> None:
        self.turns = Turns(f"{blas()}, {processes} processes")

    def __call__(self, event: Event) -> None:
        """Only ends of epochs matter here."""
        if isinstance(event, EpochDone):
            self.turns.epoch_done(event.validation.loss, event.validation.accuracy)


def main() -> None:
    """Train as long as asked, into the folder of the third argument."""
    plan = planning.prepare(
        config_of(read_settings()),
        Path(sys.argv[3]),
        False,
        lambda text: print(text, file=sys.stderr),
    )
    run.execute(plan, [Waiting(plan.processes)])


if __name__ == "__main__":
    main()
