"""Write RESULTS.md from results.json: `python -m benchmarks.report`."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks import results as stored
from benchmarks.results import (
    CommandRun,
    Digits,
    EpochCase,
    Measurement,
    Million,
    Results,
    ScalingPoint,
    ScoringCase,
    Start,
)
from benchmarks.statistics import ratio, spread
from benchmarks.targets import GOAL, Target, targets

PATH = Path(__file__).parent / "RESULTS.md"
MIB = 2**20

HEAD = """# Results

Measured {date} on {processor}, {cores} cores, {memory}, {system}. {versions}.

`make bench MNIST=FOLDER` measures again, `make bench-quick` a part in three minutes. Each subject,
a library or one way to use it, runs in a process of its own. Subjects are measured in turn, in
several rounds; a figure is the median over rounds, followed by the smallest and the largest. A
ratio is computed within each round; the figure is the median of these ratios. Below 1, mlpcli is
faster or smaller.

## Targets
"""
EPOCHS = """## Seconds an epoch

![Time of an epoch of each library as a multiple of mlpcli's](epochs.svg)

Times are in steady state, after one epoch to warm up, and include everything that an epoch costs
the user: shuffling, training, loss and accuracy on the validation rows, a copy of the best weights.
All subjects have the same rows, first weights, minibatches (the last short one included), float32,
and dropout of 0.5 on hidden units. scikit-learn has no dropout, and so less to compute. "Two
products" is not training: it is x W1 and xᵀ ∂a alone, as often as the epoch needs them. mlpcli
leaves the blank borders of a minibatch's images out of its products, 9 % of MNIST's pixels at 128
rows; the others, and the two products, multiply all pixels. On digits, JAX is also measured on one
core, where it is faster; a target compares mlpcli with a library's fastest subject.
"""
TO98 = """## From the command to 98 % on MNIST

The time from the command to the end of its process: IDX files are read, a network is trained as
[to98/mlpcli.toml](to98/mlpcli.toml) says, and the 10,000 test rows are scored. All libraries train
on as many rows for as many epochs; mlpcli alone also scores validation rows at each epoch, writes a
run folder, and scores the training rows. scikit-learn has no dropout and no learning rate schedule
that falls to 0.
"""
START = """## Start and memory

The same commands for 3 epochs. The start is the time from the command to the first minibatch, and
includes imports, reading files and compiling: the end of the first epoch less the time of a later
one. The memory is the largest proportional set size of the process and its descendants, sampled
every 20 ms.
"""
DIGITS = """## Digits, the whole process

`mlpcli train configs/digits.toml`, with the data in the cache, beside
`python -c "import typer, rich.progress, numpy"`.
"""
SCORING = """## Scoring

784-512-10 on random bytes: mlpcli from uint8 rows to losses and predictions, its peers from float32
rows that are made before the clock starts to probabilities, 10,000 rows in a call.
"""
SCALING = """## Scaling

mlpcli alone, on MNIST's first rows, a tenth of them for validation: 784-512-10, momentum,
minibatches of 128 and 15,000 rows, except for what the table varies.
"""
MILLION = """## A million rows

Random bytes of 784 features in an .npz file, one epoch of 784-32-10 by the command.
"""


def render(results: Results) -> str:
    """The page, with the sections that were measured."""
    return "\n".join(_parts(results))


def _parts(results: Results) -> Iterator[str]:
    yield _head(results)
    yield _targets(targets(results))
    if results.epochs:
        yield EPOCHS
        yield from map(_epoch_case, results.epochs)
    if results.to98:
        yield TO98
        yield _to98(results.to98)
    if results.start:
        yield START
        yield _start(results.start)
    if results.digits:
        yield DIGITS
        yield _digits(results.digits)
    if results.scoring:
        yield SCORING
        yield _scoring(results.scoring)
    if results.scaling:
        yield SCALING
        yield from _scaling(results.scaling)
    if results.million:
        yield MILLION
        yield _million(results.million)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned as numbers."""
    rule = ["---"] + ["--:"] * (len(head) - 1)
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]
    return "\n".join(lines) + "\n"


def _head(results: Results) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    return HEAD.format(date=results.date, versions=versions, **results.machine)


