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
MLPCLI = Subject("mlpcli", "peers.mlpcli_")
JAX = Subject("JAX", "peers.jax_", ("jax",))
JAX_ONE_CORE = replace(JAX, name="JAX on one core", arguments=("one core",))
PYTORCH = Subject("PyTorch", "peers.torch_", ("torch",))
PYTORCH_COMPILED = replace(PYTORCH, name="PyTorch compiled", arguments=("compiled",))
KERAS = Subject("Keras", "peers.keras_", ("keras", "tensorflow"))
SKLEARN = Subject("scikit-learn", "peers.sklearn_", ("sklearn",))
TWO_PRODUCTS = Subject("two products", "peers.lower_bound")
OURS = (MLPCLI, TWO_PRODUCTS)
QUICK = (MLPCLI, JAX, JAX_ONE_CORE, PYTORCH, SKLEARN, TWO_PRODUCTS)
SUBJECTS = (
    MLPCLI,
    JAX,
    JAX_ONE_CORE,
    PYTORCH,
    PYTORCH_COMPILED,
    KERAS,
    SKLEARN,
    TWO_PRODUCTS,
)


@dataclass(frozen=True)
class Workload:
    """What is trained on which rows, and the number of epochs in a round."""

    source: str  # digits, or the path of a data set
    hidden: int
    batch_size: int
    epochs: int


def quick_workloads(mnist: Path) -> list[Workload]:
    """The workloads of `--quick`."""
    return [Workload("digits", 256, 32, 20), Workload(str(mnist), 512, 128, 2)]


def all_workloads(mnist: Path) -> list[Workload]:
    """All workloads, from small to large."""
    digits, middle = quick_workloads(mnist)
    small = Workload(str(mnist), 128, 32, 2)
    large = Workload(str(mnist), 2048, 256, 1)
    return [digits, small, middle, large]


def measure(
    workloads: Sequence[Workload], subjects: Sequence[Subject], folder: Path, n_rounds: int
) -> list[EpochCase]:
    """Measure every workload with both optimizers; inputs go into the folder."""
    cases = []
    for workload in workloads:
        for optimizer in RATES:
            cases.append(_measure_case(workload, optimizer, subjects, folder, n_rounds))
    return cases


def _measure_case(
    workload: Workload, optimizer: str, subjects: Sequence[Subject], folder: Path, n_rounds: int
) -> EpochCase:
    lr = RATES[optimizer]
    settings = Settings(workload.source, workload.hidden, workload.batch_size, optimizer, lr)
    task = write_task(settings, folder)
    notify(f"{task.shape}, minibatches of {workload.batch_size}, {optimizer}")
    scratch = folder / f"run-{task.shape}-{optimizer}"
    arguments = (task.path, settings.text(), scratch)
    prepared = [
        replace(subject, arguments=(*arguments, *subject.arguments))
        for subject in suitable(subjects, workload)
    ]
    with started(prepared) as processes:
        measurements = rounds(processes, n_rounds, workload.epochs)
    return EpochCase(
        shape=task.shape,
        n_rows=task.n_rows,
        n_validation=task.n_validation,
        batch_size=workload.batch_size,
        optimizer=optimizer,
        lr=lr,
        dropout=settings.dropout,
        subjects=measurements,
    )


def suitable(subjects: Sequence[Subject], workload: Workload) -> list[Subject]:
    """The subjects for a workload: JAX on one core is for digits alone.

    It is faster there, since a pool of threads only cuts up the work of a small network.
    """
    if workload.source == "digits":
        return list(subjects)
    return [subject for subject in subjects if subject != JAX_ONE_CORE]
