"""mlpcli trains a network with one hidden layer and dropout, by gradients derived by hand."""

__version__ = "0.1.0"
