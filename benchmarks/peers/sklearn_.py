"""scikit-learn: `MLPClassifier.partial_fit`, one shuffled epoch, then `predict_proba` to validate.

It has no dropout, so it does less work than the others. `fit` with `early_stopping` is not used: it
would split off validation rows of its own and not return their loss. Rows are float32, and
scikit-learn's weights are therefore float32 too.
"""

import numpy as np
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from benchmarks.peers.protocol import EpochTimer, Settings, Task, blas, read_task

SOLVERS = {"momentum": "sgd", "adam": "adam"}


def classifier(settings: Settings) -> MLPClassifier:
    """The untrained classifier."""
    return MLPClassifier(
        hidden_layer_sizes=(settings.hidden,),
        solver=SOLVERS[settings.optimizer],
        learning_rate_init=settings.lr,
        momentum=0.9,
        nesterovs_momentum=True,
        batch_size=settings.batch_size,
        alpha=0.0,
        random_state=settings.seed,
    )


def first_model(task: Task) -> MLPClassifier:
    """The classifier with the task's first weights.

    A first minibatch allocates the weights; then they are overwritten.
    """
    model = classifier(task.settings)
    B = task.settings.batch_size
    model.partial_fit(task.x[:B], task.y[:B], classes=np.unique(task.y))
    for array, name in zip(arrays(model), ("W1", "W2", "b1", "b2"), strict=True):
        array[...] = task.weights[name]
    return model


def arrays(model: MLPClassifier) -> list[np.ndarray]:
    """W1, W2, b1 and b2."""
    return [*model.coefs_, *model.intercepts_]


def score(model: MLPClassifier, task: Task) -> tuple[float, float]:
    """The mean loss and the accuracy on validation rows."""
    p = model.predict_proba(task.x_validation)
    loss = log_loss(task.y_validation, p)
    predicted = model.classes_[p.argmax(axis=1)]
    return loss, float(np.mean(predicted == task.y_validation))


def main() -> None:
    """Train for as long as epochs are requested."""
    task = read_task()
    model = first_model(task)
    best = [array.copy() for array in arrays(model)]
    best_loss = float("inf")
    timer = EpochTimer(blas())
    while True:
        model.partial_fit(task.x, task.y)
        loss, accuracy = score(model, task)
        if loss < best_loss:
            best_loss = loss
            for kept, array in zip(best, arrays(model), strict=True):
                kept[...] = array
        timer.epoch_done(loss, accuracy)


if __name__ == "__main__":
    main()
