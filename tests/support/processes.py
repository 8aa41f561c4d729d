"""Real training processes: what they train, how they are started, and what they leave behind."""

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.storage.reading import check_seal, read_npz

ROOT = Path(__file__).parents[2]
MNIST = ROOT.parent / "shared" / "data" / "mnist"
WAIT = 120  # seconds after which a process hangs
GONE = 1  # seconds after a process's end in which its workers have gone
Process = subprocess.Popen[str]


@dataclass(frozen=True)
class Case:
    """A run to disturb: its name, and the words after `mlpcli train`."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """What comes of a case that nobody disturbs, and how long that takes."""

    case: Case
    outcome: tuple[str, list[dict[str, Any]]]
    seconds: float


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    stdout: str
    stderr: str


def digits(name: str, epochs: int, *words: str) -> Case:
    """A case of digits, in one process."""
    return Case(
        f"digits, {name}", ("--hidden", "64", "--batch-size", "64", "--epochs", str(epochs), *words)
    )


def wide(rows: Path, name: str, epochs: int, *words: str) -> Case:
    """A case with enough features for two processes to share the hidden units out."""
    sizes = ("--hidden", "64", "--batch-size", "100", "--threads", "2", "--epochs", str(epochs))
    return Case(f"wide rows, two processes, {name}", ("--data", str(rows), *sizes, *words))


def cases(rows: Path) -> list[Case]:
    """What is killed: both rules, one process and two, early stopping, saved as often as may be and by default."""
    often, adam = ("--set", "training.checkpoint_seconds=0"), ("--optimizer", "adam")
    return [
        digits("momentum", 100),
        digits("Adam", 80, *adam, *often),
        wide(rows, "momentum", 12, *often),
        digits("early stopping", 300, "--set", "training.patience=6", "--lr", "0.1", *often),
        wide(rows, "Adam", 10, *adam, *often),
        digits("momentum, saved often", 100, *often),
        wide(rows, "momentum, saved by default", 12),
    ]


def write_wide_rows(path: Path) -> Path:
    """Write rows of 784 whole numbers: of MNIST where its files are beside the project, else drawn like them."""
    x, y = _mnist_rows() if MNIST.is_dir() else _drawn_rows()
    np.savez(path, x=x, y=y)
    return path


def _mnist_rows() -> tuple[Any, Any]:
    images, labels = (
        gzip.decompress(next(MNIST.glob(f"t10k-{kind}*")).read_bytes())
        for kind in ("images", "labels")
    )
    return np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784)[:1500], np.frombuffer(
        labels, np.uint8
    )[8:1508]


def _drawn_rows() -> tuple[Any, Any]:
    stream = np.random.default_rng(0)
    y = np.arange(1500) % 10
    centres = stream.uniform(110, 146, (10, 784))
    return np.clip(stream.normal(centres[y], 150), 0, 255).astype(np.uint8), y


def start(*words: object, trap: tuple[str, int] | None = None) -> Process:
    """Start `mlpcli`; with a trap, killed the n-th time that it comes to a point."""
    module = ["tests.support.kill_points", *map(str, trap)] if trap else ["mlpcli"]
    return python("-m", *module, *map(str, words))


def python(*words: str) -> Process:
    """Start Python in a process group of its own, whose coverage is not measured: what is killed could not tell it."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def train(case: Case, folder: Path, *words: object) -> Process:
    """Start a case."""
    return start("train", *case.words, "--out", folder, *words)


def training(case: Case, folder: Path, *words: object) -> Process:
    """Start a case, and return when its first epoch is done."""
    process, log = train(case, folder, *words), folder / "metrics.jsonl"
    while not (log.exists() and log.stat().st_size):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    return process


def ended(process: Process) -> Ended:
    """Wait for a process, and see that its workers go with it: they hold its streams open as long as they live."""
    try:
        code = process.wait(WAIT)
        return Ended(code, *process.communicate(timeout=GONE))
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise AssertionError("a process hung, or a worker outlived it by a second") from error


def undisturbed(chosen: list[Case], folder: Path) -> list[Reference]:
    """Run each case to its end; the first one once before, so that no time is that of fetching data."""
    ended(train(chosen[0], folder))
    return [_timed(case, folder) for case in chosen]


def _timed(case: Case, folder: Path) -> Reference:
    began = time.perf_counter()
    done = ended(train(case, folder, "--overwrite"))
    assert done.code == 0, done.stderr
    return Reference(case, outcome(folder), time.perf_counter() - began)


def outcome(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """The hash of a run's model, and its log without times."""
    log = [
        json.loads(line)
        for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    timeless = [
        {key: line[key] for key in line if key not in ("seconds", "rows_per_second")}
        for line in log
    ]
    return hashlib.sha256((folder / "model.npz").read_bytes()).hexdigest(), timeless


def children() -> set[int]:
    """The ids of this process's children, with those that have ended and were not waited for."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return {int(word) for word in listed.split()}


def check_files(folder: Path) -> None:
    """Read every file of a run, whole and sealed; raises what the first one raises that is not."""
    for path in folder.glob("[!.]*.npz"):
        check_seal(path)
        read_npz(path)
    for path in folder.glob("config.toml"):
        tomllib.loads(path.read_text(encoding="utf-8"))
    for path in folder.glob("result.json"):
        json.loads(path.read_text(encoding="utf-8"))
