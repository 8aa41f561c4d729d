"""Names of choices: written in any case, and which one was meant by another name."""

import pytest

from mlpcli.config import choices, every_key, flat
from mlpcli.errors import ConfigError
from mlpcli.layers import configure

CHOICES = [(key, choice) for key, _ in every_key() for choice in choices(key)]


def test_the_keys_with_choices_are_these() -> None:
    assert sorted({key for key, _ in CHOICES}) == [
        "data.decimal",
        "data.scaling",
        "network.activation",
        "network.initial",
        "optimizer.name",
        "optimizer.schedule",
        "recipe",
    ]
    assert choices("training.epochs") == choices("no.such.key") == ()


@pytest.mark.parametrize(("key", "choice"), CHOICES)
@pytest.mark.parametrize("write", [str.upper, str.title, str.swapcase])
def test_a_choice_may_be_written_in_any_case_in_every_layer(
    key: str, choice: str, write: object
) -> None:
    assert callable(write)
    written = write(choice)
    for config in (
        configure({key: written}, [], {}, ""),
        configure({}, [f"{key}={written}"], {}, ""),
        configure({}, [f'{key}="{written}"'], {}, ""),
        configure({}, [], {key: written}, "settings.toml"),
    ):
        assert flat(config)[key] == choice


def test_the_learning_rate_is_that_of_the_rule_in_any_case() -> None:
    config = configure({"optimizer.name": "ADAM"}, [], {"optimizer.lr": 0.3}, "settings.toml")
    assert config.optimizer.lr == 0.001
    same = configure({"optimizer.name": "Momentum"}, [], {"optimizer.lr": 0.3}, "settings.toml")
    assert same.optimizer.lr == 0.3


def test_other_texts_keep_their_case() -> None:
    config = configure({"data.source": "Digits.csv", "data.target": "Class"}, [], {}, "")
    assert (config.data.source, config.data.target) == ("Digits.csv", "Class")


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("network.activation", "sigmoid", "logistic"),
        ("network.activation", "Linear", "identity"),
        ("network.activation", "relu6", "relu"),
        ("optimizer.name", "AdamW", "adam"),
        ("optimizer.name", "nesterov", "momentum"),
        ("optimizer.schedule", "cos", "cosine"),
        ("data.scaling", "standardize", "standard"),
        ("recipe", "table", "tables"),
    ],
)
def test_a_choice_by_another_name_gets_a_hint(key: str, value: str, meant: str) -> None:
    with pytest.raises(ConfigError) as raised:
        configure({key: value}, [], {}, "")
    assert str(raised.value).endswith(f". Did you mean {meant}?")


@pytest.mark.parametrize("value", ["rmsprop", "", "a\x1b]0;b\x07", 3])
def test_what_is_like_no_choice_gets_no_hint(value: object) -> None:
    with pytest.raises(ConfigError) as raised:
        configure({"optimizer.name": value}, [], {}, "")
    assert str(raised.value).endswith("it must be one of sgd, momentum, adam.")
