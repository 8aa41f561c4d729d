"""What a shell offers for a flag when Tab is pressed. The configuration is imported only then."""

from collections.abc import Sequence

ACTIVATIONS = ("relu", "tanh", "logistic", "identity")
RECIPES = ("auto", "images", "tables", "plain")
OPTIMIZERS = ("sgd", "momentum", "adam")
SOURCES = ("digits", "mnist")


def activations(incomplete: str) -> list[str]:
    """The activations that begin so."""
    return _beginning(incomplete, ACTIVATIONS)


def optimizers(incomplete: str) -> list[str]:
    """The rules that begin so."""
    return _beginning(incomplete, OPTIMIZERS)


def recipes(incomplete: str) -> list[str]:
    """The recipes that begin so."""
    return _beginning(incomplete, RECIPES)


def sources(incomplete: str) -> list[str]:
    """The data sets that begin so; the shell offers files if there is none."""
    return _beginning(incomplete, SOURCES)


def keys(incomplete: str) -> list[str]:
    """The keys of the configuration that begin so, each with the sign that follows it."""
    from mlpcli.config import every_key

    return _beginning(incomplete, [f"{key}=" for key, _ in every_key()])


def _beginning(incomplete: str, words: Sequence[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
