"""mlpcli: a run like any other, with one more observer, which replies to the harness."""

import sys
from pathlib import Path

from benchmarks.peers.protocol import EpochTimer, Settings, notify, read_settings
from mlpcli.commands.plan import Plan, prepare
from mlpcli.commands.settings import load
from mlpcli.commands.train import execute
from mlpcli.config import Config
from mlpcli.machine import blas
from mlpcli.model.network import Network
from mlpcli.training.events import EpochDone, Event
from mlpcli.training.fit import begin


def config_of(settings: Settings) -> Config:
    """The settings as mlpcli's configuration, without what the other libraries do not have."""
    return load(
        None,
        {
            "data.source": settings.source,
            "seed": settings.seed,
            "network.hidden": settings.hidden,
            "recipe": "images",
            "network.dropout": settings.dropout,
            "network.input_dropout": 0.0,
            "network.max_norm": 0.0,
            "optimizer.name": settings.optimizer,
            "optimizer.lr": settings.lr,
            "optimizer.schedule": "constant",
            "training.batch_size": settings.batch_size,
            "training.epochs": 1_000_000,
        },
    )


def make_plan(settings: Settings, folder: Path) -> Plan:
    """The plan of a run into this folder: data loaded, nothing written."""
    return prepare(config_of(settings), folder, overwrite=False, notify=notify)


def first_network(plan: Plan) -> Network:
    """The network that the run starts from."""
    return begin(plan.config, plan.data, plan.streams).state.network


class TimingObserver:
    """Reports each epoch to the harness; the last observer, so that the others' work counts."""

    def __init__(self, about: str) -> None:
        self.timer = EpochTimer(about)

    def __call__(self, event: Event) -> None:
        """Record an epoch at its end; other events do not matter."""
        if isinstance(event, EpochDone) and event.validation:
            self.timer.epoch_done(event.validation.loss, event.validation.accuracy)


def main() -> None:
    """Train for as long as epochs are requested, in the folder of the third argument."""
    plan = make_plan(read_settings(), Path(sys.argv[3]))
    execute(plan, [TimingObserver(f"{blas()}, {plan.processes} processes")])


if __name__ == "__main__":
    main()
