"""Whole processes: from typing the command to 98 % on MNIST, to the first minibatch, the memory, and digits' start."""

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.harness import ROOT, Answer, tell
from benchmarks.process_monitor import Watched, watch

SCRIPTS = {"JAX": "jax_", "PyTorch": "torch_", "Keras": "keras_", "scikit-learn": "sklearn_"}
NAMES = ("mlpcli", *SCRIPTS)
MLPCLI = Path(sys.executable).with_name("mlpcli")
SHORT = 3  # epochs of the runs that only their start and memory are taken from
IMPORTS = "import typer, rich.progress, numpy"


def command_of(name: str, mnist: Path, out: Path, epochs: int | None = None) -> list[object]:
    """What is typed to train the network of to98/mlpcli.toml."""
    if name != "mlpcli":
        script = [sys.executable, "-m", f"benchmarks.to98.{SCRIPTS[name]}", mnist]
        return [*script, epochs] if epochs else script
    command = [MLPCLI, "train", ROOT / "benchmarks/to98/mlpcli.toml", "--data", mnist, "--out", out]
    return [*command, "--epochs", epochs] if epochs else [*command, "--json", "--quiet"]


def measure_to98(mnist: Path, folder: Path, count: int) -> dict[str, Answer]:
    """Everybody in turn, from the command to its end; with the accuracy on the test rows."""

    def once(name: str, number: int) -> Answer:
        watched = watch(command_of(name, mnist, folder / f"to98-{number}"))
        return {"seconds": watched.seconds, "accuracy": _accuracy(name, watched)}

    return _in_turn("to 98 %", once, count)


def _accuracy(name: str, watched: Watched) -> float:
    """The accuracy on the test rows, from what was printed."""
    if name == "mlpcli":
        return float(json.loads("\n".join(line for _, line in watched.lines))["test"]["accuracy"])
    return float(watched.lines[-1][1].split()[-1])


def measure_start(mnist: Path, folder: Path, count: int) -> dict[str, Answer]:
    """Everybody's start in turn, and then everybody's memory; looking at memory would slow the start down."""

    def start(name: str, number: int) -> Answer:
        return {
            "seconds": _start(watch(command_of(name, mnist, folder / f"start-{number}", SHORT)))
        }

    def memory(name: str, number: int) -> Answer:
        return {
            "peak": watch(
                command_of(name, mnist, folder / f"memory-{number}", SHORT), memory=True
            ).peak
        }

    starts, peaks = _in_turn("start", start, count), _in_turn("memory", memory, 1)
    return {name: starts[name] | peaks[name] for name in NAMES}


def _start(watched: Watched) -> float:
    """From the command to where its first epoch began: that epoch's end less the time of one that came later.

    A compiled epoch does not tell when its first minibatch was done, so this is the same for all.
    """
    ends = watched.epochs
    return ends[0] - median(late - early for early, late in pairwise(ends))


def measure_digits(folder: Path, count: int) -> Answer:
    """`mlpcli train configs/digits.toml`, data cached, beside the imports that it cannot do without."""
    cache = {"MLPCLI_CACHE": str(folder / "cache")}

    def train(out: Path) -> Answer:
        command = [MLPCLI, "train", ROOT / "configs/digits.toml", "--out", out, "--json", "--quiet"]
        seconds = watch(command, **cache).seconds
        epochs = [
            json.loads(line)["seconds"] for line in (out / "metrics.jsonl").read_text().splitlines()
        ]
        imports = watch([sys.executable, "-c", IMPORTS]).seconds
        return {"seconds": seconds, "epochs": sum(epochs), "imports": imports}

    tell("digits")
    train(folder / "digits-cold")
    return _lists([train(folder / f"digits-{number}") for number in range(count)])


def measure_million(file: Path, folder: Path) -> Answer:
    """An epoch over a file of a million rows: the peak memory beside the file's size."""
    tell("a million rows")
    command = [
        MLPCLI,
        "train",
        "--data",
        file,
        "--hidden",
        32,
        "--epochs",
        1,
        "--out",
        folder / "million",
        "--quiet",
    ]
    watched = watch(command, memory=True)
    return {"seconds": watched.seconds, "peak": watched.peak, "file": file.stat().st_size}


def _in_turn(what: str, once: Callable[[str, int], Answer], count: int) -> dict[str, Answer]:
    """So many rounds of everybody; who begins moves on by one each round."""
    found: dict[str, list[Answer]] = {name: [] for name in NAMES}
    for number in range(count):
        first = number % len(NAMES)
        for name in NAMES[first:] + NAMES[:first]:
            tell(f"{what}: {name}")
            found[name].append(once(name, number))
    return {name: _lists(answers) for name, answers in found.items()}


def _lists(answers: list[Answer]) -> Answer:
    """From a list of answers to an answer of lists."""
    return {key: [answer[key] for answer in answers] for key in answers[0]}
