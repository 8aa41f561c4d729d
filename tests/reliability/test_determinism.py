"""Equal seeds give equal bytes: at any time, in any folder, with any output, in any process."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.support.command import SMALL, Command, Run, write_csv


def model_bytes(command: Command, *words: object) -> bytes:
    done = command("train", *SMALL, *words, "--out", "run", "--overwrite")
    assert done.exit_code == 0, done.stderr
    return Path("run/model.npz").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--seed", 7),
        ("--optimizer", "adam"),
        ("--optimizer", "sgd", "--dropout", 0),
        ("--batch-size", 1000, "--set", "network.activation=tanh"),
        (
            "--set",
            "network.input_dropout=0.3",
            "--set",
            "network.max_norm=0.5",
            "--set",
            "network.l2=0.01",
        ),
        ("--data", "rows.csv"),
    ],
)
def test_the_same_seed_gives_the_same_bytes(
    words: tuple[object, ...], command: Command, tmp_path: Path
) -> None:
    write_csv(tmp_path / "rows.csv")
    assert model_bytes(command, *words) == model_bytes(command, *words)


def test_another_seed_gives_other_bytes(command: Command) -> None:
    assert len({model_bytes(command, "--seed", seed) for seed in range(4)}) == 4


def test_the_same_seed_in_two_processes_gives_the_same_bytes(command: Command) -> None:
    words = ("--hidden", 128, "--batch-size", 400, "--threads", 2)  # enough work for two
    first = model_bytes(command, *words)
    second = model_bytes(command, *words)
    assert json.loads(Path("run/result.json").read_text(encoding="utf-8"))["threads"] == 2
    assert first == second


@pytest.mark.parametrize("words", [("--json",), ("--quiet",), ("--json", "--quiet")])
def test_what_is_printed_changes_nothing(words: tuple[str, ...], command: Command) -> None:
    assert model_bytes(command, *words) == model_bytes(command)


def test_neither_the_time_nor_the_folder_changes_anything(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = model_bytes(command)
    time_now, localtime = time.time, time.localtime
    monkeypatch.setattr(time, "time", lambda: time_now() - 1e9)
    monkeypatch.setattr(time, "localtime", lambda seconds=None: localtime(1e9))
    assert command("train", *SMALL, "--out", "a/folder with another name").exit_code == 0
    assert Path("a/folder with another name/model.npz").read_bytes() == now


def test_a_process_of_its_own_gives_the_same_bytes(
    command: Command, mlpcli: Run, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "12"}
    assert mlpcli("train", *SMALL, "--out", "other", env=environment).returncode == 0
    assert (tmp_path / "other" / "model.npz").read_bytes() == model_bytes(command)


def test_a_run_can_be_replayed_from_its_configuration(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "rows.csv")
    write_csv(tmp_path / "more.csv", rows=30)
    overrides = ("data.validation=more.csv", "optimizer.name=adam", "network.l2=1e-5")
    words = [word for override in overrides for word in ("--set", override)]
    first = model_bytes(command, "--data", "rows.csv", "--seed", 5, *words)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert command("train", "../run/config.toml", "--out", "again").exit_code == 0
    assert Path("again/model.npz").read_bytes() == first
    assert Path("again/config.toml").read_bytes() == Path("../run/config.toml").read_bytes()
