"""Draw epochs.svg from results.json: `python -m benchmarks.plot`.

It shows each library's epoch as a multiple of mlpcli's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.results import EpochCase, Measurements
from benchmarks.statistics import fastest, ratio

PATH = Path(__file__).parent / "epochs.svg"
COLOURS = {  # of Okabe and Ito, which colour-blind people can distinguish
    "JAX": "#0072B2",
    "PyTorch": "#D55E00",
    "Keras": "#009E73",
    "scikit-learn": "#E69F00",
}
TITLES = {"momentum": "momentum", "adam": "Adam"}
TICKS = {0.5: "0.5", 1: "1", 2: "2", 5: "5", 10: "10", 20: "20"}
WIDTH = 0.2  # of a bar; the four bars of a network fill four fifths of its space


def draw(cases: Sequence[EpochCase], path: Path) -> None:
    """Draw one panel for each optimizer, with a group of bars for each network."""
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "epochs"  # the same numbers give the same file
    figure, panels = pyplot.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
    for panel, (optimizer, title) in zip(panels, TITLES.items(), strict=True):
        shown = [case for case in cases if case.optimizer == optimizer]
        _draw_bars(panel, shown)
        _draw_axes(panel, shown)
        panel.set_title(title)
    panels[0].set_ylabel("time of an epoch / mlpcli's")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, ncols=len(COLOURS), frameon=False, loc="outside upper center")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _draw_bars(panel: Any, cases: Sequence[EpochCase]) -> None:
    """Draw the bars of each library beside those of the one before."""
    for number, (library, colour) in enumerate(COLOURS.items()):
        offset = (number - 1.5) * WIDTH
        heights = [_multiple(case.subjects, library) for case in cases]
        centres = [group + offset for group in range(len(cases))]
        bars = panel.bar(centres, heights, WIDTH * 0.9, label=library, color=colour)
        panel.bar_label(bars, fmt="%.1f", fontsize=8)


def _multiple(subjects: Measurements, library: str) -> float:
    """The library's time as a multiple of mlpcli's; not a number if it was left out."""
    if library not in subjects:
        return float("nan")
    theirs = subjects[fastest(subjects, library)]
    return ratio(theirs.by_round, subjects["mlpcli"].by_round).median


def _draw_axes(panel: Any, cases: Sequence[EpochCase]) -> None:
    """Draw the line of mlpcli, the ticks and the networks' names."""
    panel.axhline(1, color="black", linewidth=1)
    panel.annotate(
        "mlpcli",
        (1, 1),
        (3, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
    )
    names = [f"{case.shape}\nB {case.batch_size}" for case in cases]
    panel.set_xticks(range(len(cases)), names)
    panel.set_yscale("log")
    panel.set_yticks(list(TICKS), list(TICKS.values()))
    panel.minorticks_off()
    panel.set_ylim(bottom=0.5)
    panel.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Draw epochs.svg."""
    draw(results.read().epochs or [], PATH)


if __name__ == "__main__":
    main()
