"""The configuration: defaults <- TOML file <- flags; unknown keys and bad values are refused by name."""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from mlpcli.errors import ConfigError

LEARNING_RATES = {"sgd": 0.1, "momentum": 0.05, "adam": 0.001}
FLAGS = {
    "data.source": "--data",
    "optimizer.name": "--optimizer",
}  # the flags not named as their keys are
Share = Annotated[float, Field(gt=0, lt=1)]
PathName = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A frozen group of settings that knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(Section):
    """What to learn from."""

    source: str = Field(
        "digits", min_length=1, description="`digits`, `mnist`, `openml:NAME[@VERSION]` or a path"
    )
    target: str = Field("", description="CSV: name of the label's column; empty for the last one")
    validation: Share | PathName = Field(
        0.1, description="share of the rows to choose the best weights by, or a path"
    )
    test: Share | PathName = Field(
        0.2, description="share of the rows to score, where the source has none, or a path"
    )
    scaling: Literal["auto", "none", "unit", "standard"] = Field(
        "auto", description="of the features; `auto` is `unit` for images, else `standard`"
    )


class Net(Section):
    """The network."""

    hidden: int = Field(256, ge=1, le=2**24, description="hidden units H")
    activation: Literal["relu", "tanh", "logistic", "identity"] = Field(
        "relu", description="φ; `logistic` is the sigmoid"
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="probability of dropping a hidden unit")
    input_dropout: float = Field(0.1, ge=0, lt=1, description="probability of dropping an input")
    l2: float = Field(0.0, ge=0, description="λ of the penalty λ/2 (‖W1‖² + ‖W2‖²)")
    max_norm: float = Field(
        3.0, ge=0, description="largest norm of a unit's incoming weights; 0 for none"
    )


class Optimizer(Section):
    """How the weights move."""

    name: Literal["sgd", "momentum", "adam"] = Field("momentum", description="the rule")
    lr: float = Field(
        0.0, gt=0, description="learning rate; default by rule: sgd 0.1, momentum 0.05, adam 0.001"
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "cosine", description="of the learning rate, by step"
    )
    warmup_epochs: float = Field(
        0.0, ge=0, le=2**24, description="epochs over which the learning rate rises first"
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="μ of `momentum`")
    nesterov: bool = Field(True, description="look ahead, with `momentum`")
    beta1: float = Field(0.9, ge=0, lt=1, description="`adam`: decay of the first moment")
    beta2: float = Field(0.999, ge=0, lt=1, description="`adam`: decay of the second moment")
    epsilon: float = Field(1e-8, ge=1e-30, description="`adam`: added to the root")
    weight_decay: float = Field(
        0.0, ge=0, description="decoupled: weights shrink by lr times this, each step"
    )

    @model_validator(mode="before")
    @classmethod
    def _default_rate(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"lr": LEARNING_RATES.get(str(values.get("name", "momentum")), 0.1)} | values


class Training(Section):
    """How long, and in what steps."""

    epochs: int = Field(200, ge=1, le=2**24, description="passes over the training rows")
    batch_size: int = Field(32, ge=1, le=2**24, description="rows in a minibatch B")
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="save so often within an epoch too; at most 5 % of time"
    )
    threads: int = Field(0, ge=0, le=1024, description="processor cores to use; 0 for all")
    patience: int = Field(
        0, ge=0, description="stop after so many epochs without a better validation loss; 0 never"
    )


class Config(Section):
    """Every setting of a run."""

    seed: int = Field(
        0, ge=0, lt=2**63, description="of every random stream: split, start, order, dropout"
    )
    data: Data = Data()
    network: Net = Net()
    optimizer: Optimizer = Optimizer.model_validate({})
    training: Training = Training()


def every_key() -> Iterator[tuple[str, FieldInfo]]:
    """Every key, dotted as in `data.source`, with what is known of it."""
    for name, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for key, inner in field.annotation.model_fields.items():
                yield f"{name}.{key}", inner
        else:
            yield name, field


def allowed(field: FieldInfo) -> str:
    """The values a key takes, for a person: 'a number, at least 0, below 1'."""
    return _allowed(field.annotation, field.metadata)


def _allowed(kind: Any, metadata: list[Any]) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if get_origin(kind) is Annotated:
        return _allowed(get_args(kind)[0], list(get_args(kind)[1].metadata))
    if get_args(kind):
        return ", or ".join(_allowed(part, []) for part in get_args(kind))
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    bounds = [("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most")]
    words = [
        f"{word} {getattr(m, name):,}"
        for name, word in bounds
        for m in metadata
        if hasattr(m, name)
    ]
    words += ["not empty" for m in metadata if hasattr(m, "min_length")]
    return ", ".join([names[kind], *words])


