"""Whole processes: from the command to 98 % on MNIST, to the first minibatch, and their memory."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TypeVar

from benchmarks import process_monitor
from benchmarks.harness import ROOT, Subject, installed, rotated
from benchmarks.peers.protocol import notify
from benchmarks.process_monitor import ProcessRecord
from benchmarks.results import CommandRun, Digits, Million, Start

OURS = Subject("mlpcli", "")
SUBJECTS = (
    OURS,
    Subject("JAX", "to98.jax_", ("jax",)),
    Subject("PyTorch", "to98.torch_", ("torch",)),
    Subject("Keras", "to98.keras_", ("keras", "tensorflow")),
    Subject("scikit-learn", "to98.sklearn_", ("sklearn",)),
)
MLPCLI_TRAIN = (sys.executable, "-m", "mlpcli", "train")
TO98 = ROOT / "benchmarks" / "to98" / "mlpcli.toml"
DIGITS = ROOT / "configs" / "digits.toml"
FEW_EPOCHS = 3  # of the runs that are about their start and memory alone
IMPORTS = "import typer, rich.progress, numpy"

T = TypeVar("T")


def command_of(subject: Subject, mnist: Path, out: Path, epochs: int | None = None) -> list[object]:
    """The command that trains the network of to98/mlpcli.toml; its epochs are the file's if None.

    mlpcli prints nothing in between if it trains for all epochs.
    """
    if subject.module:
        script = [sys.executable, "-m", f"benchmarks.{subject.module}", mnist]
        return [*script, epochs] if epochs else script
    command = [*MLPCLI_TRAIN, TO98, "--data", mnist, "--out", out]
    return [*command, "--epochs", epochs] if epochs else [*command, "--json", "--quiet"]


def measure_to98(
    mnist: Path, subjects: Sequence[Subject], folder: Path, count: int
) -> dict[str, CommandRun]:
    """The seconds of each command, and its accuracy on the test rows."""

    def run(subject: Subject, number: int) -> tuple[float, float]:
        out = folder / f"to98-{number}"
        record = process_monitor.run(command_of(subject, mnist, out))
        if subject.module:
            return record.seconds, _printed_accuracy(record)
        return record.seconds, _test_accuracy(out)

    runs = _in_rounds("to 98 %", subjects, run, count)
    return {name: CommandRun(*map(list, zip(*pairs, strict=True))) for name, pairs in runs.items()}


def _test_accuracy(run: Path) -> float:
    """The accuracy on the test rows, from the run's folder."""
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    return float(result["test"]["accuracy"])


def _printed_accuracy(record: ProcessRecord) -> float:
    """The accuracy at the end of a script's last line."""
    _, line = record.lines[-1]
    return float(line.split()[-1])


def measure_start(
    mnist: Path, subjects: Sequence[Subject], folder: Path, count: int
) -> dict[str, Start]:
    """The seconds until the first minibatch; then, in runs of their own, the peak memory.

    Sampling the memory would slow the start down.
    """

    def start(subject: Subject, number: int) -> float:
        out = folder / f"start-{number}"
        return _start(process_monitor.run(command_of(subject, mnist, out, FEW_EPOCHS)))

    def peak(subject: Subject, number: int) -> int:
        out = folder / f"memory-{number}"
        command = command_of(subject, mnist, out, FEW_EPOCHS)
        return process_monitor.run(command, memory=True).peak

    seconds = _in_rounds("start", subjects, start, count)
    peaks = _in_rounds("memory", subjects, peak, 1)
    return {name: Start(seconds[name], peaks[name]) for name in seconds}


def _start(record: ProcessRecord) -> float:
    """The seconds until the first epoch began: its end less the time of a later epoch.

    A compiled epoch does not report its first minibatch, so this is computed alike for all.
    """
    ends = record.epoch_ends
    return ends[0] - median(later - earlier for earlier, later in pairwise(ends))


@dataclass(frozen=True)
class _DigitsRun:
    seconds: float
    epochs: float
    imports: float


def measure_digits(folder: Path, count: int, epochs: int | None = None) -> Digits:
    """Training on digits from the cache, beside the imports that it cannot do without.

    The configuration says how many epochs, if `epochs` is None.
    """
    notify("digits")
    _train_digits(folder, "cold", epochs)  # fills the cache
    runs = [_train_digits(folder, str(number), epochs) for number in range(count)]
    return Digits(
        seconds=[run.seconds for run in runs],
        epochs=[run.epochs for run in runs],
        imports=[run.imports for run in runs],
    )


def _train_digits(folder: Path, name: str, epochs: int | None) -> _DigitsRun:
    out = folder / f"digits-{name}"
    command = [*MLPCLI_TRAIN, DIGITS, "--out", out, "--json", "--quiet"]
    if epochs:
        command += ["--epochs", epochs]
    record = process_monitor.run(command, MLPCLI_CACHE=str(folder / "cache"))
    imports = process_monitor.run([sys.executable, "-c", IMPORTS])
    return _DigitsRun(record.seconds, _epoch_seconds(out), imports.seconds)


def _epoch_seconds(run: Path) -> float:
    """The seconds of all epochs, from the run's metrics."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(float(json.loads(line)["seconds"]) for line in lines)


def measure_million(file: Path, folder: Path) -> Million:
    """One epoch over a file of many rows: the peak memory beside the size of the file."""
    notify("a million rows")
    sizes = ["--hidden", 32, "--epochs", 1]
    command = [*MLPCLI_TRAIN, "--data", file, *sizes, "--out", folder / "million", "--quiet"]
    record = process_monitor.run(command, memory=True)
    return Million(record.seconds, record.peak, file.stat().st_size)


def _in_rounds(
    title: str, subjects: Sequence[Subject], run: Callable[[Subject, int], T], count: int
) -> dict[str, list[T]]:
    """What `run(subject, round)` returned in each round, by the subject's name."""
    measured = installed(subjects)
    found: dict[str, list[T]] = {subject.name: [] for subject in measured}
    for number in range(count):
        for subject in rotated(measured, number):
            notify(f"{title}: {subject.name}")
            found[subject.name].append(run(subject, number))
    return found
