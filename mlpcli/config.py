"""The configuration: every key with its type, default and bounds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

LEARNING_RATES = {"sgd": 0.1, "momentum": 0.05, "adam": 0.001}
DEFAULT_RULE: Literal["momentum"] = "momentum"
TYPES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
Fraction = Annotated[float, Field(gt=0, lt=1)]
FractionOrNone = Annotated[float, Field(ge=0, lt=1)]
PathName = Annotated[str, Field(min_length=1)]
Weight = Annotated[float, Field(ge=0)]
# A column by its name, or by its place from 1, −1 the last.
Place: TypeAlias = str | Annotated[int, Field(ge=-(2**24), le=2**24)]

# The empty cell, `?`, and the texts that pandas' read_csv takes for a missing cell.
WORDS_FOR_MISSING = (
    "#N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null"
)
MISSING = ("", "?", "#N/A N/A", *WORDS_FOR_MISSING.split())


class Section(BaseModel):
    """A frozen group of settings that knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(Section):
    """What to learn from."""

    source: str = Field(
        "digits", min_length=1, description="`digits`, `mnist`, `openml:NAME[@VERSION]` or a path"
    )
    target: Place = Field(
        "", description="the label's column, by its name or its place from 1; empty for the last"
    )
    header: Literal["auto"] | bool = Field(
        "auto", description="whether the first line of a table has the columns' names"
    )
    ignore: Literal["auto"] | list[Place] = Field(
        "auto", description="columns to leave out; `auto`: those that look like ids"
    )
    categorical: list[Place] = Field([], description="columns of numbers that are to be categories")
    missing: list[str] = Field(list(MISSING), description="the texts of a missing cell")
    decimal: Literal[".", ","] = Field(".", description="the sign before decimals in a table")
    weight: Place = Field("", description="the column of the rows' weights; empty for none")
    validation: FractionOrNone | PathName = Field(
        0.1, description="share of the rows to choose the best weights by, 0 for none, or a path"
    )
    test: Fraction | PathName = Field(
        0.2, description="share of the rows to score, where the source has none, or a path"
    )
    scaling: Literal["auto", "none", "unit", "standard"] = Field(
        "auto", description="of the features; `auto` is `unit` for images, else `standard`"
    )
    bins: int = Field(
        0, ge=0, le=1024, description="quantile bins for each number, beside its value; 0 for none"
    )
    rare: int = Field(
        1, ge=1, le=2**24, description="a level of fewer training rows joins the other rare ones"
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
    initial: Literal["uniform", "normal"] = Field(
        "uniform",
        description="how the first weights are drawn; `normal` goes by the size of the inputs",
    )


class Optimizer(Section):
    """How the weights move."""

    name: Literal["sgd", "momentum", "adam"] = Field(DEFAULT_RULE, description="the rule")
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

    @model_validator(mode="after")
    def _default_rate(self) -> Self:
        if "lr" not in self.model_fields_set:
            vars(self)["lr"] = LEARNING_RATES[self.name]
        return self


class Training(Section):
    """How long, and in what steps."""

    epochs: int = Field(200, ge=1, le=2**24, description="passes over the training rows")
    batch_size: int = Field(32, ge=1, le=2**24, description="rows in a minibatch B")
    checkpoint_seconds: float = Field(
        60.0, ge=0, description="save so often within an epoch too; at most 5 % of time"
    )
    threads: int = Field(0, ge=0, le=1024, description="processor cores to use; 0 for all")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="ε: a label is 1 - ε of its class, and ε of all alike"
    )
    class_weight: Literal["none", "balanced"] | dict[str, Weight] = Field(
        "none", description="of each class's rows; `balanced`: all classes weigh the same"
    )
    patience: int = Field(
        0,
        ge=0,
        le=2**24,
        description="stop after so many epochs without a better validation loss; 0 never",
    )


class Config(Section):
    """Every setting of a run."""

    recipe: Literal["auto", "images", "tables", "plain"] = Field(
        "auto", description="sets the defaults of the other keys; `auto` goes by the data"
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="of every random stream: split, start, order, dropout"
    )
    data: Data = Data()
    network: Net = Net()
    optimizer: Optimizer = Optimizer()
    training: Training = Training()


def every_key() -> Iterator[tuple[str, FieldInfo]]:
    """Every key, dotted as in `data.source`, with its field."""
    for name, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for key, inner in field.annotation.model_fields.items():
                yield f"{name}.{key}", inner
        else:
            yield name, field


def choices(key: str) -> tuple[str, ...]:
    """The names of which a key takes one; none for a key that takes other values."""
    field = dict(every_key()).get(key)
    if field is None or get_origin(field.annotation) is not Literal:
        return ()
    return get_args(field.annotation)


def allowed(field: FieldInfo) -> str:
    """The values that a key takes, in words: 'a number, at least 0, below 1'."""
    return _allowed(field.annotation, field.metadata)


def _allowed(kind: Any, metadata: Sequence[Any]) -> str:
    if get_origin(kind) is Literal:
        names = ", ".join(name if name.isalnum() else repr(name) for name in get_args(kind))
        return names if len(get_args(kind)) == 1 else f"one of {names}"
    if get_origin(kind) is Annotated:
        inner, field = get_args(kind)
        return _allowed(inner, field.metadata)
    if get_origin(kind) is list:
        (inner,) = get_args(kind)
        return f"a list, each {_allowed(inner, [])}"
    if get_origin(kind) is dict:
        _, inner = get_args(kind)
        return f"a table, each value {_allowed(inner, [])}"
    if get_args(kind):
        return ", or ".join(_allowed(part, []) for part in get_args(kind))
    return ", ".join([TYPES[kind], *_bounds(metadata)])


def _bounds(metadata: Sequence[Any]) -> Iterator[str]:
    for name, words in BOUNDS.items():
        for constraint in metadata:
            if hasattr(constraint, name):
                yield f"{words} {getattr(constraint, name):,}"
    if any(hasattr(constraint, "min_length") for constraint in metadata):
        yield "not empty"


def sections() -> set[str]:
    """The names of the sections."""
    return {key.split(".")[0] for key, _ in every_key() if "." in key}


def flatten(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """The values of nested tables, by dotted key."""
    fields = dict(every_key())
    for key, value in values.items():
        field = fields.get(prefix + key)
        is_table = isinstance(value, dict) and not (field and _takes_table(field))
        if is_table and (value or prefix + key in sections()):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _takes_table(field: FieldInfo) -> bool:
    return any(get_origin(kind) is dict for kind in get_args(field.annotation))


def flat(config: Config) -> dict[str, Any]:
    """Every value by its dotted key."""
    return dict(flatten(config.model_dump(), ""))


def given(config: Config) -> dict[str, Any]:
    """The values that were set, and not left at their defaults, by dotted key."""
    return dict(flatten(config.model_dump(exclude_unset=True), ""))


def differences(one: Config, other: Config) -> list[str]:
    """The dotted keys whose values differ."""
    here, there = flat(one), flat(other)
    return [key for key in here if here[key] != there[key]]


def to_toml(config: Config) -> str:
    """Every value in force, as TOML."""
    import tomli_w

    return tomli_w.dumps(config.model_dump())
