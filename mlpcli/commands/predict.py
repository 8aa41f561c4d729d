"""The predictions of a saved model on new rows, some thousands at a time."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Raw, chunks
from mlpcli.commands.data import options_of_model
from mlpcli.config import Place
from mlpcli.datasets import csvfile, features
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError, OutputError
from mlpcli.machine import blas_threads
from mlpcli.messages import Notify
from mlpcli.prediction.output import Predictions
from mlpcli.prediction.predictor import Predictor, load_model
from mlpcli.preprocessing.columns import Column, unnamed_numbers
from mlpcli.preprocessing.encoding import Encoding

STDIN = "-"
BLOCK = 4096  # rows of an array that are predicted at a time


@dataclass
class Tally:
    """What is said once at the end: how many rows there were, and what was wrong with some."""

    n_rows: int = 0
    n_unknown: int = 0
    n_gaps: int = 0
    n_bad: int = 0
    first_fault: str = ""

    def sentences(self) -> Iterator[str]:
        """One sentence for each thing to know of the rows."""
        if self.n_gaps:
            yield f"{self.n_gaps:,} of {self.n_rows:,} rows have missing cells."
        if self.n_unknown:
            yield (
                f"{self.n_unknown:,} of {self.n_rows:,} rows have a word that no training row had "
                "in that column; it is ignored."
            )
        if self.n_bad:
            yield (
                f"{self.n_bad:,} of {self.n_rows:,} rows are bad and have an empty prediction; "
                f"the first: {self.first_fault}"
            )


@dataclass
class Prediction:
    """Predictions block by block; the tally is complete once all blocks are taken."""

    predictor: Predictor
    blocks: Iterator[Predictions]
    id_names: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)


def check_output(out: Path, model: Path, rows: str) -> None:
    """Raise OutputError if the output would replace the rows or the model."""
    for path in (Path(os.path.expanduser(rows)), model, model / "model.npz"):
        with suppress(OSError, ValueError):
            if os.path.samefile(out, path):
                raise OutputError(f"{out}: is what is read; write the predictions elsewhere.")


def predict(
    model: Path,
    rows: str,
    stdin: TextIO,
    ids: Sequence[Place],
    skip_bad: bool,
    notify: Notify,
) -> Prediction:
    """Predict the class of each row of a source; labels that it may have are not looked at.

    Args:
        model: A run folder, or a model.npz.
        rows: A path, the name of a data set, or "-" for a CSV table on `stdin`.
        stdin: What "-" stands for.
        ids: Columns of the rows that are given back beside the predictions.
        skip_bad: Whether to go on after a row that cannot be read.
        notify: Is called with messages for the user.

    Raises:
        ModelError: There is no such model.
        DataError: The rows cannot be read, or do not fit the model; also from the blocks.
    """
    predictor = load_model(model)
    prediction = Prediction(predictor, iter(()), tuple(map(str, ids)))
    if rows == STDIN or features.is_csv(rows):
        prediction.blocks = _of_csv(prediction, rows, stdin, ids, skip_bad)
    elif ids:
        raise DataError(f"{rows}: has no columns by name, so --id names none of them.")
    else:
        options = options_of_model(predictor.model)
        x = features.read(rows, options, notify)
        prediction.blocks = _of_array(prediction, x)
    return prediction


def _of_csv(
    prediction: Prediction, rows: str, stdin: TextIO, ids: Sequence[Place], skip_bad: bool
) -> Iterator[Predictions]:
    options = _options(prediction.predictor)
    file = stdin if rows == STDIN else Path(os.path.expanduser(rows))
    name = "stdin" if rows == STDIN else rows
    tally = prediction.tally
    for block in csvfile.stream(file, name, options, ids, skip_bad):
        tally.n_gaps += block.n_gaps
        if block.bad.any():
            tally.n_bad += int(block.bad.sum())
            tally.first_fault = tally.first_fault or next(filter(None, block.faults))
        yield _predicted(prediction, block.x, block.ids, block.bad)


def _options(predictor: Predictor) -> ReadingOptions:
    """How a table is read for a model; one of numbers without names takes them by place."""
    options = options_of_model(predictor.model)
    if options.columns:
        return options
    numbers = unnamed_numbers(predictor.model.preprocessing.n_raw)
    return replace(options, columns=(*numbers, Column("", "label")))


def _of_array(prediction: Prediction, x: Raw) -> Iterator[Predictions]:
    for piece in chunks(len(x), BLOCK):
        raw = prediction.predictor.raw(x[piece])
        if raw.dtype.kind == "f":
            prediction.tally.n_gaps += int(np.isnan(raw).any(axis=1).sum())
        yield _predicted(prediction, raw, (), np.zeros(len(raw), bool))


def _predicted(
    prediction: Prediction, raw: Raw, ids: tuple[list[str], ...], bad: NDArray[np.bool_]
) -> Predictions:
    predictor, tally = prediction.predictor, prediction.tally
    preprocessing = predictor.model.preprocessing
    tally.n_rows += len(raw)
    if isinstance(preprocessing, Encoding):
        tally.n_unknown += int((preprocessing.unknown_levels(raw) & ~bad).sum())
    with blas_threads(1):  # as in eval, whose bits these are
        probabilities = predictor.probabilities(raw)
    return Predictions(ids, probabilities.argmax(axis=1), probabilities, bad)
