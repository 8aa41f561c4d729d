"""Whole processes: from the command to 98 % on MNIST, to the first minibatch, and their memory."""

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

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


def command_of(subject: Subject, mnist: Path, out: Path, epochs: int | None = None) -> list[object]:
    """The command that trains the network of to98/mlpcli.toml; its epochs are the file's if None.

    mlpcli prints nothing in between if it trains for all epochs.
    """
    if subject.module:
        script = [sys.executable, "-m", f"benchmarks.{subject.module}", mnist]
        return [*script, epochs] if epochs else script
    command = [*MLPCLI_TRAIN, TO98, "--data", mnist, "--out", out]
    if epochs:
        return [*command, "--epochs", epochs]
    return [*command, "--json", "--quiet"]


def measure_to98(
    mnist: Path, subjects: Sequence[Subject], folder: Path, n_rounds: int
) -> dict[str, CommandRun]:
    """The seconds of each command, and its accuracy on the test rows."""
    found = {}
    for name, records in _run_in_rounds("to98", mnist, subjects, folder, n_rounds).items():
        seconds = [record.seconds for record in records]
        accuracies = [_accuracy(name, record) for record in records]
        found[name] = CommandRun(seconds, accuracies)
    return found


def _accuracy(name: str, record: ProcessRecord) -> float:
    """The accuracy on the test rows: in mlpcli's JSON, or at the end of a script's last line."""
    lines = [line for _, line in record.lines]
    if name == OURS.name:
        document = json.loads("\n".join(lines))
        return float(document["test"]["accuracy"])
    return float(lines[-1].split()[-1])


def measure_start(
    mnist: Path, subjects: Sequence[Subject], folder: Path, n_rounds: int
) -> dict[str, Start]:
    """The seconds until the first minibatch; then, in a run of its own, the peak memory.

    Sampling the memory would slow the start down.
    """
    starts = _run_in_rounds("start", mnist, subjects, folder, n_rounds, FEW_EPOCHS)
    peaks = _run_in_rounds("memory", mnist, subjects, folder, 1, FEW_EPOCHS, memory=True)
    found = {}
    for name, records in starts.items():
        seconds = [_start(record) for record in records]
        found[name] = Start(seconds, [record.peak for record in peaks[name]])
    return found


def _start(record: ProcessRecord) -> float:
    """The seconds until the first epoch began: its end less the time of a later epoch.

    A compiled epoch does not report its first minibatch, so this is computed alike for all.
    """
    ends = record.epoch_ends
    if len(ends) != FEW_EPOCHS:
        raise RuntimeError(f"{len(ends)} lines of epochs were found, and {FEW_EPOCHS} expected")
    later = [end - before for before, end in pairwise(ends)]
    return ends[0] - median(later)


def _run_in_rounds(
    title: str,
    mnist: Path,
    subjects: Sequence[Subject],
    folder: Path,
    n_rounds: int,
    epochs: int | None = None,
    memory: bool = False,
) -> dict[str, list[ProcessRecord]]:
    """Run the command of every installed subject once a round."""
    measured = installed(subjects)
    records: dict[str, list[ProcessRecord]] = {subject.name: [] for subject in measured}
    for number in range(n_rounds):
        out = folder / f"{title}-{number}"
        for subject in rotated(measured, number):
            notify(f"{title}: {subject.name}")
            command = command_of(subject, mnist, out, epochs)
            records[subject.name].append(process_monitor.run(command, memory))
    return records


def measure_digits(folder: Path, n_rounds: int, epochs: int | None = None) -> Digits:
    """Training on digits from the cache, beside the imports that it cannot do without.

    The configuration says how many epochs, if `epochs` is None.
    """
    notify("digits")
    _train_digits(folder, folder / "digits-cold", epochs)  # fills the cache
    digits = Digits([], [], [])
    for number in range(n_rounds):
        out = folder / f"digits-{number}"
        digits.seconds.append(_train_digits(folder, out, epochs))
        digits.epochs.append(_epoch_seconds(out))
        digits.imports.append(process_monitor.run([sys.executable, "-c", IMPORTS]).seconds)
    return digits


def _train_digits(folder: Path, out: Path, epochs: int | None) -> float:
    """The seconds of a run into `out`, with the cache in the folder."""
    command = [*MLPCLI_TRAIN, DIGITS, "--out", out, "--json", "--quiet"]
    if epochs:
        command += ["--epochs", epochs]
    return process_monitor.run(command, MLPCLI_CACHE=str(folder / "cache")).seconds


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
