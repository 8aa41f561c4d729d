"""`mlpcli predict`: rows in, predictions out; by name, as a stream, whole or not at all."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import load_model
from tests.support.command import Command, run_command
from tests.support.mixed_tables import write_mixed_rows


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table of numbers, words and gaps, whose file is mixed.csv beside it."""
    folder = tmp_path_factory.mktemp("predict")
    data = write_mixed_rows(folder / "mixed.csv", 200)
    words = ("--data", data, "--epochs", "20", "--out", folder / "run", "--quiet")
    assert run_command("train", *words).returncode == 0
    return folder / "run"


def records(stdout: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(stdout)))


def test_predictions_are_those_of_load_model(command: Command, run: Path) -> None:
    done = command("predict", run, run.parent / "mixed.csv")
    rows = records((run.parent / "mixed.csv").read_text(encoding="utf-8"))
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
    model = load_model(run)
    found = records(done.stdout)
    assert [row["prediction"] for row in found] == model.predict(columns).tolist()
    p = np.array([[float(row[f"p_{name}"]) for name in model.classes] for row in found])
    np.testing.assert_allclose(p, model.predict_proba(columns), atol=1e-6)
    confidence = [float(row["confidence"]) for row in found]
    np.testing.assert_array_equal(confidence, p.max(axis=1))


def test_the_header_has_the_ids_the_prediction_and_the_classes(command: Command, run: Path) -> None:
    done = command("predict", run, run.parent / "mixed.csv", "--id", "id", "--id", "tree")
    assert done.stdout.splitlines()[0] == "id,tree,prediction,confidence,p_no,p_yes"
    assert [row["id"] for row in records(done.stdout)] == [str(n) for n in range(1, 201)]


def test_probabilities_can_be_left_out(command: Command, run: Path) -> None:
    done = command("predict", run, run.parent / "mixed.csv", "--no-probabilities")
    assert done.stdout.splitlines()[0] == "prediction,confidence"


def test_columns_are_matched_by_name_and_others_are_ignored(command: Command, run: Path) -> None:
    Path("rows.csv").write_text("size,extra,tree,age\n0.5,9,oak,41\n", encoding="utf-8")
    Path("same.csv").write_text("id,age,tree,size,kind\n7,41,oak,0.5,?\n", encoding="utf-8")
    assert command("predict", run, "rows.csv").stdout == command("predict", run, "same.csv").stdout


def test_a_column_that_lacks_is_named(command: Command, run: Path) -> None:
    Path("rows.csv").write_text("tree,age\noak,41\n", encoding="utf-8")
    done = command("predict", run, "rows.csv")
    assert done.exit_code == 2
    assert "lacks columns that the model needs: size" in done.stderr
    assert done.stdout == "prediction,confidence,p_no,p_yes\n" or done.stdout == ""


def test_rows_come_from_stdin_as_from_a_file(run: Path) -> None:
    rows = run.parent / "mixed.csv"
    from_file = run_command("predict", run, rows)
    from_stdin = run_command("predict", run, "-", input=rows.read_text(encoding="utf-8"))
    assert from_stdin.returncode == 0
    assert from_stdin.stdout == from_file.stdout


def test_json_lines_have_an_object_a_row(command: Command, run: Path) -> None:
    done = command("predict", run, run.parent / "mixed.csv", "--format", "jsonl", "--id", "id")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    table = records(command("predict", run, run.parent / "mixed.csv").stdout)
    assert len(lines) == 200
    for line, row in zip(lines, table, strict=True):
        assert list(line) == ["id", "prediction", "confidence", "probabilities"]
        assert line["prediction"] == row["prediction"]
        assert line["probabilities"]["yes"] == float(row["p_yes"])


def test_an_npz_has_the_same_as_arrays(command: Command, run: Path) -> None:
    done = command("predict", run, run.parent / "mixed.csv", "--id", "id", "--out", "p.npz")
    assert done.stdout == ""
    table = records(command("predict", run, run.parent / "mixed.csv").stdout)
    with np.load("p.npz") as arrays:
        assert arrays["classes"].tolist() == ["no", "yes"]
        assert arrays["prediction"].tolist() == [row["prediction"] for row in table]
        assert arrays["id_id"].tolist() == [str(n) for n in range(1, 201)]
        assert arrays["p"].shape == (200, 2)
        np.testing.assert_array_equal(arrays["p"].max(axis=1), arrays["confidence"])


def test_an_npz_cannot_go_to_stdout(command: Command, run: Path) -> None:
    done = command("predict", run, run.parent / "mixed.csv", "--format", "npz")
    assert done.exit_code == 2
    assert "needs --out FILE" in done.stderr


BAD = "tree,age,size\noak,41,0.5\nelm,forty,1\nash,40,2\n"


