"""A loaded model predicts what eval scores, from rows of any form, and needs NumPy alone."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlpcli
from mlpcli.commands.evaluate import evaluate
from mlpcli.commands.plan import prepare
from mlpcli.commands.settings import load
from mlpcli.commands.train import execute
from mlpcli.errors import DataError, ModelError
from mlpcli.prediction.predictor import Predictor, load_model
from mlpcli.prediction.rows import raw_rows
from mlpcli.preprocessing.columns import Column

N = 120
TREES = ("ash", "elm", "oak")


def columns_of_rows() -> dict[str, list[Any]]:
    """A table with a number that has gaps, a category, an id, and a label that both decide."""
    rng = np.random.default_rng(0)
    tree = rng.choice(TREES, N)
    size = rng.normal(size=N).round(3)
    label = np.where((tree == "oak") ^ (size > 0), "yes", "no")
    ages: list[float | None] = rng.normal(40, 10, N).round(1).tolist()
    ages[::7] = [None] * len(ages[::7])
    return {
        "id": list(range(1, N + 1)),
        "tree": tree.tolist(),
        "size": size.tolist(),
        "age": ages,
        "kind": label.tolist(),
    }


def write_csv(path: Path, columns: dict[str, list[Any]]) -> None:
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join("" if cell is None else str(cell) for cell in row))
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on that table, whose file is rows.csv beside it."""
    folder = tmp_path_factory.mktemp("prediction")
    write_csv(folder / "rows.csv", columns_of_rows())
    settings = {"data.source": str(folder / "rows.csv"), "training.epochs": 30}
    plan = prepare(load(None, settings), folder / "run", overwrite=False, notify=lambda text: None)
    execute(plan)
    return folder / "run"


@pytest.fixture(scope="module")
def model(run: Path) -> Predictor:
    return load_model(run)


def test_a_model_is_loaded_by_its_run_or_its_file(run: Path) -> None:
    assert mlpcli.load_model(run).classes == ("no", "yes")
    assert mlpcli.load_model(str(run / "model.npz")).classes == ("no", "yes")


def test_a_model_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such model"):
        load_model(tmp_path / "none")


def test_columns_are_those_that_rows_need(model: Predictor) -> None:
    assert model.columns == ("tree", "size", "age")


def test_predictions_are_those_that_eval_scores(run: Path, model: Predictor) -> None:
    columns = columns_of_rows()
    source = str(run.parent / "rows.csv")
    scores = evaluate(run, source, None, False, lambda text: None).scores
    p = model.predict_proba(columns)
    np.testing.assert_array_equal(p.argmax(axis=1), scores.predicted)
    np.testing.assert_array_equal(p.max(axis=1), scores.confidence)
    expected = np.array(model.classes)[scores.predicted]
    np.testing.assert_array_equal(model.predict(columns), expected)


def test_evaluate_gives_what_eval_prints(run: Path, model: Predictor) -> None:
    columns = columns_of_rows()
    document = evaluate(
        run, str(run.parent / "rows.csv"), None, False, lambda text: None
    ).document()
    found = model.evaluate(columns, columns["kind"])
    assert found["rows"] == document["rows"]
    assert found["accuracy"] == document["accuracy"]
    assert found["interval"] == document["interval"]
    assert found["balanced_accuracy"] == pytest.approx(document["balanced_accuracy"])
    assert found["loss"] == pytest.approx(document["loss"], rel=1e-5)


class Frame:
    """What data frames have in common: columns by name, with to_numpy."""

    class Series:
        def __init__(self, cells: list[Any]) -> None:
            self.cells = cells

        def to_numpy(self) -> Any:
            is_text = any(isinstance(cell, str) for cell in self.cells)
            return np.array(self.cells, object if is_text else float)

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.by_name = columns

    @property
    def columns(self) -> list[str]:
        return list(self.by_name)

    def __getitem__(self, name: str) -> "Frame.Series":
        return Frame.Series(self.by_name[name])


def test_frames_dicts_and_arrays_give_the_same(model: Predictor) -> None:
    columns = columns_of_rows()
    expected = model.predict_proba(columns)
    backwards = dict(reversed(columns.items()))
    by_place = np.array([columns[name] for name in model.columns], object).T
    with_the_id = np.array([columns[name] for name in ("id", *model.columns)], object).T
    for rows in (Frame(columns), backwards, by_place, with_the_id):
        np.testing.assert_array_equal(model.predict_proba(rows), expected)


def test_a_missing_cell_has_many_spellings(model: Predictor) -> None:
    rows = {"tree": ["oak"] * 4, "size": [0.5] * 4, "age": [None, float("nan"), "NA", " ? "]}
    p = model.predict_proba(rows)
    np.testing.assert_array_equal(p, p[[0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ({"tree": ["oak"], "age": [1]}, "no column size"),
        ({"tree": ["oak"], "size": ["big"], "age": [1]}, "column size: 'big' is no number"),
        ({"tree": ["oak"], "size": [1, 2], "age": [1]}, "differ in length"),
        ([[1.0, 2.0]], "have 2 columns, and the model needs 3"),
        ([1.0, 2.0], "have 1 dimensions"),
    ],
)
def test_rows_that_do_not_fit_are_refused(model: Predictor, rows: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        model.predict(rows)


def test_no_rows_have_no_predictions(model: Predictor) -> None:
    empty: dict[str, list[Any]] = {"tree": [], "size": [], "age": []}
    assert model.predict_proba(empty).shape == (0, 2)
    assert model.predict(empty).shape == (0,)


def test_labels_that_are_no_classes_are_refused(model: Predictor) -> None:
    columns = columns_of_rows()
    with pytest.raises(DataError, match="'maybe' is none of the model's classes"):
        model.evaluate(columns, ["maybe"] * N)
    with pytest.raises(DataError, match="120 rows and 1 labels"):
        model.evaluate(columns, ["yes"])


def test_several_threads_may_use_a_model(model: Predictor) -> None:
    columns = columns_of_rows()
    expected = model.predict_proba(columns)
    with ThreadPoolExecutor(8) as pool:
        for p in pool.map(model.predict_proba, [columns] * 50):
            np.testing.assert_array_equal(p, expected)


def test_loading_a_model_imports_numpy_and_nothing_heavier(run: Path) -> None:
    code = (
        "import sys, json, mlpcli\n"
        f"mlpcli.load_model({str(run)!r}).predict({{'tree': ['oak'], 'size': [1], 'age': [2]}})\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(json.loads(done.stdout))
    heavy = {"sklearn", "scipy", "pydantic", "rich", "typer", "filelock", "tomli_w", "pandas"}
    assert not modules & heavy


def test_a_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mlpcli.nothing  # noqa: B018


def test_a_list_of_rows_keeps_the_types_of_its_cells() -> None:
    """A level that is a number, written as 4 or 4.0, is the same in a list and in a dict."""
    columns = (Column("code", "category", ("3", "4")), Column("size", "number"))
    expected = [[1, 2.5], [0, 1.0]]
    as_list = raw_rows([[4.0, 2.5], [3, 1]], columns, 2, ())
    as_dict = raw_rows({"code": [4.0, 3], "size": [2.5, 1]}, columns, 2, ())
    np.testing.assert_array_equal(as_list, expected)
    np.testing.assert_array_equal(as_dict, expected)


def test_names_are_no_use_where_the_model_has_none() -> None:
    with pytest.raises(DataError, match="matched by their order"):
        raw_rows({"b": [1.0], "a": [2.0]}, (Column("", "number"),) * 2, 2, ())
