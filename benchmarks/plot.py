"""epochs.svg from results.json: how many times mlpcli's epoch each peer's takes; `python -m benchmarks.plot`."""

import json
from pathlib import Path
from typing import Any

from benchmarks.statistics import quickest, ratio

HERE = Path(__file__).parent
COLOURS = {  # Okabe and Ito's, which colour-blind people can tell apart
    "JAX": "#0072B2",
    "PyTorch": "#D55E00",
    "Keras": "#009E73",
    "scikit-learn": "#E69F00",
}
WIDTH = 0.2  # of a bar; those of a shape fill four fifths of its place


def draw(contests: list[Any], path: Path) -> None:
    """One panel for each optimizer, a group of bars for each shape."""
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "epochs"  # the same numbers give the same file
    figure, panels = pyplot.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
    for panel, optimizer in zip(panels, ("momentum", "adam"), strict=True):
        _bars(panel, [contest for contest in contests if contest["optimizer"] == optimizer])
        panel.set_title({"momentum": "momentum", "adam": "Adam"}[optimizer])
    panels[0].set_ylabel("seconds an epoch, in mlpcli's")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        ncols=len(COLOURS),
        frameon=False,
        loc="outside upper center",
    )
    figure.savefig(path, metadata={"Date": None})


def _bars(panel: Any, contests: list[Any]) -> None:
    for place, (peer, colour) in enumerate(COLOURS.items()):
        heights = [_times(contest["contestants"], peer) for contest in contests]
        at = [group + (place - 1.5) * WIDTH for group in range(len(contests))]
        panel.bar_label(
            panel.bar(at, heights, WIDTH * 0.9, label=peer, color=colour), fmt="%.1f", fontsize=8
        )
    panel.axhline(1, color="black", linewidth=1)
    panel.annotate(
        "mlpcli",
        (1, 1),
        (3, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
    )
    panel.set_xticks(range(len(contests)), [f"{c['shape']}\nB {c['batch_size']}" for c in contests])
    panel.set_yscale("log")
    panel.set_yticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    panel.minorticks_off()
    panel.set_ylim(bottom=0.5)
    panel.spines[["top", "right"]].set_visible(False)


def _times(contestants: dict[str, Any], peer: str) -> float:
    """The peer's seconds in mlpcli's."""
    return ratio(
        contestants[quickest(contestants, peer)]["seconds"], contestants["mlpcli"]["seconds"]
    ).median


def main() -> None:
    """Write epochs.svg."""
    draw(json.loads((HERE / "results.json").read_text())["epochs"], HERE / "epochs.svg")


if __name__ == "__main__":
    main()