def test_a_bad_line_is_named_and_nothing_is_written(command: Command, run: Path) -> None:
    Path("bad.csv").write_text(BAD, encoding="utf-8")
    Path("p.csv").write_text("kept\n", encoding="utf-8")
    done = command("predict", run, "bad.csv", "--out", "p.csv")
    assert done.exit_code == 2
    assert "bad.csv: line 3 has 'forty' in column 2 (age)" in done.stderr
    assert Path("p.csv").read_text(encoding="utf-8") == "kept\n"
    assert sorted(path.name for path in Path().iterdir()) == ["bad.csv", "p.csv"]


def test_a_bad_line_can_be_skipped_with_an_empty_prediction(command: Command, run: Path) -> None:
    Path("bad.csv").write_text(BAD, encoding="utf-8")
    done = command("predict", run, "bad.csv", "--skip-bad", "--id", "tree")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[2] == "elm,,,,"
    assert "1 of 3 rows are bad and have an empty prediction; the first: line 3" in done.stderr
    lines = command(
        "predict", run, "bad.csv", "--skip-bad", "--format", "jsonl"
    ).stdout.splitlines()
    assert json.loads(lines[1]) == {"prediction": None, "confidence": None, "probabilities": None}


def test_gaps_and_unknown_words_are_counted_once_at_the_end(command: Command, run: Path) -> None:
    text = "tree,age,size\nfir,41,0.5\noak,,1\nfir,?,2\n"
    Path("rows.csv").write_text(text, encoding="utf-8")
    done = command("predict", run, "rows.csv")
    assert "2 of 3 rows have missing cells." in done.stderr
    assert "2 of 3 rows have a word that no training row had" in done.stderr


def test_a_cell_that_needs_quotes_has_them(command: Command, run: Path) -> None:
    text = 'name,tree,age,size\n"a ""b"", c",oak,41,0.5\n'
    Path("rows.csv").write_text(text, encoding="utf-8")
    (row,) = records(command("predict", run, "rows.csv", "--id", "name").stdout)
    assert row["name"] == 'a "b", c'


def test_images_are_predicted_without_labels(command: Command, digits_run: Path) -> None:
    from sklearn.datasets import load_digits

    images = load_digits().images[:20].astype(np.uint8)
    np.savez("images.npz", x=images)
    found = records(command("predict", digits_run, "images.npz").stdout)
    model = load_model(digits_run)
    assert [row["prediction"] for row in found] == model.predict(images).tolist()


def test_ids_need_columns(command: Command, digits_run: Path) -> None:
    np.savez("images.npz", x=np.zeros((3, 64)))
    done = command("predict", digits_run, "images.npz", "--id", "id")
    assert done.exit_code == 2
    assert "has no columns by name" in done.stderr


def test_predictions_are_never_written_over_what_is_read(command: Command, run: Path) -> None:
    text = "tree,age,size\noak,41,0.5\n"
    Path("rows.csv").write_text(text, encoding="utf-8")
    Path("link.csv").symlink_to("rows.csv")
    for out in ("rows.csv", "link.csv", run / "model.npz"):
        done = command("predict", run, "rows.csv", "--out", out, "--format", "csv")
        assert done.exit_code == 2
        assert "is what is read; write the predictions elsewhere" in done.stderr
    assert Path("rows.csv").read_text(encoding="utf-8") == text
    assert load_model(run).classes == ("no", "yes")


def test_an_ending_that_is_no_format_is_refused(command: Command, run: Path) -> None:
    done = command("predict", run, run.parent / "mixed.csv", "--out", "p.parquet")
    assert done.exit_code == 2
    assert "p.parquet: predictions are written as .csv, .jsonl or .npz" in done.stderr
    assert not Path("p.parquet").exists()


@pytest.mark.parametrize("header", ["", ",".join(f"p{n}" for n in range(64))])
def test_a_table_of_pixels_is_predicted_by_its_places(
    command: Command, digits_run: Path, header: str
) -> None:
    from sklearn.datasets import load_digits

    images = load_digits().data[:20]
    np.savetxt("rows.csv", images, fmt="%d", delimiter=",", header=header, comments="")
    found = records(command("predict", digits_run, "rows.csv").stdout)
    expected = load_model(digits_run).predict(images)
    assert [row["prediction"] for row in found] == expected.tolist()


def test_nothing_is_written_before_an_error(command: Command, run: Path) -> None:
    done = command("predict", run, "none.csv")
    assert (done.exit_code, done.stdout) == (2, "")


def test_an_id_by_name_needs_a_header(command: Command, digits_run: Path) -> None:
    np.savetxt("rows.csv", np.zeros((3, 64)), fmt="%d", delimiter=",")
    done = command("predict", digits_run, "rows.csv", "--id", "name")
    assert done.exit_code == 2
    assert "has no header, so --id='name' names no column of it" in done.stderr
