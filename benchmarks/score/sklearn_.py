"""scikit-learn: `predict_proba` on float32 rows that are made before the clock starts."""

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.peers.protocol import blas
from benchmarks.score.protocol import CLASSES, HIDDEN, read_chunks, serve, weights


def network(x: np.ndarray) -> MLPClassifier:
    """The network with the weights of every subject.

    A first step, on the rows of x (K,D), allocates the weights; then they are overwritten.
    """
    model = MLPClassifier((HIDDEN,), batch_size=CLASSES)
    labels = np.arange(CLASSES)
    model.partial_fit(x, labels, classes=labels)
    values = weights()
    arrays = [*model.coefs_, *model.intercepts_]
    for array, name in zip(arrays, ("W1", "W2", "b1", "b2"), strict=True):
        array[...] = values[name]
    return model


def main() -> None:
    """Score for as long as passes are requested."""
    chunks = read_chunks()
    model = network(chunks[0][:CLASSES])
    serve(lambda: [model.predict_proba(chunk) for chunk in chunks], blas())


if __name__ == "__main__":
    main()
