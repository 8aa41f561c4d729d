"""The layers of a configuration: defaults, then a TOML file, then flags; the later wins."""

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from mlpcli.config import DEFAULT_RULE, Config, allowed, choices, every_key, flat, given, sections
from mlpcli.errors import ConfigError

LISTS = ("data.ignore", "data.categorical", "data.missing")
MAX_SHOWN = 200  # characters of a value in a message
MANY_DIGITS = "a number of thousands of digits"
FLAGS = {"data.source": "--data", "optimizer.name": "--optimizer"}  # not named as their keys are
ALSO_CALLED = {"sigmoid": "logistic", "linear": "identity", "nesterov": "momentum"}


def configure(
    flags: Mapping[str, Any], overrides: Sequence[str], from_file: Mapping[str, Any], file: str
) -> Config:
    """Defaults, then the values of a file, then flags, then KEY=VALUE texts; the later wins.

    `flags` and `from_file` have values by dotted key; `file` is the name of the file.
    Raises ConfigError naming where the value came from, the key, the value and what is allowed.
    """
    values = {key: (_in_case(key, value), file) for key, value in from_file.items()}
    changes = {key: (_in_case(key, value), _flag(key)) for key, value in flags.items()}
    for text in overrides:
        key, value = _key_value(text)
        changes[key] = (_in_case(key, value), "--set")
    if _rule(values | changes) != _rule(values):
        values.pop("optimizer.lr", None)  # a learning rate is its rule's own
    values |= changes
    for key, (_, origin) in values.items():
        _check_known(key, origin)
    return _validate(values)


def _in_case(key: str, value: Any) -> Any:
    """The value as it is known: a choice in lower case, one entry of a list as a list."""
    if isinstance(value, str) and value.lower() in choices(key):
        return value.lower()
    if key in LISTS and isinstance(value, str | int) and value != "auto":
        return [value]
    return value


def _rule(values: Mapping[str, tuple[Any, str]]) -> Any:
    """The optimizer that the values name, or the default one."""
    value, _ = values.get("optimizer.name", (DEFAULT_RULE, ""))
    return value


def _flag(key: str) -> str:
    return FLAGS.get(key, "--" + key.split(".")[-1].replace("_", "-"))


def _key_value(text: str) -> tuple[str, Any]:
    """Key and value of KEY=VALUE; the value is text where it is no TOML."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(
            f"--set {text}: has no '='. Write it as KEY=VALUE, "
            "for example --set network.dropout=0.2."
        )
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return key.strip(), value
    if len(parsed) > 1:  # a line break in the text began another key
        return key.strip(), value
    return key.strip(), parsed["value"]


def _check_known(key: str, origin: str) -> None:
    known = [name for name, _ in every_key()]
    if key in sections():
        inside = ", ".join(name for name in known if name.startswith(f"{key}."))
        raise ConfigError(f"{origin}: {key} is a section, not a setting. Its keys are {inside}.")
    if key not in known:
        raise ConfigError(f"{origin}: the key {key!r} is unknown. {_nearest(key, known)}")


def _nearest(key: str, known: list[str]) -> str:
    """The key that was probably meant: one spelt alike, or one whose last part is."""
    near = difflib.get_close_matches(key, known, 1, 0.75)
    if not near:
        by_last_part = {name.split(".")[-1]: name for name in known}
        last_parts = difflib.get_close_matches(key.split(".")[-1], by_last_part, 1)
        near = [by_last_part[part] for part in last_parts]
    if near:
        return f"Did you mean {near[0]}?"
    return f"The keys are {', '.join(known)}."


def _validate(values: Mapping[str, tuple[Any, str]]) -> Config:
    try:
        return Config.model_validate(_nested(values))
    except ValidationError as error:
        raise ConfigError(_refusal(values, error)) from error


def _nested(values: Mapping[str, tuple[Any, str]]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, (value, _) in values.items():
        section, _, name = key.rpartition(".")
        table = nested.setdefault(section, {}) if section else nested
        table[name] = value
    return nested


def _refusal(values: Mapping[str, tuple[Any, str]], error: ValidationError) -> str:
    """What is wrong with the first bad value, what is allowed, and how to write what was meant."""
    fields = dict(every_key())
    bad = [".".join(map(str, problem["loc"][:2])) for problem in error.errors()]
    key = next(key for key in bad if key in fields)
    value, origin = values[key]
    right = allowed(fields[key])
    refusal = f"{origin}: {key} = {_as_toml(value)} is refused; it must be {right}."
    return refusal + _choice_meant(key, value) + _spelling(key, value, right)


def _choice_meant(key: str, value: Any) -> str:
    """Which choice was probably meant, or ''."""
    if not isinstance(value, str):
        return ""
    known = choices(key)
    name = value.lower()
    near = difflib.get_close_matches(name, known, 1)
    if ALSO_CALLED.get(name) in known:
        near = [ALSO_CALLED[name]]
    if near:
        return f" Did you mean {near[0]}?"
    return ""


def _spelling(key: str, value: Any, right: str) -> str:
    """How to write a value that TOML takes for another type than was meant, or ''."""
    if not isinstance(value, str):
        return _as_text(key, value, right)
    if value.lower() in ("true", "false"):
        return f" In TOML, write {value.lower()}."
    try:
        return f" In TOML, write {float(value)!r}."
    except ValueError:
        return ""


def _as_text(key: str, value: Any, right: str) -> str:
    """How to write a value as a text, if the key takes one, or ''."""
    if not right.startswith("a text") or _as_toml(value) == MANY_DIGITS:
        return ""
    if len(str(value)) > MAX_SHOWN:
        return ""
    return f" Write --set '{key}=\"{value}\"' for that text."


def _as_toml(value: Any) -> str:
    """The value for a message, cut if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        return MANY_DIGITS
    if len(text) > MAX_SHOWN:
        return f"{text[:MAX_SHOWN]}…"
    return text


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """The same configuration with these dotted keys set; raises ConfigError for a bad value."""
    changed = flat(config) | dict(values)
    return _validate({key: (value, "the configuration") for key, value in changed.items()})


def with_defaults(config: Config, values: Mapping[str, Any]) -> Config:
    """The configuration with these values for the dotted keys that were not set."""
    own = given(config)
    own.pop("recipe", None)
    return _validate({key: (value, "the recipe") for key, value in (dict(values) | own).items()})
