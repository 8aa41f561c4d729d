"""Measure mlpcli beside its peers: `python -m benchmarks.bench [--mnist FOLDER] [--quick]`.

All sections take some 25 minutes, and are written into results.json, RESULTS.md and epochs.svg
beside this file. `--quick` takes under three minutes and prints its tables. `--again` measures some
sections again and keeps the others. A library that is not installed is left out.
"""

import argparse
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import command, epochs, machine, plot, report, results, scaling, scoring
from benchmarks.harness import ROOT, Subject
from benchmarks.inputs import write_random_rows
from benchmarks.results import EpochCase, Million, Results

MNIST = ROOT.parent / "shared" / "data" / "mnist"
NAME_FOLDER = "Name the one with MNIST's IDX files: make bench MNIST=FOLDER, or --mnist FOLDER."
MILLION = 1_000_000
SECTIONS = ("epochs", "to98", "start", "digits", "scoring", "scaling", "million")


def sections(args: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Any]]:
    """How to measure each section; files go into the folder."""
    mnist = args.mnist.resolve()
    n_rounds = args.rounds
    few_rounds = min(n_rounds, 3)  # where a round takes long

    def measure_million() -> Million:
        return command.measure_million(write_random_rows(MILLION, folder / "million.npz"), folder)

    return {
        "epochs": lambda: measure_epochs(mnist, args, folder),
        "to98": lambda: command.measure_to98(mnist, command.SUBJECTS, folder, few_rounds),
        "start": lambda: command.measure_start(mnist, command.SUBJECTS, folder, few_rounds),
        "digits": lambda: command.measure_digits(folder, n_rounds),
        "scoring": lambda: scoring.measure(scoring.PASSES, scoring.SUBJECTS, folder, n_rounds),
        "scaling": lambda: scaling.measure(mnist, folder, few_rounds, scaling.Grid()),
        "million": measure_million,
    }


def measure_epochs(mnist: Path, args: argparse.Namespace, folder: Path) -> list[EpochCase]:
    """The epochs of all workloads and subjects, or of the quick ones."""
    subjects: Sequence[Subject] = epochs.SUBJECTS
    workloads = epochs.all_workloads(mnist)
    if args.quick:
        subjects = epochs.QUICK
        workloads = epochs.quick_workloads(mnist)
    if args.epochs:
        workloads = [replace(workload, epochs=args.epochs) for workload in workloads]
    return epochs.measure(workloads, subjects, folder, args.rounds)


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mnist", type=Path, default=MNIST, help="folder of MNIST's IDX files")
    parser.add_argument(
        "--quick", action="store_true", help="two workloads, few rounds; print, and write nothing"
    )
    parser.add_argument("--rounds", type=int, help="how many rounds (5, or 3 with --quick)")
    parser.add_argument("--epochs", type=int, help="epochs in a round, the same for all workloads")
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, help="measure these sections and print them"
    )
    parser.add_argument(
        "--again", nargs="+", choices=SECTIONS, help="measure these sections, replace and write"
    )
    return parser


def read_arguments() -> argparse.Namespace:
    """The command line, with its defaults; exits if a path or a package is missing."""
    options = parser()
    args = options.parse_args()
    if args.quick:
        args.only = args.only or ["epochs"]
    args.rounds = args.rounds or (3 if args.quick else 5)
    if not args.mnist.is_dir():
        options.error(f"{args.mnist}: there is no such folder. {NAME_FOLDER}")
    if not args.only and importlib.util.find_spec("matplotlib") is None:
        options.error("the plot needs matplotlib, which is not installed; --only writes no plot")
    return args


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The sections that the command line asks for."""
    chosen = args.only or args.again or SECTIONS
    with tempfile.TemporaryDirectory() as folder:
        available = sections(args, Path(folder))
        return {name: available[name]() for name in chosen}


def main() -> None:
    """Measure, and print or write."""
    args = read_arguments()
    about = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine.machine(),
        "versions": machine.versions(),
    }
    measured = about | measure(args)
    if args.only:
        print(report.render(Results(**measured)))
        return
    if args.again:
        measured = vars(results.read()) | measured
    results.write(Results(**measured))
    report.main()
    plot.main()


if __name__ == "__main__":
    main()
