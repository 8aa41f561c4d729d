"""The models that are compared: mlpcli with its defaults, and scikit-learn's with theirs."""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from benchmarks.tables_split import LABEL, Split
from mlpcli import load_model
from mlpcli.commands.plan import prepare
from mlpcli.commands.settings import load
from mlpcli.commands.train import execute

OURS = "mlpcli"
MOST_EPOCHS = 2_000  # of scikit-learn's MLP, which stops earlier by itself
CALIBRATION_FOLDS = 5  # of the SVC's probabilities; fewer if a class has fewer rows


@dataclass(frozen=True)
class Prediction:
    """Probabilities (n,K) and classes (n) of the test rows, and the seconds to get them."""

    p: NDArray[np.float64]
    predicted: NDArray[np.intp]
    seconds: float


Model: TypeAlias = Callable[[Split], Prediction]


def mlpcli(split: Split, settings: Mapping[str, Any] | None = None) -> Prediction:
    """What a user has of mlpcli: a file of training rows, a run, and load_model.

    `settings` are by dotted key; without any, all that says how to train is a default.
    """
    began = time.perf_counter()
    run = split.train_file.with_suffix("")
    model = load_model(_train(split, run, settings or {}))
    columns = zip(*split.test.cells, strict=True)
    rows = {name: list(cells) for name, cells in zip(split.test.columns, columns, strict=True)}
    p = model.predict_proba(rows).astype(np.float64)
    seconds = time.perf_counter() - began
    order = [model.classes.index(name) for name in split.classes]
    p = p[:, order]
    return Prediction(p, p.argmax(axis=1), seconds)


def _train(split: Split, run: Path, settings: Mapping[str, Any]) -> Path:
    """Train on the file of training rows, on one core, and return the run's folder."""
    facts = {
        "data.source": str(split.train_file),
        "data.test": str(split.test_file),
        "data.target": LABEL,
        "data.header": True,
        "seed": split.number,
        "training.threads": 1,
    }
    config = load(None, facts | dict(settings))
    execute(prepare(config, run, overwrite=True, notify=_ignore))
    return run


def _ignore(text: str) -> None:
    """Drop a message of mlpcli, which nobody reads here."""


def sklearn_model(name: str, split: Split) -> Prediction:
    """One of scikit-learn's classifiers, behind the usual preprocessing."""
    began = time.perf_counter()
    model = make_pipeline(_preprocessing(split), _classifier(name, split))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of optimizers that stop before they have converged
        model.fit(split.x_train, split.y_train)
    x = model[0].transform(split.x_test)
    p = model[1].predict_proba(x)
    predicted = _predicted(model[1], x, p)
    return Prediction(p, predicted, time.perf_counter() - began)


def _preprocessing(split: Split) -> Any:
    """Numbers with the median in their gaps, scaled; a column for each level of a category."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer(
        [
            ("numbers", numbers, ~split.is_category),
            ("categories", categories, split.is_category),
        ]
    )


def _classifier(name: str, split: Split) -> Any:
    """The classifier of this name, untrained."""
    seed = split.number
    match name:
        case "random forest":
            return RandomForestClassifier(random_state=seed)
        case "histogram boosting":
            return HistGradientBoostingClassifier(random_state=seed)
        case "SVC":
            smallest = int(np.bincount(split.y_train).min())
            folds = max(2, min(CALIBRATION_FOLDS, smallest))
            return CalibratedClassifierCV(SVC(random_state=seed), cv=folds, ensemble=False)
        case "MLPClassifier":
            return MLPClassifier(max_iter=MOST_EPOCHS, random_state=seed)
    return LogisticRegression(max_iter=MOST_EPOCHS)


def _predicted(classifier: Any, x: NDArray[np.float64], p: NDArray[np.float64]) -> Any:
    """The classes: an SVC's own, which it is better at than its calibrated probabilities."""
    if hasattr(classifier, "calibrated_classifiers_"):
        return classifier.calibrated_classifiers_[0].estimator.predict(x)
    return p.argmax(axis=1)


PEERS = ("random forest", "histogram boosting", "SVC", "MLPClassifier", "logistic regression")
MODELS: dict[str, Model] = {OURS: mlpcli, **{name: partial(sklearn_model, name) for name in PEERS}}
