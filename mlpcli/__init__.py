"""mlpcli trains a network with one hidden layer and dropout, by gradients derived by hand."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpcli.prediction.predictor import load_model as load_model

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Find load_model when it is asked for, so that `import mlpcli` stays light."""
    if name == "load_model":
        from mlpcli.prediction.predictor import load_model

        return load_model
    raise AttributeError(f"module 'mlpcli' has no attribute {name!r}")