def load(file: Path | None, flags: dict[str, Any], sets: list[str]) -> Config:
    """Defaults, then the file, then flags (dotted key -> value) and KEY=VALUE texts, in this order.

    Raises ConfigError naming where the value came from, the key, the value and what is allowed.
    """
    values = {key: (value, str(file)) for key, value in _read(file).items()} if file else {}
    over = {key: (value, _flag(key)) for key, value in flags.items()}
    over |= {key: (value, "--set") for key, value in map(_key_value, sets)}
    if (
        "optimizer.name" in over
        and over["optimizer.name"][0] != values.get("optimizer.name", ("momentum",))[0]
    ):
        values.pop("optimizer.lr", None)  # a learning rate is one rule's own
    values |= over
    for key, (_, origin) in values.items():
        _must_be_known(key, origin)
    return _validate(values)


def _flag(key: str) -> str:
    return FLAGS.get(key, "--" + key.split(".")[-1].replace("_", "-"))


def _read(file: Path) -> dict[str, Any]:
    hint = f" To train on a data set, write --data {file}" if file.suffix != ".toml" else ""
    if file.suffix == ".py":
        hint = f" To check the gradients of a file, write --impl {file}"
    if os.path.isfile(file / "config.toml"):
        hint = f" To replay that run, write {file / 'config.toml'}"
    try:
        return dict(_flatten(tomllib.loads(file.read_text(encoding="utf-8-sig")), ""))
    except FileNotFoundError as error:
        raise ConfigError(f"{file}: there is no such configuration file.{hint}") from error
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read as a configuration: {error.strerror}.{hint}"
        ) from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # bad TOML, not UTF-8, or a number of too many digits
        raise ConfigError(
            f"{file}: is not a TOML file: {error}. Text needs quotes, and each key stands once.{hint}"
        ) from error


def _sections() -> set[str]:
    return {key.split(".")[0] for key, _ in every_key() if "." in key}


def _flatten(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and (value or prefix + key in _sections()):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _key_value(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(
            f"--set {text}: has no '='. Write it as KEY=VALUE, for example --set network.dropout=0.2."
        )
    try:
        read = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return key.strip(), value
    return key.strip(), read["value"] if len(read) == 1 else value


def _must_be_known(key: str, origin: str) -> None:
    known = [name for name, _ in every_key()]
    if key in _sections():
        inside = ", ".join(name for name in known if name.startswith(f"{key}."))
        raise ConfigError(f"{origin}: {key} is a section, not a setting. Its keys are {inside}.")
    if key not in known:
        by_last = {name.split(".")[-1]: name for name in known}
        near = difflib.get_close_matches(key, known, 1, 0.75)
        near = near or [
            by_last[name] for name in difflib.get_close_matches(key.split(".")[-1], by_last, 1)
        ]
        hint = f"Did you mean {near[0]}?" if near else f"The keys are {', '.join(known)}."
        raise ConfigError(f"{origin}: the key {key!r} is unknown. {hint}")


def _validate(values: dict[str, tuple[Any, str]]) -> Config:
    nested: dict[str, Any] = {}
    for key, (value, _) in values.items():
        section, _, name = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    try:
        return Config.model_validate(nested)
    except ValidationError as error:
        fields = dict(every_key())
        bad = [".".join(map(str, problem["loc"][:2])) for problem in error.errors()]
        key = next(key for key in bad if key in fields)
        value, origin = values[key]
        said = f"{origin}: {key} = {_as_toml(value)} is refused; it must be {allowed(fields[key])}."
        raise ConfigError(said + _as_written(key, value, fields[key])) from error


def _as_written(key: str, value: Any, field: FieldInfo) -> str:
    """How to write a value that TOML takes for another type than was meant, or ''."""
    if not isinstance(value, str):
        return (
            f" Write --set '{key}=\"{value}\"' for that text."
            if allowed(field).startswith("a text")
            else ""
        )
    try:
        return f" In TOML, write {float(value)!r}."
    except ValueError:
        return f" In TOML, write {value.lower()}." if value.lower() in ("true", "false") else ""


def _as_toml(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        return "a number of thousands of digits"


def with_values(config: Config, values: dict[str, Any]) -> Config:
    """The same configuration with these dotted keys set; raises ConfigError where it may not be."""
    flat = dict(_flatten(config.model_dump(), "")) | values
    return _validate({key: (value, "the configuration") for key, value in flat.items()})


def differences(one: Config, other: Config) -> list[str]:
    """The dotted keys whose values are not the same in both."""
    here, there = (dict(_flatten(config.model_dump(), "")) for config in (one, other))
    return [key for key in here if here[key] != there[key]]


def value_of(config: Config, key: str) -> Any:
    """The value of a dotted key."""
    return dict(_flatten(config.model_dump(), ""))[key]


def to_toml(config: Config) -> str:
    """Every value in force, as TOML that `load` reads back."""
    import tomli_w

    return tomli_w.dumps(config.model_dump())
