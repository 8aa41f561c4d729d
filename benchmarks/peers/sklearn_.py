"""scikit-learn: `MLPClassifier.partial_fit`, which is one shuffled epoch, and `predict_proba` on the validation rows.

It has no dropout, so it has less to do than the others. `fit` with `early_stopping` would split off validation rows of
its own and not tell their loss. Rows are float32, and so are then all of its weights.
"""

import numpy as np
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from benchmarks.peers.protocol import Task, Turns, blas, read_task


def classifier(task: Task) -> MLPClassifier:
    """The network with everybody's first weights: a first minibatch makes it, and then they are written over."""
    settings = task.settings
    model = MLPClassifier(
        hidden_layer_sizes=(settings.hidden,),
        solver={"momentum": "sgd", "adam": "adam"}[settings.optimizer],
        learning_rate_init=settings.lr,
        momentum=0.9,
        nesterovs_momentum=True,
        batch_size=settings.batch_size,
        alpha=0.0,
        random_state=settings.seed,
    )
    B = settings.batch_size
    model.partial_fit(task.x[:B], task.y[:B], classes=np.unique(task.y))
    weights = task.weights
    for mine, everybodys in zip(
        model.coefs_ + model.intercepts_, ("W1", "W2", "b1", "b2"), strict=True
    ):
        mine[...] = weights[everybodys]
    return model


def score(model: MLPClassifier, task: Task) -> tuple[float, float]:
    """The mean loss and the accuracy on validation rows."""
    p = model.predict_proba(task.x_validation)
    return log_loss(task.y_validation, p), float(
        np.mean(model.classes_[p.argmax(axis=1)] == task.y_validation)
    )


def main() -> None:
    """Train as long as asked."""
    task = read_task()
    model = classifier(task)
    best = [array.copy() for array in model.coefs_ + model.intercepts_]
    best_loss = float("inf")
    turns = Turns(blas())
    while True:
        model.partial_fit(task.x, task.y)
        loss, accuracy = score(model, task)
        if loss < best_loss:
            best_loss = loss
            for kept, array in zip(best, model.coefs_ + model.intercepts_, strict=True):
                kept[...] = array
        turns.epoch_done(loss, accuracy)


if __name__ == "__main__":
    main()
