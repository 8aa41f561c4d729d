"""RESULTS.md from results.json: `python -m benchmarks.report` renders it again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.statistics import by_round, ratio, spread, table
from benchmarks.targets import GOAL, targets

HERE = Path(__file__).parent
HEAD = """# Results

Measured {date} on {processor}, {cores} cores, {memory}, {system}. {versions}.

`make bench MNIST=FOLDER` measures again, `make bench-quick` a part in three minutes. Contestants are processes of
their own, taken in turn and in rounds; figures are medians over rounds, with the smallest and the largest. A ratio is
taken within each round, and of these the median; below 1, mlpcli takes less.

## Targets
"""
EPOCHS = """## Seconds an epoch

![Time of each peer beside mlpcli's](epochs.svg)

In steady state, after an epoch to warm up, with all that an epoch costs its user: shuffling, training, loss and
accuracy on the validation rows, a copy of the best weights. Everybody has the same rows, first weights, minibatches
(the last short one included), float32 and dropout of 0.5 on hidden units, but scikit-learn, which has no dropout and so
less to do. "Two products" is not a training: x W1 and xᵀ ∂a alone, as often as the epoch needs them. mlpcli leaves the
blank borders of a minibatch's images out of its products, 9 % of MNIST's pixels at 128 rows; the others, and the two
products alone, multiply them all. JAX is measured on digits on one core too, where it is quicker; the target is held
against a peer's quickest way.
"""
TO98 = """## From the command to 98 % on MNIST

From typing the command to the end of its process: IDX files read, a network trained as
[to98/mlpcli.toml](to98/mlpcli.toml) says, the 10,000 test rows scored. Everybody trains on as many rows for as many
epochs; mlpcli alone also scores validation rows at each epoch, writes a run folder, and scores the training rows.
scikit-learn has no dropout and no falling rate of learning.
"""
START = """## Start and memory

The same commands for 3 epochs. The start is from the command to the first minibatch, and with it imports, files and
compiling: the end of the first epoch less the time of a later one. The memory is the largest proportional set size of
all the process's tree, looked at every 20 ms.
"""
DIGITS = """## Digits, the whole process

`mlpcli train configs/digits.toml`, the data cached, beside `python -c "import typer, rich.progress, numpy"`.
"""
SCORING = """## Scoring

784-512-10 on random bytes: mlpcli from uint8 rows to the loss and guesses, its peers from float32 rows that are ready
to probabilities, 10,000 rows in a call.
"""
GROWTH = """## Growth

mlpcli alone: MNIST's first rows, a tenth of them for validation; 784-512-10, momentum, minibatches of 128, 15,000 rows
where nothing else is said.
"""
MILLION = """## A million rows

Random bytes of 784 features in an .npz, one epoch of 784-32-10 by the command.
"""


def render(results: dict[str, Any]) -> str:
    """The page, of the sections that were measured."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    parts = [
        HEAD.format(date=results["date"], versions=versions, **results["machine"]),
        _targets(results),
    ]
    for name, (text, tables) in SECTIONS.items():
        if name in results:
            parts += [text, tables(results[name])]
    return "\n".join(parts)


def _targets(results: dict[str, Any]) -> str:
    rows = [
        [
            t.what,
            f"{'≥' if t.at_least else '≤'} {t.limit:.2f}",
            t.measured.text(),
            "yes" if t.met else "no",
        ]
        for t in targets(results)
    ]
    return table(["ratio", "target", "measured", "met"], rows) + "\n"


def _epochs(contests: list[Any]) -> str:
    return "\n".join(map(_contest, contests))


def _contest(contest: dict[str, Any]) -> str:
    head = "### {shape}, minibatches of {batch_size}, {optimizer}\n\n{rows:,} rows, {validation:,} to validate on.\n\n"
    rows, mine = [], contest["contestants"]["mlpcli"]["seconds"]
    for name, answer in contest["contestants"].items():
        spent = spread([1000 * seconds for seconds in by_round(answer["seconds"])])
        share = "1" if name == "mlpcli" else ratio(mine, answer["seconds"]).text()
        learnt = f"{answer['accuracy']:.2%}" if answer["accuracy"] is not None else ""
        rows.append([name, spent.text(1), share, learnt, answer["about"]])
    names = ["", "milliseconds", "mlpcli / it", "validation accuracy", "kernels"]
    return head.format(**contest) + table(names, rows) + "\n"


def _to98(contestants: dict[str, Any]) -> str:
    rows = [
        [
            name,
            spread(answer["seconds"]).text(1),
            ratio(contestants["mlpcli"]["seconds"], answer["seconds"]).text(),
            ", ".join(f"{accuracy:.2%}" for accuracy in sorted(set(answer["accuracy"]))),
            "yes" if min(answer["accuracy"]) >= GOAL else "no",
        ]
        for name, answer in contestants.items()
    ]
    return table(["", "seconds", "mlpcli / it", "test accuracy", "98 %"], rows) + "\n"


def _start(contestants: dict[str, Any]) -> str:
    rows = [
        [name, spread(answer["seconds"]).text(), f"{answer['peak'][0] / 2**20:,.0f}"]
        for name, answer in contestants.items()
    ]
    return table(["", "seconds to the first minibatch", "peak memory, MiB"], rows) + "\n"


def _digits(answer: dict[str, Any]) -> str:
    names = {"seconds": "whole process", "epochs": "of which epochs", "imports": "bare imports"}
    return (
        table(["", "seconds"], [[names[key], spread(answer[key]).text()] for key in names]) + "\n"
    )


def _scoring(contests: list[Any]) -> str:
    rows = []
    for contest in contests:
        mine = contest["contestants"]["mlpcli"]["seconds"]
        for name, answer in contest["contestants"].items():
            speed = spread(
                [contest["rows"] / seconds / 1000 for seconds in by_round(answer["seconds"])]
            )
            share = ratio(answer["seconds"], mine).text()
            rows.append(
                [f"{contest['rows']:,} rows, {name}", speed.text(0), share, answer["about"]]
            )
    return table(["", "thousand rows a second", "mlpcli's / its", "kernels"], rows) + "\n"


def _growth(rows: list[Any]) -> str:
    pages = []
    for what in dict.fromkeys(row["what"] for row in rows):
        lines = []
        for row in (row for row in rows if row["what"] == what):
            spent = spread([1000 * seconds for (seconds,) in row["seconds"]])
            lines.append(
                [f"{row['value']:,}", spent.text(1), f"{spent.median / row['rows'] * 1000:.2f}"]
            )
        pages.append(
            table([what, "milliseconds an epoch", "milliseconds for 1,000 rows"], lines) + "\n"
        )
    return "\n".join(pages)


def _million(answer: dict[str, Any]) -> str:
    cells = [
        f"{answer['file'] / 2**20:,.0f}",
        f"{answer['peak'] / 2**20:,.0f}",
        f"{answer['seconds']:.1f}",
    ]
    return table(["file, MiB", "peak memory, MiB", "seconds"], [cells]) + "\n"


SECTIONS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "epochs": (EPOCHS, _epochs),
    "to98": (TO98, _to98),
    "start": (START, _start),
    "digits": (DIGITS, _digits),
    "scoring": (SCORING, _scoring),
    "growth": (GROWTH, _growth),
    "million": (MILLION, _million),
}


def main() -> None:
    """Write RESULTS.md."""
    (HERE / "RESULTS.md").write_text(render(json.loads((HERE / "results.json").read_text())))


if __name__ == "__main__":
    main()
