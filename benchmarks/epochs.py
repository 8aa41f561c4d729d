"""Seconds an epoch in steady state, with everything that an epoch costs the user.

That is shuffling, training, scoring the validation rows, and keeping the best weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.harness import Subject, rounds, started
from benchmarks.inputs import write_task
from benchmarks.peers.protocol import Settings, notify
from benchmarks.results import EpochCase

RATES = {"momentum": 0.05, "adam": 0.001}
ONE_CORE = "JAX on one core"  # faster for small networks, whose work a thread pool only cuts up
OURS = (
    Subject("mlpcli", "peers.mlpcli_"),
    Subject("two products", "peers.lower_bound"),
)
JAX = Subject("JAX", "peers.jax_", ("jax",))
PYTORCH = Subject("PyTorch", "peers.torch_", ("torch",))
SKLEARN = Subject("scikit-learn", "peers.sklearn_", ("sklearn",))
QUICK: tuple[Subject, ...] = (
    OURS[0],
    JAX,
    replace(JAX, name=ONE_CORE, arguments=("one core",)),
    PYTORCH,
    SKLEARN,
    OURS[1],
)
SUBJECTS: tuple[Subject, ...] = (
    *QUICK[:4],
    replace(PYTORCH, name="PyTorch compiled", arguments=("compiled",)),
    Subject("Keras", "peers.keras_", ("keras", "tensorflow")),
    *QUICK[4:],
)


@dataclass(frozen=True)
class Network:
    """What is trained, on the rows of `source`; `each` is the number of epochs in a round."""

    source: str  # digits, or the path of a data set
    hidden: int
    batch_size: int
    each: int


def quick_networks(mnist: Path) -> list[Network]:
    """The networks that `--quick` measures."""
    return [Network("digits", 256, 32, 20), Network(str(mnist), 512, 128, 2)]


def all_networks(mnist: Path) -> list[Network]:
    """The networks that are measured, from small to large."""
    digits, middle = quick_networks(mnist)
    small = Network(str(mnist), 128, 32, 2)
    large = Network(str(mnist), 2048, 256, 1)
    return [digits, small, middle, large]


def measure(
    networks: Sequence[Network], subjects: Sequence[Subject], folder: Path, count: int
) -> list[EpochCase]:
    """Measure every network with both optimizers, in `count` rounds; inputs go into the folder."""
    cases = []
    for network in networks:
        for optimizer in RATES:
            cases.append(_measure_case(network, optimizer, subjects, folder, count))
    return cases


def _measure_case(
    network: Network, optimizer: str, subjects: Sequence[Subject], folder: Path, count: int
) -> EpochCase:
    lr = RATES[optimizer]
    settings = Settings(network.source, network.hidden, network.batch_size, optimizer, lr)
    task = write_task(settings, folder)
    notify(f"{task.shape}, minibatches of {network.batch_size}, {optimizer}")
    scratch = folder / f"run-{task.shape}-{optimizer}"
    with started(
        [
            replace(subject, arguments=(task.path, settings.text(), scratch, *subject.arguments))
            for subject in subjects
            if subject.name != ONE_CORE or network.source == "digits"
        ]
    ) as processes:
        measurements = rounds(processes, count, network.each)
    return EpochCase(
        shape=task.shape,
        n_rows=task.n_rows,
        n_validation=task.n_validation,
        batch_size=network.batch_size,
        optimizer=optimizer,
        lr=lr,
        dropout=settings.dropout,
        subjects=measurements,
    )
