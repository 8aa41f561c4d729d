"""Measure mlpcli beside its peers: `python -m benchmarks.bench [--mnist FOLDER] [--quick]`.

The whole takes some 25 minutes and writes results.json, RESULTS.md and epochs.svg beside this file. `--quick` takes
under three, and prints tables. `--again` measures some sections once more, and keeps the others.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import command, epochs, machine, plot, report, scaling, scoring
from benchmarks.inputs import random_rows
from benchmarks.harness import ROOT

HERE = Path(__file__).parent
MILLION = 1_000_000


def sections(mnist: Path, folder: Path, args: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """What is measured, by the name it has in results.json."""
    few = min(args.rounds, 3)
    return {
        "epochs": lambda: epochs.measure(mnist, folder, args.quick, args.rounds, args.epochs),
        "to98": lambda: command.measure_to98(mnist, folder, few),
        "start": lambda: command.measure_start(mnist, folder, few),
        "digits": lambda: command.measure_digits(folder, args.rounds),
        "scoring": lambda: scoring.measure(folder, args.rounds),
        "growth": lambda: scaling.measure(mnist, folder, few),
        "million": lambda: command.measure_million(
            random_rows(MILLION, folder / "million.npz"), folder
        ),
    }


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--mnist",
        type=Path,
        default=ROOT / "../shared/data/mnist",
        help="folder of MNIST's IDX files",
    )
    parser.add_argument(
        "--quick", action="store_true", help="two shapes and few rounds; print, and write nothing"
    )
    parser.add_argument(
        "--rounds", type=int, help="how often everybody has a turn (5, or 3 with --quick)"
    )
    parser.add_argument(
        "--epochs", type=int, help="epochs in a turn, if not as many as fit the shape"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="SECTION",
        help="measure these, print, write nothing",
    )
    parser.add_argument(
        "--again",
        nargs="+",
        default=[],
        metavar="SECTION",
        help="measure these, replace them, write",
    )
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 5)
    args.only = args.only or (["epochs"] if args.quick else [])
    return args


def main() -> None:
    """Measure, and write or print."""
    args = read_arguments()
    about = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine.machine(),
        "versions": machine.versions(),
    }
    with tempfile.TemporaryDirectory() as folder:
        every = sections(args.mnist.resolve(strict=True), Path(folder), args)
        results = about | {name: every[name]() for name in args.only or args.again or every}
    if args.again:
        results = json.loads((HERE / "results.json").read_text()) | results
    if args.only:
        print(report.render(results))
        return
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    report.main()
    plot.main()


if __name__ == "__main__":
    main()
