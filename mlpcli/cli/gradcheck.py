"""`mlpcli gradcheck`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.boundary import boundary, print_json
from mlpcli.cli.completion import activations, sources
from mlpcli.cli.usage import HELP_PANEL
from mlpcli.errors import NOT_GOOD_ENOUGH, ConfigError

if TYPE_CHECKING:
    from mlpcli.config import Config

LONGEST = 86_400  # seconds that a file may be given
CHECKED = "What is checked"
YOURS = "A file of yours"


def gradcheck(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG.toml",
            help="Settings of the network to check at its size. Default: none.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Real rows to check on, as in train. Default: digits.",
            autocompletion=sources,
            rich_help_panel=CHECKED,
        ),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="relu, tanh, logistic or identity. Default: all; with --impl, relu.",
            autocompletion=activations,
            rich_help_panel=CHECKED,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of the cases that are checked. Default: 0.", rich_help_panel=CHECKED),
    ] = None,
    impl: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py",
            help="Check the function backward in this file, by running it.",
            rich_help_panel=YOURS,
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            max=LONGEST,
            show_default=False,
            help="What the file may take. Default: 10.",
            rich_help_panel=YOURS,
        ),
    ] = 10,
    self_test: Annotated[
        bool,
        typer.Option(
            "--self-test",
            help="Put every known mistake into the backward pass, and look for it.",
            rich_help_panel=CHECKED,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the report as one JSON document.", rich_help_panel=HELP_PANEL
        ),
    ] = False,
) -> None:
    """Check gradients against true ones: this tool's own, or those of a file of yours."""
    flags = {"data.source": data, "network.activation": activation, "seed": seed}
    given = {key: value for key, value in flags.items() if value is not None}
    with boundary(as_json, passed=False):
        from mlpcli.commands import settings

        loaded = settings.load(config, given)
        if self_test and impl:
            raise ConfigError(
                "--self-test checks the checker, and --impl a file: give one of them."
            )
        if self_test:
            passed = _check_checker(as_json)
        elif impl:
            passed = _check_file(impl, loaded, timeout, as_json)
        else:
            passed = _check_network(loaded, activation is None, as_json)
        if not passed:
            raise typer.Exit(NOT_GOOD_ENOUGH)


def _check_checker(as_json: bool) -> bool:
    """Run the self-test, show what it found, and return whether all was found."""
    from mlpcli.gradcheck import selftest
    from mlpcli.rendering.console import console
    from mlpcli.rendering.gradcheck import show_self_test

    trials = selftest.self_test()
    document = selftest.document(trials)
    if as_json:
        print_json(document)
    else:
        show_self_test(console(), trials)
    return bool(document["passed"])


def _check_file(path: Path, config: "Config", timeout: float, as_json: bool) -> bool:
    """Check a file, show the verdict, and return whether it is right."""
    from mlpcli.gradcheck.grading import check_file
    from mlpcli.rendering.console import console
    from mlpcli.rendering.grading import show_file_report

    report = check_file(path, config.network.activation, config.seed, timeout)
    if as_json:
        print_json(report.document())
    else:
        show_file_report(console(), report)
    return report.passed


def _check_network(config: "Config", every_activation: bool, as_json: bool) -> bool:
    """Check the tool's own network, show the verdict, and return whether it is right."""
    from mlpcli.commands.gradcheck import check_network
    from mlpcli.model import activations as own
    from mlpcli.rendering.console import console, say
    from mlpcli.rendering.gradcheck import show_network_report

    chosen: tuple[str, ...] = (config.network.activation,)
    if every_activation:
        chosen = tuple(own.ACTIVATIONS)
    messages = console(stderr=True)
    report = check_network(config, chosen, lambda text: say(messages, text))
    if as_json:
        print_json(report.document())
    else:
        show_network_report(console(), report)
    return report.passed
