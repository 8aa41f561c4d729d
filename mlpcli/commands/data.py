"""The data of a command: what its settings say of columns and rows, read and put together."""

from dataclasses import replace
from typing import Any

from mlpcli.config import Config, Data, Place
from mlpcli.datasets.assemble import Sources, assemble, read_sources
from mlpcli.datasets.dataset import Dataset
from mlpcli.datasets.options import ReadingOptions
from mlpcli.layers import with_values
from mlpcli.messages import Notify
from mlpcli.model.state import Streams
from mlpcli.preprocessing.columns import Column
from mlpcli.preprocessing.pipeline import Settings
from mlpcli.storage.modelfile import Model
from mlpcli.training.recipes import resolve


def reading_options(settings: Data) -> ReadingOptions:
    """What the settings say of a table's columns."""
    return ReadingOptions(
        target=settings.target,
        header=None if settings.header == "auto" else settings.header,
        ignore=None if settings.ignore == "auto" else tuple(settings.ignore),
        categorical=tuple(settings.categorical),
        missing=tuple(settings.missing),
        weight=settings.weight,
        decimal=settings.decimal,
    )


def load(config: Config, streams: Streams, notify: Notify) -> Dataset:
    """The data set that a configuration names, split by the seed; raises DataError."""
    return _assembled(config, _read(config, notify), streams)


def load_new(config: Config, streams: Streams, notify: Notify) -> tuple[Config, Dataset]:
    """The configuration with its recipe's values, and the data set; raises DataError, ConfigError.

    The recipe goes by the data. What was understood of them, and what may be wrong, is said.
    """
    sources = _read(config, notify)
    table = sources.table
    resolved = resolve(config, table.n_rows, is_image=table.image is not None)
    data = _assembled(resolved, sources, streams)
    for note in data.notes:
        notify(note)
    return resolved, data


def _read(config: Config, notify: Notify) -> Sources:
    settings = config.data
    options = reading_options(settings)
    return read_sources(settings.source, options, settings.validation, settings.test, notify)


def _assembled(config: Config, sources: Sources, streams: Streams) -> Dataset:
    settings = config.data
    return assemble(
        sources,
        streams.split,
        validation=_fraction(settings.validation),
        test=_fraction(settings.test),
        settings=Settings(settings.scaling, settings.bins, settings.rare),
        class_weight=config.training.class_weight,
    )


def _fraction(share: float | str) -> float:
    """The share of the rows; 0 where other rows are named."""
    return 0.0 if isinstance(share, str) else share


def options_of_model(model: Model) -> ReadingOptions:
    """How rows for a model are to be read: as its run read them, with the model's columns."""
    config = config_of_model(model)
    options = reading_options(config.data) if config else ReadingOptions()
    return replace(options, columns=_with_label(model.columns, options.target))


def _with_label(columns: tuple[Column, ...], target: Place) -> tuple[Column, ...]:
    """The columns, with one for the label, which models of version 1 do not have."""
    if not columns or any(column.kind == "label" for column in columns):
        return columns
    return (*columns, Column(str(target), "label"))


def config_of_model(model: Model) -> Config | None:
    """The configuration of the run that made the model, or None if the header has no valid one."""
    try:
        return complete(model.header["config"])
    except (KeyError, ValueError):
        return None


def complete(values: Any) -> Config:
    """The configuration of a run that has been; raises ValueError if it is none.

    A run of a version without recipes left no column out.
    """
    config = Config.model_validate(values)
    if "recipe" in config.model_fields_set:
        return config
    return with_values(config, {"recipe": "plain", "data.ignore": []})
