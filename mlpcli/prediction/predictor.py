"""A trained model as a Python object: classes and probabilities of rows; needs NumPy alone."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Floats, Labels, Raw, chunks
from mlpcli.errors import DataError
from mlpcli.model.buffers import workspace
from mlpcli.model.metrics import ByRow
from mlpcli.model.network import forward, probabilities
from mlpcli.prediction.rows import raw_rows
from mlpcli.storage import modelfile
from mlpcli.storage.modelfile import Model

BLOCK = 512  # rows of a forward pass
MISSING = ("", "?", "NA", "NaN", "nan", "null", "None")  # in a model that does not say


def load_model(path: str | Path) -> "Predictor":
    """Load a model that `mlpcli train` wrote.

    Args:
        path: A run's folder, or a model.npz.

    Returns:
        The model; several threads may use it at once.

    Raises:
        ModelError: There is no model, or it is damaged.
    """
    return Predictor(modelfile.load(_model_file(Path(path))))


def _model_file(path: Path) -> Path:
    """The file of a run's folder, or the path itself."""
    for file in (path, path / "model.npz"):
        if file.is_file():
            return file
    from mlpcli.storage.runfolder import model_path  # imports what locks a folder

    return model_path(path)


class Predictor:
    """A trained model: it says of rows which class they are of, and how probable each class is.

    Args:
        model: The network and what makes its input of a raw row.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        settings = model.header.get("config")
        data = settings.get("data") if isinstance(settings, dict) else None
        missing = data.get("missing") if isinstance(data, dict) else None
        self.missing = tuple(map(str, missing)) if isinstance(missing, list) else MISSING

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the K classes, in the order of the probabilities."""
        return self.model.classes

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that rows need, or () if the model has none."""
        columns = self.model.feature_columns
        return tuple(each.name for each in columns if each.kind != "ignored" and each.name)

    def predict_proba(self, rows: Any) -> NDArray[np.float32]:
        """The probability of each class for each row.

        Args:
            rows: An array (n,D) of raw values, a data frame, or a mapping from column names to the
                cells of n rows. Columns with names may stand in any order, and others are ignored.

        Returns:
            An array (n,K).

        Raises:
            DataError: A column is missing, or a cell is not a number where one is needed.
        """
        return self.probabilities(self.raw(rows))

    def predict(self, rows: Any) -> NDArray[np.str_]:
        """The name of the most probable class of each row; arguments and errors as above.

        Returns:
            An array (n) of texts.
        """
        best = self.predict_proba(rows).argmax(axis=1)
        names: NDArray[np.str_] = np.array(self.classes)[best]
        return names

    def evaluate(self, rows: Any, labels: Any) -> dict[str, Any]:
        """The scores of the model on rows of known classes.

        Args:
            rows: As for `predict_proba`.
            labels: The class of each of the n rows, by its name or by a number that is its name.

        Returns:
            `rows`, `loss`, `accuracy`, `interval` and `balanced_accuracy`, as `mlpcli eval` has
            them.

        Raises:
            DataError: As for `predict_proba`, or a label is none of the classes.
        """
        p = self.predict_proba(rows)
        known = self._class_indices(labels, len(p))
        chosen = np.maximum(p[np.arange(len(p)), known], np.finfo(p.dtype).tiny)
        by_row = ByRow(-np.log(chosen), p.argmax(axis=1), p.max(axis=1))
        scores = by_row.scores(known, K=len(self.classes))
        return {
            "rows": scores.n_rows,
            "loss": scores.loss,
            "accuracy": scores.accuracy,
            "interval": list(scores.interval),
            "balanced_accuracy": scores.balanced_accuracy,
        }

    def _class_indices(self, labels: Any, n_rows: int) -> Labels:
        index_of = {name: index for index, name in enumerate(self.classes)}
        names = [str(label).strip() for label in np.asarray(labels).tolist()]
        unknown = sorted(set(names) - set(index_of))
        if unknown:
            raise DataError(f"the label {unknown[0]!r:.60} is none of the model's classes.")
        if len(names) != n_rows:
            raise DataError(f"there are {n_rows:,} rows and {len(names):,} labels.")
        return np.array([index_of[name] for name in names], np.intp)

    def raw(self, rows: Any) -> Raw:
        """The raw rows (n,D_raw) of an array, a data frame or a mapping."""
        n_raw = self.model.preprocessing.n_raw
        return raw_rows(rows, self.model.feature_columns, n_raw, self.missing)

    def probabilities(self, raw: Raw) -> NDArray[np.float32]:
        """The probabilities (n,K) of raw rows (n,D_raw)."""
        network = self.model.network
        dtype = network.theta.dtype
        ws = workspace(network.shape, min(BLOCK, len(raw)), dtype)
        p: Floats = np.empty((len(raw), network.shape.K), dtype)
        for piece in chunks(len(raw), BLOCK):
            here = ws.first(piece.stop - piece.start)
            self.model.preprocessing.apply(raw[piece], here.x)
            forward(network, here.x, 1.0, here)
            probabilities(network, here)
            p[piece] = here.p
        return p
