"""The settings of a command: a configuration file, flags and overrides, read and put together."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpcli.config import Config, flatten
from mlpcli.errors import ConfigError, UnreadableFileError
from mlpcli.layers import configure
from mlpcli.storage.reading import read_text


def load(file: Path | None, flags: Mapping[str, Any], overrides: Sequence[str] = ()) -> Config:
    """Defaults, then the file if there is one, then flags by dotted key, then KEY=VALUE texts.

    Raises ConfigError naming where the value came from, the key, the value and what is allowed.
    """
    if file is None:
        return configure(flags, overrides, {}, "")
    return configure(flags, overrides, _read(file), str(file))


def _read(file: Path) -> dict[str, Any]:
    """The values of a TOML file by dotted key."""
    if not os.path.lexists(file):
        raise ConfigError(f"{file}: there is no such configuration file.{_hint(file)}")
    try:
        return dict(flatten(tomllib.loads(read_text(file)), ""))
    except UnreadableFileError as error:
        raise ConfigError(f"{file}: {error.problem}.{_hint(file)}") from error
    except (ValueError, RecursionError) as error:  # bad TOML, or a number of too many digits
        raise ConfigError(
            f"{file}: is not a TOML file: {error}. "
            f"Text needs quotes, and each key stands once.{_hint(file)}"
        ) from error


def _hint(file: Path) -> str:
    """What was probably meant by a file that is no configuration."""
    if os.path.isfile(file / "config.toml"):
        return f" To replay that run, write {file / 'config.toml'}"
    if file.suffix == ".py":
        return f" To check the gradients of a file, write --impl {file}"
    if file.suffix != ".toml":
        return f" To train on a data set, write --data {file}"
    return ""
