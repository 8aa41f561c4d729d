"""MNIST with scikit-learn's `MLPClassifier`, which has no dropout and no falling schedule: `fit` at a constant rate.

The rate is half of the one that the others begin with: on held-out rows it got further than a quarter or the whole.
"""

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.to98.shared import conclude, read_arguments


def main() -> None:
    """Train and score; `verbose` prints a line an epoch."""
    settings, rows = read_arguments()
    model = MLPClassifier(
        hidden_layer_sizes=(settings.hidden,),
        solver="sgd",
        learning_rate_init=settings.lr / 2,
        momentum=0.9,
        batch_size=settings.batch_size,
        max_iter=settings.epochs,
        n_iter_no_change=settings.epochs,
        alpha=0.0,
        random_state=0,
        verbose=True,
    )
    with warnings.catch_warnings(
        action="ignore", category=ConvergenceWarning
    ):  # so many epochs are what was asked
        model.fit(rows.x, rows.y)
    conclude(model.score(rows.x_test, rows.y_test))


if __name__ == "__main__":
    main()
