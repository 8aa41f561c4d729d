"""The tables of the documentation say what the program does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic_core import PydanticUndefined

from mlpcli import config, errors
from mlpcli.commands import settings
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK
from mlpcli.gradcheck.derivation import FORMULAS
from mlpcli.gradcheck.grading import file_cases
from mlpcli.gradcheck.mistakes import CATALOGUE
from mlpcli.gradcheck.verdict import TOLERANCE
from mlpcli.storage.locks import LOCK
from mlpcli.storage.runfolder import FILES
from tests.support.command import Run
from tests.support.pages import ROOT, blocks, codes, table

README = ROOT / "README.md"
CONFIGURATION, FILES_PAGE, GRADCHECK = (
    ROOT / "docs" / f"{name}.md" for name in ("configuration", "files", "gradcheck")
)
CONFIGS = sorted((ROOT / "configs").glob("*.toml"))


def test_the_table_of_keys_is_the_configurations_own() -> None:
    expected = []
    for key, field in config.every_key():
        assert field.default is not PydanticUndefined or key == "optimizer.lr"
        default = "by rule" if key == "optimizer.lr" else json.dumps(field.default)
        expected.append([f"`{key}`", config.allowed(field), default, str(field.description)])
    assert table(CONFIGURATION, "key", "values", "default", "what") == expected


def test_the_toml_of_the_page_is_a_configuration(tmp_path: Path) -> None:
    (text,) = blocks(CONFIGURATION, "toml")
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    assert settings.load(tmp_path / "a.toml", {}, []).network.hidden == 512


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_configuration_is_valid(path: Path) -> None:
    assert settings.load(path, {}, []).seed >= 0


def test_the_digits_configuration_says_what_the_defaults_are() -> None:
    assert settings.load(ROOT / "configs" / "digits.toml", {}, []) == settings.load(None, {}, [])


def test_the_equations_are_the_checkers() -> None:
    rows = table(GRADCHECK, "key", "equation", "homework", "shape")
    expected = [[f"`{name}`", FORMULAS[name], HOMEWORK[name]] for name in EQUATIONS]
    assert [row[:3] for row in rows] == expected
    batch_forms = " ".join(row[1] for row in table(README, "equation", "batch form", "shape"))
    for formula in FORMULAS.values():
        assert formula in batch_forms


def test_the_catalogue_is_the_checkers() -> None:
    mistakes = dict.fromkeys((f"`{mistake.id}`", mistake.sentence) for mistake in CATALOGUE)
    assert table(GRADCHECK, "id", "what is wrong") == [list(row) for row in mistakes]


def test_the_tolerances_are_the_checkers() -> None:
    page = GRADCHECK.read_text(encoding="utf-8")
    assert TOLERANCE == {"float64": 1e-14, "float32": 2e-6}
    assert "2 · 10⁻⁶ (float32) or 10⁻¹⁴\n(float64)" in page


def test_a_file_runs_on_as_many_cases_as_the_page_says() -> None:
    assert len(file_cases("relu", 0)) == 6
    assert "twice on each of six cases" in GRADCHECK.read_text(encoding="utf-8")


def test_the_verdict_on_the_page_is_the_programs(mlpcli: Run) -> None:
    (expected,) = blocks(GRADCHECK, "")
    path = ROOT / "examples" / "homework_as_printed.py"
    assert expected in mlpcli("gradcheck", "--impl", path).stdout


def test_the_report_for_autograders_has_the_keys_of_the_page(mlpcli: Run) -> None:
    path = ROOT / "examples" / "homework_as_printed.py"
    report = json.loads(mlpcli("gradcheck", "--impl", path, "--json").stdout)
    tables = GRADCHECK.read_text(encoding="utf-8").split("| key | what it is |\n")[1:]
    whole, entry = (keys_of(text) for text in tables)
    assert list(report) == whole
    for equation in report["equations"]:
        assert sorted(equation) == sorted(entry)
    diagnoses = [equation["diagnosis"] for equation in report["equations"]]
    assert {tuple(found) for found in diagnoses if found} == {("ids", "sentence")}
    missing = json.loads(mlpcli("gradcheck", "--impl", "missing.py", "--json").stdout)
    assert list(missing) == ["schema", "passed", "error"]


def keys_of(text: str) -> list[str]:
    """The names in the first cells of a table, which is at the beginning of the text."""
    rows = text.split("\n\n")[0].splitlines()[1:]
    return [code for row in rows for code in codes(row.split(" | ")[0])]


def test_the_run_folder_has_the_files_of_the_page(mlpcli: Run, tmp_path: Path) -> None:
    mlpcli("train", "--epochs", "3", "--out", "run", check=True)
    documented = {
        code for row in table(FILES_PAGE, "file", "what is in it") for code in codes(row[0])
    }
    assert documented == {*FILES, LOCK}
    assert {path.name for path in (tmp_path / "run").iterdir()} <= documented
    rows = dict(table(FILES_PAGE, "file", "what is in it"))
    line = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert list(json.loads(line)) == codes(rows["`metrics.jsonl`"])


def test_the_reports_have_the_keys_of_the_page(mlpcli: Run) -> None:
    documented = {codes(name)[0]: codes(keys) for name, keys in table(FILES_PAGE, "report", "keys")}
    train = ("train", "--epochs", "2", "--out", "run", "--json")
    dry_run = json.loads(mlpcli(*train, "--dry-run", check=True).stdout)
    trained = json.loads(mlpcli(*train, check=True).stdout)
    evaluated = json.loads(mlpcli("eval", "run", "--json", check=True).stdout)
    assert documented == {
        "train": list(trained),
        "eval": list(evaluated),
        "train --dry-run": list(dry_run),
    }
    scores = ["rows", "loss", "accuracy", "balanced_accuracy", "largest_class"]
    assert list(trained["test"]) == scores
    assert list(evaluated["per_class"][0]) == ["name", "rows", "precision", "recall", "f1"]
    refused = json.loads(mlpcli("eval", "nowhere", "--json").stdout)
    assert list(refused) == ["schema", "error"]


def test_the_model_file_has_the_keys_of_the_page(digits_run: Path) -> None:
    with np.load(digits_run / "model.npz") as file:
        header = json.loads(file["header"].tobytes())
    text = FILES_PAGE.read_text(encoding="utf-8").split("| key | what it is |\n")[1]
    assert set(keys_of(text)) == set(header)


def test_the_exit_codes_are_the_programs() -> None:
    codes_of_errors = {errors.UNUSABLE, errors.DIVERGED, errors.INTERRUPTED, errors.TERMINATED}
    expected = {0, errors.NOT_GOOD_ENOUGH, errors.BROKEN_PIPE} | codes_of_errors
    assert {int(row[0]) for row in table(FILES_PAGE, "code", "meaning")} == expected


@pytest.mark.parametrize("activation", ["tanh", "logistic", "relu"])
def test_the_code_of_the_page_scores_a_model_as_eval_does(
    activation: str, tmp_path: Path, mlpcli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    x_test, y_test = write_rows(tmp_path / "rows.npz")
    options = ("--set", f"network.activation={activation}", "--epochs", "3", "--out", "runs/first")
    mlpcli("train", "--data", "rows.npz", *options, check=True)
    report = json.loads(mlpcli("eval", "runs/first", "--json").stdout)
    monkeypatch.chdir(tmp_path)
    p = code_of_the_page()["probabilities"](x_test)
    losses = -np.log(p[np.arange(len(p)), y_test])
    assert report["accuracy"] == np.mean(p.argmax(axis=1) == y_test)
    assert report["loss"] == pytest.approx(losses.mean(), rel=1e-5)


def write_rows(path: Path) -> tuple[Any, Any]:
    """Rows of three classes, the first 99 of which are to test on; returns those."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 300)
    x = rng.normal(size=(300, 5)) + y[:, None]
    np.savez(path, x=x, y=y, x_test=x[:99], y_test=y[:99])
    return x[:99], y[:99]


def code_of_the_page() -> Mapping[str, Any]:
    (code,) = blocks(FILES_PAGE, "python")
    names: dict[str, Any] = {}
    exec(code, names)
    return names
