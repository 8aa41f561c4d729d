"""`mlpcli predict`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlpcli.cli.boundary import boundary
from mlpcli.cli.usage import HELP_PANEL
from mlpcli.errors import ConfigError

if TYPE_CHECKING:
    from mlpcli.commands.predict import Prediction

Format = Literal["csv", "jsonl", "npz"]
OUTPUT = "What is written"
ENDINGS: dict[str, Format] = {
    "": "csv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".npz": "npz",
}


def predict(
    model: Annotated[
        Path,
        typer.Argument(metavar="RUN_OR_MODEL", help="A run folder, or a model.npz."),
    ],
    rows: Annotated[
        str,
        typer.Argument(
            metavar="ROWS", help="A table, an .npz, a folder of IDX files, or - for CSV on stdin."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write, whole or not at all. Default: stdout.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            case_sensitive=False,
            help="Default: by the ending of --out, or csv.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="A column to repeat, by name or by place from 1; may be given again.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    no_probabilities: Annotated[
        bool,
        typer.Option(
            "--no-probabilities",
            help="Leave out the probability of each class.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Go on after a bad line, with an empty prediction.",
            rich_help_panel=HELP_PANEL,
        ),
    ] = False,
) -> None:
    """Predict the class of new rows, which need no label."""
    with boundary(as_json=False):
        chosen = form or _form_of(out)
        if chosen == "npz" and out is None:
            raise ConfigError("--format npz needs --out FILE: an .npz cannot be written to stdout.")
        _predict(model, rows, out, chosen, ids or [], not no_probabilities, skip_bad)


def _form_of(out: Path | None) -> Format:
    """The format that the name of a file asks for."""
    ending = out.suffix.lower() if out else ""
    if ending not in ENDINGS:
        raise ConfigError(
            f"{out}: predictions are written as .csv, .jsonl or .npz; "
            "with another name, say which by --format."
        )
    return ENDINGS[ending]


def _predict(
    model: Path,
    rows: str,
    out: Path | None,
    form: Format,
    ids: list[str],
    with_probabilities: bool,
    skip_bad: bool,
) -> None:
    from mlpcli.commands.predict import check_output
    from mlpcli.commands.predict import predict as predicting
    from mlpcli.prediction.output import arrays
    from mlpcli.rendering.console import console, say
    from mlpcli.storage.writing import write_npz, write_pieces

    messages = console(stderr=True)
    if out:
        check_output(out, model, rows)
    prediction = predicting(model, rows, sys.stdin, ids, skip_bad, lambda text: say(messages, text))
    if form == "npz" and out:
        classes = prediction.predictor.classes
        blocks = list(prediction.blocks)
        write_npz(out, arrays(blocks, prediction.id_names, classes, with_probabilities))
    elif out:
        write_pieces(out, _pieces(prediction, form, with_probabilities))
    else:
        for piece in _pieces(prediction, form, with_probabilities):
            sys.stdout.write(piece)
        sys.stdout.flush()
    for sentence in prediction.tally.sentences():
        say(messages, sentence)


def _pieces(prediction: "Prediction", form: Format, with_probabilities: bool) -> Iterator[str]:
    """The text of the predictions, some thousands of rows at a time."""
    from mlpcli.prediction.output import csv_header, csv_lines, json_lines

    classes, names = prediction.predictor.classes, prediction.id_names
    header = csv_header(names, classes, with_probabilities) if form == "csv" else ""
    for block in prediction.blocks:  # the header waits for the first one, which may be an error
        if form == "csv":
            yield header + csv_lines(block, classes, with_probabilities)
        else:
            yield json_lines(block, names, classes, with_probabilities)
        header = ""
    yield header
