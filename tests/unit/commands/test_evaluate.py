"""Scoring a saved model: which rows, which numbers, and what does not fit together."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.model.metrics import wilson_interval
from mlpcli.model.network import Network
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.storage import modelfile
from tests.support.command import SMALL, Command, write_csv

CLASSES = ("red", "green", "blue")
BRIEF = ("rows", "loss", "accuracy", "balanced_accuracy", "largest_class")


@pytest.fixture
def csv_run(command: Command, tmp_path: Path) -> Path:
    """A run folder, trained on rows.csv beside it, and good at it."""
    write_csv(tmp_path / "rows.csv", CLASSES, rows=150)
    words = ("train", "--data", "rows.csv", "--epochs", 20, "--hidden", 16, "--out", "run")
    assert command(*words).exit_code == 0
    return tmp_path / "run"


def scores(command: Command, *words: object) -> dict[str, Any]:
    done = command("eval", *words, "--json")
    assert done.exit_code == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def refused(command: Command, *words: object) -> str:
    done = command("eval", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("mlpcli: ")
    return str(done.stderr)


def rewritten(run: Path, **header: Any) -> Path:
    """The model file of the run, with these entries of its header changed."""
    model = modelfile.load(run / "model.npz")
    modelfile.save(run / "model.npz", replace(model, header=model.header | header))
    return run


# The rows of the model's own run


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_gets_the_scores_that_training_wrote(
    split: str, digits_run: Path, command: Command
) -> None:
    result = json.loads((digits_run / "result.json").read_text(encoding="utf-8"))
    printed = scores(command, digits_run, "--split", split)
    assert {name: printed[name] for name in BRIEF} == result[split]
    assert (printed["split"], printed["data"]) == (split, "digits")


def test_the_test_rows_are_scored_unless_others_are_asked_for(
    digits_run: Path, command: Command
) -> None:
    assert scores(command, digits_run) == scores(command, digits_run, "--split", "test")


def test_a_folder_and_its_model_file_are_scored_alike(digits_run: Path, command: Command) -> None:
    by_folder, by_file = scores(command, digits_run), scores(command, digits_run / "model.npz")
    assert by_folder == by_file
    assert by_folder["model"] == str(digits_run / "model.npz")


def test_a_model_file_alone_is_enough(csv_run: Path, command: Command, tmp_path: Path) -> None:
    own = scores(command, csv_run)
    (tmp_path / "far").mkdir()
    shutil.move(csv_run / "model.npz", tmp_path / "far" / "mine.npz")
    assert scores(command, "far/mine.npz") == own | {"model": "far/mine.npz"}


def test_scores_of_rows_given_as_files_of_their_own_are_found_again(
    command: Command, tmp_path: Path
) -> None:
    for name, rows in (("rows.csv", 60), ("checked.csv", 30), ("tested.csv", 45)):
        write_csv(tmp_path / name, CLASSES, rows)
    sets = ("--set", "data.validation=checked.csv", "--set", "data.test=tested.csv")
    assert command("train", "--data", "rows.csv", *sets, *SMALL, "--out", "run").exit_code == 0
    counts = [
        scores(command, "run", "--split", split)["rows"]
        for split in ("train", "validation", "test")
    ]
    assert counts == [60, 30, 45]


def test_validation_rows_that_a_run_had_not_are_refused(csv_run: Path, command: Command) -> None:
    said = refused(command, csv_run, "--split", "validation")
    assert said == (
        f"mlpcli: {csv_run / 'model.npz'}: its run had no validation rows; leave out --split "
        "validation.\n"
    )


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_run_without_validation_rows_has_the_scores_that_training_wrote(
    part: str, csv_run: Path, command: Command
) -> None:
    result = json.loads((csv_run / "result.json").read_text(encoding="utf-8"))
    assert result["validation"] is None
    printed = scores(command, csv_run, "--split", part)
    assert {name: printed[name] for name in BRIEF} == result[part]


# Other rows


def test_other_data_is_scored_in_whole(csv_run: Path, command: Command, tmp_path: Path) -> None:
    other = write_csv(tmp_path / "other.csv", CLASSES[:2], rows=40)
    printed = scores(command, csv_run, "--data", "other.csv")
    assert (printed["rows"], printed["split"], printed["data"]) == (40, "all", str(other))
    assert printed["accuracy"] > 0.8
    assert [entry["rows"] for entry in printed["per_class"]] == [0, 20, 20]  # blue, green, red


def test_other_data_with_test_rows_of_its_own_is_scored_on_those(
    digits_run: Path, command: Command
) -> None:
    x, y = np.zeros((20, 64)), np.arange(20) % 10
    np.savez("other.npz", x=x, y=y, x_test=x[:7], y_test=y[:7])
    printed = scores(command, digits_run, "--data", "other.npz")
    assert (printed["rows"], printed["split"]) == (7, "test")


def test_the_label_of_other_data_is_in_the_column_that_training_named(
    command: Command, tmp_path: Path
) -> None:
    rows = write_csv(tmp_path / "rows.csv", CLASSES).read_text(encoding="utf-8").splitlines()
    turned = [",".join([line.rpartition(",")[2], line.rpartition(",")[0]]) for line in rows]
    (tmp_path / "rows.csv").write_text("\n".join(["colour,a,b,c", *turned]), encoding="utf-8")
    words = ("train", "--data", "rows.csv", "--set", "data.target=colour", *SMALL, "--out", "run")
    assert command(*words).exit_code == 0
    assert scores(command, "run", "--data", "rows.csv")["rows"] == 60


def test_a_model_by_other_hands_can_be_scored_on_data_that_is_named(
    csv_run: Path, command: Command
) -> None:
    own = scores(command, csv_run, "--data", "rows.csv")
    foreigners: list[Any] = [None, [], {"data": 3}, {"seed": -1}, {"later": {"key": 1}}]
    for foreign in foreigners:
        assert scores(command, rewritten(csv_run, config=foreign), "--data", "rows.csv") == own
        assert (
            "its header does not say what it was trained on. Name the data with --data."
            in refused(command, csv_run)
        )


# The numbers


def test_the_document_has_every_number(digits_run: Path, command: Command) -> None:
    printed = scores(command, digits_run)
    keys = [
        "schema",
        "model",
        "data",
        "split",
        "rows",
        "loss",
        "accuracy",
        "interval",
        "balanced_accuracy",
        "largest_class",
        "per_class",
        "confusion",
    ]
    assert list(printed) == keys
    assert printed["schema"] == 1
    assert [list(entry) for entry in printed["per_class"]] == [
        ["name", "rows", "precision", "recall", "f1"]
    ] * 10
    assert [entry["name"] for entry in printed["per_class"]] == [str(digit) for digit in range(10)]


def test_a_class_without_rows_has_null_for_its_scores(
    csv_run: Path, command: Command, tmp_path: Path
) -> None:
    lines = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    without_blue = [line for line in lines if "blue" not in line]
    (tmp_path / "few.csv").write_text("\n".join(without_blue) + "\n", encoding="utf-8")
    printed = scores(command, csv_run, "--data", "few.csv")
    (blue,) = [entry for entry in printed["per_class"] if entry["name"] == "blue"]
    assert blue == {"name": "blue", "rows": 0, "precision": None, "recall": None, "f1": None}
    recalls = [entry["recall"] for entry in printed["per_class"] if entry["name"] != "blue"]
    assert printed["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert printed["largest_class"] == 0.5


def test_the_numbers_agree_with_one_another(csv_run: Path, command: Command) -> None:
    printed = scores(command, csv_run, "--split", "train")
    confusion = np.array(printed["confusion"])
    assert confusion.sum() == printed["rows"]
    assert confusion.trace() == round(printed["accuracy"] * printed["rows"])
    assert confusion.sum(axis=1).tolist() == [entry["rows"] for entry in printed["per_class"]]
    assert tuple(printed["interval"]) == wilson_interval(int(confusion.trace()), printed["rows"])
    assert printed["interval"][0] < printed["accuracy"] <= printed["interval"][1]
    recalls = [entry["recall"] for entry in printed["per_class"]]
    assert printed["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert printed["largest_class"] == confusion.sum(axis=1).max() / printed["rows"]
    for k, entry in enumerate(printed["per_class"]):
        assert entry["precision"] == confusion[k, k] / confusion[:, k].sum()
        assert entry["recall"] == confusion[k, k] / confusion[k].sum()


@pytest.mark.parametrize(("least", "code"), [(0, 0), (0.05, 0), (0.99, 1), (1, 1)])
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_an_accuracy_under_the_least_is_exit_code_1(
    least: float, code: int, as_json: Sequence[str], digits_run: Path, command: Command
) -> None:
    done = command("eval", digits_run, "--min-accuracy", least, *as_json)
    assert done.exit_code == code
    assert (f"is under the {100 * least:.2f} % asked for." in done.stderr) == bool(code)
    assert done.stdout == command("eval", digits_run, *as_json).stdout


def test_an_accuracy_that_is_just_the_least_is_enough(digits_run: Path, command: Command) -> None:
    accuracy = scores(command, digits_run)["accuracy"]
    assert command("eval", digits_run, "--min-accuracy", repr(accuracy)).exit_code == 0


# What does not fit


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_of_data_that_is_not_the_run_s_own_is_refused(
    split: str, digits_run: Path, command: Command
) -> None:
    np.savez("other.npz", x=np.zeros((20, 64)), y=np.arange(20) % 10)
    said = refused(command, digits_run, "--data", "other.npz", "--split", split)
    assert (
        f"other.npz: is not the data of the model's own run, so it has no {split} rows; leave out "
        "--split." in said
    )


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_run_s_own_data_by_its_name_takes_a_split(
    split: str, digits_run: Path, command: Command
) -> None:
    own = scores(command, digits_run, "--split", split)
    assert scores(command, digits_run, "--data", "digits", "--split", split) == own


def test_data_that_has_changed_is_refused(csv_run: Path, command: Command, tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", CLASSES, rows=151)
    assert "rows.csv: has changed since" in refused(command, csv_run)
    assert scores(command, csv_run, "--data", "rows.csv")["rows"] == 151


def test_data_that_has_moved_is_refused_and_known_again_where_it_is_named(
    csv_run: Path, command: Command, tmp_path: Path
) -> None:
    own = scores(command, csv_run)
    (tmp_path / "rows.csv").rename(tmp_path / "elsewhere.csv")
    assert "rows.csv: cannot be found" in refused(command, csv_run)
    assert scores(command, csv_run, "--data", "elsewhere.csv")["rows"] == 150
    again = scores(command, csv_run, "--data", "elsewhere.csv", "--split", "test")
    assert again == own | {"data": str(tmp_path / "elsewhere.csv")}


@pytest.mark.parametrize("features", [2, 4, 65])
def test_another_number_of_features_is_refused(
    features: int, csv_run: Path, command: Command, tmp_path: Path
) -> None:
    write_csv(tmp_path / "other.csv", CLASSES, features=features)
    assert (
        f"other.csv: has {features + 1} columns, and the model needs 4. Without names in both, "
        "columns are matched by their places." in refused(command, csv_run, "--data", "other.csv")
    )


@pytest.mark.parametrize("features", [3, 63, 65])
def test_an_array_of_another_number_of_features_is_refused(
    features: int, digits_run: Path, command: Command
) -> None:
    np.savez("other.npz", x=np.zeros((20, features)), y=np.arange(20) % 10)
    assert (
        f"other.npz (x, y): has {features} features, and the model has 64; both must have the same."
        in refused(command, digits_run, "--data", "other.npz")
    )


def test_a_label_that_training_never_saw_is_refused(
    csv_run: Path, command: Command, tmp_path: Path
) -> None:
    write_csv(tmp_path / "other.csv", (*CLASSES, "mauve"))
    said = refused(command, csv_run, "--data", "other.csv")
    assert (
        "has the label 'mauve', which the model never saw. The known classes are blue, green, red."
        in said
    )


@pytest.mark.parametrize(
    "header", [{"classes": ["x", "y", "z"]}, {"data_sha256": None}, {"data_sha256": "0" * 64}]
)
def test_a_header_that_does_not_fit_its_data_is_refused(
    header: dict[str, Any], csv_run: Path, command: Command
) -> None:
    assert "rows.csv: has changed since" in refused(command, rewritten(csv_run, **header))


def test_a_model_of_fewer_classes_than_its_data_is_refused(csv_run: Path, command: Command) -> None:
    settings = modelfile.load(csv_run / "model.npz").header["config"]
    other = settings | {"data": settings["data"] | {"source": "digits"}}
    assert "digits: has changed since" in refused(command, rewritten(csv_run, config=other))


def test_weights_that_give_no_finite_loss_are_refused(csv_run: Path, command: Command) -> None:
    model = modelfile.load(csv_run / "model.npz")
    model.network.theta[:] = 3e38
    modelfile.save(csv_run / "model.npz", model)
    assert "the model or the rows are no use" in refused(command, csv_run)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nothing", "nothing: there is no such model."),
        (".", ".: is no run folder: it holds no model.npz. Name a run folder, or a model.npz"),
        ("rows.csv", "rows.csv: is not a whole .npz file"),
    ],
)
def test_what_is_no_model_is_refused(
    path: str, said: str, command: Command, tmp_path: Path
) -> None:
    write_csv(tmp_path / "rows.csv")
    assert said in refused(command, path)


def test_columns_in_another_order_are_scored_by_their_names(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("a,b,kind\n" + "1,9,x\n7,2,y\n" * 30, encoding="utf-8")
    (tmp_path / "turned.csv").write_text("b,a,kind\n" + "9,1,x\n2,7,y\n" * 5, encoding="utf-8")
    (tmp_path / "other.csv").write_text("b,c,kind\n9,1,x\n2,7,y\n", encoding="utf-8")
    assert command("train", "--data", "rows.csv", "--epochs", 30, "--out", "run").exit_code == 0
    assert (
        json.loads(command("eval", "run", "--data", "turned.csv", "--json").stdout)["accuracy"] == 1
    )
    assert (
        "other.csv: lacks columns that the model needs: a. Its own are b, c, kind."
        in command("eval", "run", "--data", "other.csv").stderr
    )


def test_scoring_the_rows_of_training_is_said(command: Command, tmp_path: Path) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    assert (
        "Most of these rows are those that the model was trained on"
        in command("eval", "run", "--data", "digits").stderr
    )
    assert command("eval", "run").stderr == ""


@pytest.mark.parametrize("least", ["98", "-0.1", "nan"])
def test_a_least_accuracy_that_is_no_share_is_refused(least: str, command: Command) -> None:
    done = command("eval", "run", "--min-accuracy", least)
    assert done.exit_code == 2
    assert (
        f"--min-accuracy {least} is refused; it must be from 0 to 1, as 0.98 for 98 %."
        in done.stderr
    )


def test_a_model_that_takes_other_features_than_its_own_data_has_is_refused(
    csv_run: Path, command: Command
) -> None:
    model = modelfile.load(csv_run / "model.npz")
    wider = Network(model.network.shape._replace(D=5), model.network.activation)
    modelfile.save(
        csv_run / "model.npz",
        replace(model, network=wider, preprocessing=Scaling(np.zeros(5), np.ones(5)), columns=()),
    )
    assert "takes 5 features, and its own data has 3." in refused(command, csv_run)
