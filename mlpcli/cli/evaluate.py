"""`mlpcli eval`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mlpcli.cli.boundary import boundary, print_json
from mlpcli.cli.completion import sources
from mlpcli.cli.usage import HELP_PANEL
from mlpcli.errors import NOT_GOOD_ENOUGH, ConfigError

SCORING = "What is scored"


def evaluate(
    model: Annotated[
        Path,
        typer.Argument(metavar="RUN_OR_MODEL", help="A run folder, or a model.npz."),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Rows to score, as in train. Default: the run's own.",
            autocompletion=sources,
            rich_help_panel=SCORING,
        ),
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(
            case_sensitive=False,
            help="Which of the run's own rows. Default: test.",
            rich_help_panel=SCORING,
        ),
    ] = None,
    weighted: Annotated[
        bool,
        typer.Option(
            "--weighted",
            help="Weight the loss as in training. Default: all rows alike.",
            rich_help_panel=SCORING,
        ),
    ] = False,
    min_accuracy: Annotated[
        float | None,
        typer.Option(
            help="Exit with code 1 if the accuracy, from 0 to 1, is lower. Default: none.",
            rich_help_panel=SCORING,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the scores as one JSON document.", rich_help_panel=HELP_PANEL
        ),
    ] = False,
) -> None:
    """Score a trained model: accuracy, loss, every class, the confusion matrix, the mistakes."""
    with boundary(as_json):
        if min_accuracy is not None and not 0 <= min_accuracy <= 1:
            raise ConfigError(
                f"--min-accuracy {min_accuracy:g} is refused; "
                "it must be from 0 to 1, as 0.98 for 98 %."
            )
        accuracy = _evaluate(model, data, split, weighted, as_json)
        if min_accuracy is not None and accuracy < min_accuracy:
            _say_under(accuracy, min_accuracy)
            raise typer.Exit(NOT_GOOD_ENOUGH)


def _evaluate(
    model: Path, data: str | None, split: str | None, weighted: bool, as_json: bool
) -> float:
    """Show the scores, and return the accuracy."""
    from mlpcli.commands.evaluate import evaluate as scores_of
    from mlpcli.rendering.console import console, say
    from mlpcli.rendering.evaluation import show_evaluation

    messages = console(stderr=True)
    evaluation = scores_of(model, data, split, weighted, lambda text: say(messages, text))
    if as_json:
        print_json(evaluation.document())
    else:
        show_evaluation(console(), evaluation)
    return evaluation.scores.accuracy


def _say_under(accuracy: float, minimum: float) -> None:
    from mlpcli.rendering.console import console, percent, say

    text = f"The accuracy, {percent(accuracy)}, is under the {percent(minimum)} asked for."
    say(console(stderr=True), text)
