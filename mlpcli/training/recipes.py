"""Recipes: defaults for a kind of data, in place of those of the keys; what the user sets wins."""

import math
from typing import Any

from mlpcli.config import Config, given
from mlpcli.errors import ConfigError
from mlpcli.layers import with_defaults

TABLES: dict[str, Any] = {
    "data.validation": 0.0,
    "data.scaling": "standard",
    "data.bins": 8,
    "data.rare": 1,
    "network.hidden": 256,
    "network.activation": "relu",
    "network.dropout": 0.3,
    "network.input_dropout": 0.1,
    "network.max_norm": 0.0,
    "network.initial": "normal",
    "optimizer.name": "adam",
    "optimizer.lr": 0.01,
    "optimizer.schedule": "cosine",
    "optimizer.beta1": 0.9,
    "optimizer.beta2": 0.99,
    "optimizer.weight_decay": 0.5,
    "training.label_smoothing": 0.1,
}
RECIPES: dict[str, dict[str, Any]] = {
    "images": {"data.scaling": "unit"},
    "plain": {"data.scaling": "standard"},
    "tables": TABLES,
}
RULES = ("optimizer.lr", "optimizer.beta1", "optimizer.beta2", "optimizer.weight_decay")
SMALLEST_B, LARGEST_B = 16, 256
ROWS_PER_B = 16  # a minibatch is so small a part of the rows
EPOCHS = 100
FEWEST_EPOCHS = 4
MOST_STEPS = 10_000


def resolve(config: Config, n_rows: int, is_image: bool) -> Config:
    """The configuration with the recipe's values where the user has set none.

    `n_rows` is the number of rows to split or to train on. A learning rate is its optimizer's own,
    so another optimizer takes none of the recipe's constants for it.
    """
    name: str = config.recipe
    if name == "auto":
        name = "images" if is_image else "tables"
    values = dict(RECIPES[name])
    own = given(config)
    if own.get("optimizer.name", values.get("optimizer.name")) != values.get("optimizer.name"):
        values = {key: value for key, value in values.items() if key not in RULES}
    if own.get("training.patience"):  # which asks for rows to choose by
        values.pop("data.validation", None)
    if name == "tables":
        values |= _steps(own, values, n_rows)
    return with_defaults(config, values | {"recipe": name})


def check_patience(config: Config, n_validation: int) -> None:
    """Raise ConfigError if training is to stop early, and no rows can tell when."""
    patience = config.training.patience
    if patience and not n_validation:
        raise ConfigError(
            f"training.patience = {patience} needs validation rows, and data.validation is 0. "
            "A new run can have them: set it to a share of the rows, such as 0.1."
        )


def _steps(own: dict[str, Any], values: dict[str, Any], n_rows: int) -> dict[str, int]:
    """Rows in a minibatch, and epochs: fewer where they would be too many steps."""
    fractions = [
        own.get("data.test", 0.2),
        own.get("data.validation", values.get("data.validation", 0.1)),
    ]
    left = 1 - sum(share for share in fractions if isinstance(share, float))
    n_train = max(1, round(n_rows * left))
    power = round(math.log2(max(1.0, n_train / ROWS_PER_B)))
    B = min(max(SMALLEST_B, 2**power), LARGEST_B)
    batches = -(-n_train // own.get("training.batch_size", B))
    epochs = min(EPOCHS, max(FEWEST_EPOCHS, MOST_STEPS // batches))
    return {"training.batch_size": B, "training.epochs": epochs}
