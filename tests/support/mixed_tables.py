"""A table of numbers, words and gaps, as a file and as a model that was made for it."""

from pathlib import Path

import numpy as np

from mlpcli.arrays import Floats, Shape
from mlpcli.model.network import Network
from mlpcli.preprocessing.columns import Column, feature_columns
from mlpcli.preprocessing.pipeline import Settings, learn
from mlpcli.storage.modelfile import Model

LEVELS = ("ash", "elm", "oak", "yew")
COLUMNS = (
    Column("id", "ignored"),
    Column("age", "number"),
    Column("tree", "category", LEVELS),
    Column("size", "number"),
    Column("kind", "label"),
)


def write_mixed_rows(path: Path, n_rows: int = 600) -> Path:
    """Write a CSV file of an id, numbers, words and missing cells."""
    rng = np.random.default_rng(0)
    lines = ["id,age,tree,size,kind"]
    for row in range(1, n_rows + 1):
        tree = rng.choice(["ash", "elm", "oak", "yew", ""], p=[0.4, 0.3, 0.2, 0.02, 0.08])
        age, size = rng.normal(40, 10), rng.normal()
        kind = "yes" if (tree == "oak") ^ (size > rng.normal(scale=0.3)) else "no"
        shown = "" if row % 11 == 0 else f"{age:.1f}"
        lines.append(f"{row},{shown},{tree},{size:.3f},{kind}")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def mixed_rows(n_rows: int = 40) -> Floats:
    """Raw rows of those columns, without the label."""
    rng = np.random.default_rng(1)
    x = np.zeros((n_rows, 4))
    x[:, 1] = rng.normal(40, 10, n_rows)
    x[:, 2] = rng.integers(-1, 4, n_rows)
    x[:, 3] = rng.integers(0, 5, n_rows)
    x[::7, 1:3] = np.nan
    return x


def mixed_model() -> Model:
    """A model of those columns with 5 hidden units and 2 classes."""
    x = mixed_rows()
    settings = Settings("standard", bins=3, rare=9)
    encoding = learn(feature_columns(COLUMNS), x, np.arange(len(x)), settings, together=False)
    network = Network(Shape(encoding.n_inputs, 5, 2), "relu")
    network.theta[:] = np.random.default_rng(0).normal(size=len(network.theta))
    return Model(network, encoding, {"classes": ["no", "yes"]}, COLUMNS)
