"""`mlpcli train`: its output, the plan that --dry-run shows, and its flags."""

import os
import re
from pathlib import Path

import pytest

from tests.support.command import SMALL, Command, epochs_shown, read_document, write_csv

# Output


def test_results_go_to_stdout_and_progress_to_stderr(command: Command) -> None:
    done = command("train", *SMALL, "--out", "run")
    assert "best by validation loss" not in done.stderr
    assert "test " in done.stdout
    assert "parameters" in done.stderr
    assert "parameters" not in done.stdout
    assert epochs_shown(done.stderr) == [1, 2]


def test_json_is_one_document_and_nothing_else(command: Command, model: str) -> None:
    for words in (
        ("train", *SMALL, "--out", "run", "--json"),
        ("train", *SMALL, "--out", "dry", "--json", "--dry-run"),
        ("eval", model, "--json"),
        ("eval", model, "--json", "--min-accuracy", "1"),
    ):
        assert read_document(command(*words).stdout)


def test_train_prints_as_json_what_it_writes(command: Command) -> None:
    done = command("train", *SMALL, "--out", "run", "--json")
    assert done.stdout == Path("run/result.json").read_text(encoding="utf-8")


def test_quiet_writes_nothing_to_stderr(command: Command) -> None:
    loud = command("train", *SMALL, "--out", "a")
    quiet = command("train", *SMALL, "--out", "b", "--quiet")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert lines_with_test(quiet.stdout) == lines_with_test(loud.stdout)


def lines_with_test(stdout: str) -> list[str]:
    return [line for line in stdout.splitlines() if "test" in line]


def test_quiet_still_reports_what_is_wrong(command: Command) -> None:
    done = command("train", "--hidden", "0", "--quiet")
    assert done.stderr.startswith("mlpcli: --hidden: network.hidden = 0 is ref")


# A dry run


def test_a_dry_run_shows_the_plan_and_writes_nothing(command: Command, tmp_path: Path) -> None:
    done = command("train", *SMALL, "--batch-size", "100", "--dry-run", "--out", "run")
    assert done.exit_code == 0
    assert re.search(r"parameters +610 · about [\d.]+ KiB of memory", done.stdout)
    assert re.search(r"training +2 epochs of 13 batches of 100 rows", done.stdout)
    assert re.search(r"rows +1,259 train · 179 validation · 359 test", done.stdout)
    assert os.listdir(tmp_path) == []


def test_a_dry_run_as_json_has_the_plan(command: Command, tmp_path: Path) -> None:
    document = read_document(command("train", *SMALL, "--dry-run", "--json").stdout)
    assert document["parameters"] == 610
    assert document["batches"] == 40
    assert document["config"]["training"]["epochs"] == 2
    assert document["memory_bytes"] > 4 * 610
    assert os.listdir(tmp_path) == []


def test_a_dry_run_finds_what_a_run_would_refuse(command: Command, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("", encoding="utf-8")
    assert command("train", "--dry-run", "--out", "run").exit_code == 2
    assert command("train", "--dry-run", "--data", "nothing.csv").exit_code == 2


# Flags


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (("--data", "rows.csv"), "data.source", "ROWS"),
        (("--hidden", "5"), "network.hidden", 5),
        (("--dropout", "0.25"), "network.dropout", 0.25),
        (("--dropout", "0"), "network.dropout", 0.0),
        (("--epochs", "7"), "training.epochs", 7),
        (("--batch-size", "9"), "training.batch_size", 9),
        (("--lr", "0.125"), "optimizer.lr", 0.125),
        (("--optimizer", "sgd"), "optimizer.name", "sgd"),
        (("--optimizer", "ADAM"), "optimizer.name", "adam"),
        (("--activation", "ReLU"), "network.activation", "relu"),
        (("--activation", "tanh"), "network.activation", "tanh"),
        (("--set", "optimizer.schedule=Linear"), "optimizer.schedule", "linear"),
        (("--threads", "3"), "training.threads", 3),
        (("--threads", "0"), "training.threads", 0),
        (("--seed", "0"), "seed", 0),
        (("--seed", "12"), "seed", 12),
        (("--set", "network.l2=0.5"), "network.l2", 0.5),
        (("--epochs", "7", "--set", "training.epochs=8", "--set", "seed=1"), "training.epochs", 8),
    ],
)
def test_each_flag_sets_its_key_and_wins_over_the_file(
    words: tuple[str, ...], key: str, value: object, command: Command, tmp_path: Path
) -> None:
    rows = write_csv(tmp_path / "rows.csv")
    text = "seed = 3\n[network]\nhidden = 3\ndropout = 0.9\n"
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    done = command("train", "s.toml", *words, "--dry-run", "--json")
    setting = read_document(done.stdout)["config"]
    for name in key.split("."):
        setting = setting[name]
    assert setting == (str(rows) if value == "ROWS" else value)


def test_target_names_the_column_of_the_label(command: Command, tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", ("yes", "no"))
    lines = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    turned = [",".join(reversed(line.split(","))) for line in lines]
    text = "\n".join(["Answer,a,b,c", *turned, ""])
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    words = ("train", "--data", "rows.csv", "--dry-run", "--json")
    document = read_document(command(*words, "--target", "Answer").stdout)
    assert document["config"]["data"]["target"] == "Answer"
    assert document["data"]["classes"] == ["no", "yes"]
    assert command(*words).exit_code == 2  # the last column is no label
    refused = command(*words, "--target", "answer")
    assert "(data.target)" in read_document(refused.stdout)["error"]