def _targets(found: Iterator[Target]) -> str:
    rows = []
    for target in found:
        sign = "≥" if target.at_least else "≤"
        limit = f"{sign} {target.limit:.2f}"
        met = "yes" if target.met else "no"
        rows.append([target.ratio, limit, target.measured.text(), met])
    return _table(["ratio", "target", "measured", "met"], rows)


def _epoch_case(case: EpochCase) -> str:
    title = f"### {case.shape}, minibatches of {case.batch_size}, {case.optimizer}"
    sizes = f"{case.n_rows:,} training rows, {case.n_validation:,} validation rows."
    head = ["", "milliseconds", "mlpcli / it", "validation accuracy", "kernels"]
    ours = case.subjects["mlpcli"]
    rows = [_epoch_row(name, measured, ours) for name, measured in case.subjects.items()]
    return "\n\n".join([title, sizes, _table(head, rows)])


def _epoch_row(name: str, measured: Measurement, ours: Measurement) -> list[str]:
    time = spread([1000 * seconds for seconds in measured.by_round]).text(1)
    relative = ratio(ours.by_round, measured.by_round).text()
    if name == "mlpcli":
        relative = "1"
    accuracy = ""
    if measured.accuracy is not None:
        accuracy = f"{measured.accuracy:.2%}"
    return [name, time, relative, accuracy, measured.about]


def _to98(runs: dict[str, CommandRun]) -> str:
    ours = runs["mlpcli"].seconds
    rows = []
    for name, run in runs.items():
        accuracies = ", ".join(f"{accuracy:.2%}" for accuracy in sorted(set(run.accuracy)))
        reached = "yes" if min(run.accuracy) >= GOAL else "no"
        relative = ratio(ours, run.seconds).text()
        rows.append([name, spread(run.seconds).text(1), relative, accuracies, reached])
    return _table(["", "seconds", "mlpcli / it", "test accuracy", "98 %"], rows)


def _start(starts: dict[str, Start]) -> str:
    rows = []
    for name, start in starts.items():
        memory = f"{start.peak[0] / MIB:,.0f}"
        rows.append([name, spread(start.seconds).text(), memory])
    return _table(["", "seconds to the first minibatch", "peak memory, MiB"], rows)


def _digits(digits: Digits) -> str:
    rows = [
        ["whole process", spread(digits.seconds).text()],
        ["of which epochs", spread(digits.epochs).text()],
        ["bare imports", spread(digits.imports).text()],
    ]
    return _table(["", "seconds"], rows)


def _scoring(cases: Sequence[ScoringCase]) -> str:
    rows = []
    for case in cases:
        ours = case.subjects["mlpcli"].by_round
        for name, measured in case.subjects.items():
            speeds = [case.n_rows / seconds / 1000 for seconds in measured.by_round]
            relative = ratio(measured.by_round, ours).text()
            title = f"{case.n_rows:,} rows, {name}"
            rows.append([title, spread(speeds).text(0), relative, measured.about])
    return _table(["", "thousand rows a second", "mlpcli's / its", "kernels"], rows)


def _scaling(points: Sequence[ScalingPoint]) -> Iterator[str]:
    """One table for each axis."""
    for axis, of_axis in groupby(points, key=lambda point: point.axis):
        rows = [_scaling_row(point) for point in of_axis]
        yield _table([axis, "milliseconds an epoch", "milliseconds for 1,000 rows"], rows)


def _scaling_row(point: ScalingPoint) -> list[str]:
    time = spread([1000 * seconds for seconds in point.measurement.by_round])
    by_thousand = time.median / point.n_rows * 1000
    return [f"{point.value:,}", time.text(1), f"{by_thousand:.2f}"]


def _million(million: Million) -> str:
    file = f"{million.file / MIB:,.0f}"
    peak = f"{million.peak / MIB:,.0f}"
    head = ["file, MiB", "peak memory, MiB", "seconds"]
    return _table(head, [[file, peak, f"{million.seconds:.1f}"]])


def main() -> None:
    """Write RESULTS.md."""
    PATH.write_text(render(stored.read()), encoding="utf-8")


if __name__ == "__main__":
    main()
