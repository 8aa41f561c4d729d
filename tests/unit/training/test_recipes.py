"""A recipe sets defaults; what the user sets wins, and a run's settings are complete."""

from typing import Any

import pytest

from mlpcli.config import Config, flat
from mlpcli.errors import ConfigError
from mlpcli.layers import configure
from mlpcli.training.recipes import TABLES, check_patience, resolve


def resolved(n_rows: int = 1000, is_image: bool = False, **settings: Any) -> Config:
    """The settings of a run; `a__b` stands for the key a.b."""
    flags = {key.replace("__", "."): value for key, value in settings.items()}
    return resolve(configure(flags, [], {}, ""), n_rows, is_image)


def test_images_are_trained_as_ever() -> None:
    today = flat(Config())
    found = flat(resolved(is_image=True))
    assert found.pop("recipe") == "images"
    assert found.pop("data.scaling") == "unit"
    assert found.items() <= today.items()


def test_other_data_gets_the_recipe_for_tables() -> None:
    found = flat(resolved())
    assert found["recipe"] == "tables"
    assert TABLES.items() <= found.items()


def test_a_recipe_can_be_named() -> None:
    assert resolved(recipe="plain").data.bins == 0
    assert resolved(recipe="tables", is_image=True).data.bins == TABLES["data.bins"]


def test_what_the_user_sets_wins() -> None:
    config = resolved(network__hidden=7, data__bins=0, training__epochs=3, data__validation=0.2)
    assert config.network.hidden == 7
    assert config.data.bins == 0
    assert config.training.epochs == 3
    assert config.data.validation == 0.2


def test_what_the_user_sets_wins_even_if_it_is_the_default_without_a_recipe() -> None:
    default = Config().network.dropout
    assert default != TABLES["network.dropout"]
    assert resolved(network__dropout=default).network.dropout == default


def test_another_optimizer_takes_none_of_the_recipes_constants() -> None:
    settings = resolved(optimizer__name="momentum").optimizer
    assert settings.lr == 0.05
    assert settings.weight_decay == 0
    assert resolved(optimizer__name="adam").optimizer.lr == TABLES["optimizer.lr"]


def test_resolved_settings_are_complete_so_that_they_stay_as_they_are() -> None:
    once = resolved()
    again = resolve(Config.model_validate(once.model_dump()), 10**6, is_image=True)
    assert again == once


@pytest.mark.parametrize(
    ("n_rows", "B", "epochs"),
    [(40, 16, 100), (1000, 64, 100), (5000, 256, 100), (20_000, 256, 100), (40_000, 256, 80)],
)
def test_minibatches_grow_with_the_rows(n_rows: int, B: int, epochs: int) -> None:
    training = resolved(n_rows).training
    assert (training.batch_size, training.epochs) == (B, epochs)


def test_many_rows_get_fewer_epochs() -> None:
    epochs = [resolved(n_rows).training.epochs for n_rows in (10**5, 10**6, 10**7)]
    assert epochs == sorted(epochs, reverse=True)
    assert 1 <= epochs[-1] < epochs[0] <= 100


def test_patience_asks_for_validation_rows() -> None:
    assert resolved(training__patience=5).data.validation == 0.1
    config = resolved(training__patience=5, data__validation=0.0)
    with pytest.raises(ConfigError, match="patience = 5 needs validation rows"):
        check_patience(config, 0)
    check_patience(config, 1)
