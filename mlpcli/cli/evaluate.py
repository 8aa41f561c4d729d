"""`mlpcli eval`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mlpcli.cli.boundary import boundary, print_json
from mlpcli.errors import ConfigError

UNDER_MINIMUM = 1  # exit code


def evaluate(
    model: Annotated[
        Path,
        typer.Argument(help="A run folder, or a model.npz.", metavar="RUN_FOLDER_OR_MODEL"),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Rows to score; those that training held out if not given."),
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(help="Which of the run's own rows; test if not given."),
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(help="Exit with code 1 if the accuracy, from 0 to 1, is lower."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the scores as one JSON document.")
    ] = False,
) -> None:
    """Score a trained model: accuracy, loss, every class, the confusion matrix, the mistakes."""
    with boundary(as_json):
        if min_accuracy is not None and not 0 <= min_accuracy <= 1:
            raise ConfigError(
                f"--min-accuracy {min_accuracy:g} is refused; "
                "it must be from 0 to 1, as 0.98 for 98 %."
            )
        accuracy = _evaluate(model, data, split, as_json)
        if min_accuracy is not None and accuracy < min_accuracy:
            _say_under(accuracy, min_accuracy)
            raise typer.Exit(UNDER_MINIMUM)


def _evaluate(model: Path, data: str | None, split: str | None, as_json: bool) -> float:
    """Show the scores, and return the accuracy."""
    from mlpcli.commands.evaluate import evaluate as scores_of
    from mlpcli.rendering.console import console, say
    from mlpcli.rendering.evaluation import show_evaluation

    messages = console(stderr=True)
    evaluation = scores_of(model, data, split, lambda text: say(messages, text))
    if as_json:
        print_json(evaluation.document())
    else:
        show_evaluation(console(), evaluation)
    return evaluation.scores.accuracy


def _say_under(accuracy: float, minimum: float) -> None:
    from mlpcli.rendering.console import console, percent, say

    text = f"The accuracy, {percent(accuracy)}, is under the {percent(minimum)} asked for."
    say(console(stderr=True), text)
