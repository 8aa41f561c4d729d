"""`python -m benchmarks.tables`: the same rows for all models, their scores, and the page."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss

from benchmarks import tables, tables_data, tables_measure, tables_report, tables_results
from benchmarks.tables_data import TextTable, of_sklearn
from benchmarks.tables_models import MODELS, OURS, Prediction
from benchmarks.tables_results import ModelScores, TableResults, TableScores, mean_ranks
from benchmarks.tables_split import LABEL, Split, split


def mixed_table(n_rows: int = 60) -> TextTable:
    """A number that decides the label, with a gap, and a category of words."""
    cells = [[str(i // 2 / 4), ("red", "green", "?")[i % 3]] for i in range(n_rows)]
    cells[0][0] = ""
    labels = ["low" if i < n_rows // 2 else "high" for i in range(n_rows)]
    return TextTable("mixed", "here", ("size", "colour"), cells, labels)


def small_results(**accuracies: list[float]) -> TableResults:
    models = {
        name: ModelScores(values, values, [1 - value for value in values], [1.0] * len(values))
        for name, values in accuracies.items()
    }
    machine = {"processor": "a processor", "cores": "2", "memory": "1 GiB", "system": "Linux"}
    table = TableScores("a table", "here", 100, 4, 1, 2, models)
    return TableResults("2000-01-01", machine, {"python": "3.11"}, [table])


def test_the_quick_turn_prints_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    tables.main(["--quick"])
    page = capsys.readouterr().out
    for name in MODELS:
        assert f"| {name} |" in page
    for name in tables.QUICK_TABLES:
        assert f"| {name} |" in page


def test_a_missing_folder_is_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        tables.main([str(tmp_path / "absent")])
    assert "make bench-tables TABLES=FOLDER" in capsys.readouterr().err


# Tables


def test_a_folder_gives_its_files_with_the_label_in_the_last_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1, x, yes\n2, ?, no\n", encoding="utf-8")
    (tmp_path / "glass-with-id.csv").write_text("1,2\n", encoding="utf-8")
    names = [table.name for table in tables_data.all_tables(tmp_path) if table.origin == "folder"]
    table = next(iter(tables_data.all_tables(tmp_path)))
    assert names == ["a"]
    assert table.cells == [["1", "x"], ["2", "?"]]
    assert table.labels == ["yes", "no"]


def test_abalone_is_in_three_classes(tmp_path: Path) -> None:
    (tmp_path / "abalone.csv").write_text("M,1,8\nF,1,9\nI,1,10\nI,1,11\n", encoding="utf-8")
    table = next(iter(tables_data.all_tables(tmp_path)))
    assert table.labels == ["8 or fewer", "9 or 10", "9 or 10", "11 or more"]


def test_a_table_of_scikit_learn_has_its_numbers() -> None:
    (table,) = of_sklearn(["wine"])
    assert (len(table.cells), len(table.columns), table.classes) == (178, 13, ["0", "1", "2"])
    assert float(table.cells[0][0]) == 14.23


# Splits


def test_files_and_arrays_have_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    rows = split(mixed_table(), 0, tmp_path)
    with rows.train_file.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    assert head == ["size", "colour", LABEL]
    assert [line[-1] for line in lines] == [rows.classes[k] for k in rows.y_train]
    sizes = [float(line[0]) if line[0] else np.nan for line in lines]
    np.testing.assert_array_equal(rows.x_train[:, 0], sizes)


def test_each_class_gives_a_fifth_of_its_rows_to_the_test(tmp_path: Path) -> None:
    rows = split(mixed_table(), 3, tmp_path)
    assert np.bincount(rows.y_test).tolist() == [6, 6]
    assert np.bincount(rows.y_train).tolist() == [24, 24]


def test_splits_with_other_numbers_have_other_rows(tmp_path: Path) -> None:
    one, other = split(mixed_table(), 0, tmp_path), split(mixed_table(), 1, tmp_path)
    assert one.test.cells != other.test.cells


def test_a_column_with_a_word_is_a_category_and_gaps_are_nan(tmp_path: Path) -> None:
    rows = split(mixed_table(), 0, tmp_path)
    x = np.concatenate([rows.x_train, rows.x_test])
    assert rows.is_category.tolist() == [False, True]
    assert np.isnan(x).sum(axis=0).tolist() == [1, 20]
    assert set(x[~np.isnan(x[:, 1]), 1]) == {1.0, 2.0}  # green and red, after "?"


# Models and scores


@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_learns_what_decides_the_label(name: str, tmp_path: Path) -> None:
    rows = split(mixed_table(), 0, tmp_path)
    prediction = MODELS[name](rows)
    assert prediction.p.shape == (12, 2)
    np.testing.assert_allclose(prediction.p.sum(axis=1), 1, atol=1e-5)
    assert (prediction.predicted == rows.y_test).mean() >= 0.8


def test_scores_are_those_of_scikit_learn(tmp_path: Path) -> None:
    rows = split(mixed_table(), 0, tmp_path)
    p = np.random.default_rng(0).dirichlet([1, 1], 12)
    p[0] = [0, 1]

    def model(rows: Split) -> Prediction:
        return Prediction(p, p.argmax(axis=1), 1.0)

    (table,) = tables_measure.measure([mixed_table()], {"model": model}, [0])
    scores = table.models["model"]
    balanced = balanced_accuracy_score(rows.y_test, p.argmax(axis=1))
    assert scores.balanced_accuracy == [pytest.approx(balanced, abs=1e-6)]
    assert scores.log_loss == [pytest.approx(log_loss(rows.y_test, p), abs=1e-6)]


# Ranks and the page


def test_the_best_has_the_first_rank_and_ties_share_theirs() -> None:
    values = np.array([[0.1, 0.2, 0.3], [0.5, 0.5, 0.1]])
    np.testing.assert_allclose(mean_ranks(values), [1.75, 2.25, 2.0])


def test_the_page_says_by_how_much_mlpcli_is_ahead() -> None:
    one = small_results(**{OURS: [0.9, 0.8], "other": [0.7, 0.8]})
    (table,) = one.tables
    page = tables_report.render(replace(one, tables=[table, table]))
    assert "| mlpcli | 1.00 | 1.00 | 85.0% |" in page
    assert "| other | 2.00 | 2.00 | 75.0% | 75.0% | 0.250 | 1.0 | +10.0 ± 0.0 |" in page


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = small_results(mlpcli=[0.9, 0.8])
    path = tmp_path / "tables.json"
    tables_results.write(results, path)
    assert tables_results.read(path) == results


@pytest.mark.skipif(not tables_results.PATH.exists(), reason="nothing has been measured")
def test_the_page_is_what_the_results_give() -> None:
    page = tables_report.PATH.read_text(encoding="utf-8")
    assert page == tables_report.render(tables_results.read())
