"""The run folder: where a run may be written, and that nothing else is ever touched."""

import os
import time
from pathlib import Path

import pytest

from mlpcli.commands import plan
from mlpcli.commands import train as run
from mlpcli.commands.settings import load
from mlpcli.errors import ModelError, OutputError
from mlpcli.storage.locks import LOCK
from mlpcli.storage.runfolder import (
    FILES,
    check_place,
    default_folder,
    model_path,
    remove_replaced,
    replaced,
    reserved,
)
from tests.support.command import SMALL, Command

WRITTEN = sorted({*FILES, LOCK})
SETS = ("network.hidden=4", "training.epochs=1")


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything under a folder but locks: the content of each file, None for a folder."""
    found = [path for path in folder.rglob("*") if path.name != LOCK]
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in found
    }


def refused(folder: Path, overwrite: bool = False) -> str:
    with pytest.raises(OutputError) as error:
        check_place(folder, overwrite)
    assert str(error.value).startswith(f"{folder}: ")
    return str(error.value)


# With the command itself


def test_a_run_makes_its_folder_and_those_above_it(command: Command, tmp_path: Path) -> None:
    assert command("train", *SMALL, "--out", "a/b/run").exit_code == 0
    assert sorted(os.listdir(tmp_path / "a" / "b" / "run")) == WRITTEN


def test_an_existing_empty_folder_will_do(command: Command, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    assert sorted(os.listdir(tmp_path / "run")) == WRITTEN


def test_without_out_a_run_goes_to_a_folder_of_its_own(command: Command, tmp_path: Path) -> None:
    for _ in range(2):
        assert command("train", *SMALL).exit_code == 0
    folders = os.listdir(tmp_path / "runs")
    assert len(folders) == 2
    assert all(name.startswith("digits-2") for name in folders)


def test_a_former_run_is_replaced_only_with_overwrite(command: Command, tmp_path: Path) -> None:
    first = ("train", *SMALL, "--seed", 1, "--out", "run")
    assert command(*first).exit_code == 0
    before = tree(tmp_path / "run")
    again = command(*first)
    assert again.exit_code == 2
    assert (
        "run: already holds a run. Add --overwrite to replace it, or choose another folder."
        in again.stderr
    )
    assert tree(tmp_path / "run") == before
    assert command("train", *SMALL, "--epochs", 3, "--out", "run", "--overwrite").exit_code == 0
    after = tree(tmp_path / "run")
    assert sorted(after) == sorted(FILES)
    assert after["model.npz"] != before["model.npz"]
    assert len((after["metrics.jsonl"] or b"").splitlines()) == 3


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("foreign", ["thesis.tex", ".git/config", "model.npz.bak"])
def test_a_folder_with_anything_else_in_it_is_left_alone(
    foreign: str, overwrite: bool, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "run" / foreign).parent.mkdir(parents=True)
    (tmp_path / "run" / foreign).write_text("precious", encoding="utf-8")
    (tmp_path / "run" / "model.npz").write_text("also precious", encoding="utf-8")
    before = tree(tmp_path)
    done = command("train", *SMALL, "--out", "run", *["--overwrite"] * overwrite)
    assert done.exit_code == 2
    assert "which is no part of a run. Choose another folder with --out." in done.stderr
    assert tree(tmp_path) == before


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("out", ["file", "file/run", "file/a/run"])
def test_a_file_in_the_way_is_left_alone(
    out: str, overwrite: bool, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("precious", encoding="utf-8")
    done = command("train", *SMALL, "--out", out, *["--overwrite"] * overwrite)
    assert done.exit_code == 2
    assert f"mlpcli: {out}: " in done.stderr
    assert "with --out" in done.stderr
    assert tree(tmp_path) == {"file": b"precious"}


@pytest.mark.parametrize(
    "words",
    [
        ("--hidden", "0"),
        ("--set", "network.hiden=1"),
        ("nothing.toml",),
        ("--data", "nothing.csv"),
        ("--data", "broken.csv"),
        ("--data", "broken.csv", "--overwrite"),
    ],
)
def test_nothing_is_made_or_lost_when_config_or_data_are_bad(
    words: tuple[str, ...], command: Command, tmp_path: Path
) -> None:
    (tmp_path / "broken.csv").write_text("1,2\n3\n", encoding="utf-8")
    (tmp_path / "former").mkdir()
    (tmp_path / "former" / "model.npz").write_text("precious", encoding="utf-8")
    before = tree(tmp_path)
    out = "former" if "--overwrite" in words else "new/run"
    assert command("train", *SMALL, "--out", out, *words).exit_code == 2
    assert tree(tmp_path) == before


# Its parts


def test_the_default_folder_is_named_after_data_and_time_and_never_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "20260731-120000")
    assert default_folder("digits") == Path("runs/digits-20260731-120000")
    Path("runs/digits-20260731-120000").mkdir(parents=True)
    assert default_folder("digits") == Path("runs/digits-20260731-120000-2")
    Path("runs/digits-20260731-120000-2").symlink_to("nowhere")
    assert default_folder("digits") == Path("runs/digits-20260731-120000-3")


def test_a_place_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert f"there is no permission to write in {tmp_path}." in refused(tmp_path / "a" / "run")


@pytest.mark.parametrize(
    "name", ["loop", "dangling", "dangling-parent/run", "x" * 300, "x" * 300 + "/run"]
)
def test_a_place_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "dangling-parent").symlink_to("nowhere/at/all")
    assert refused(tmp_path / name).endswith("--out.")


def test_a_symbolic_link_to_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    check_place(tmp_path / "link" / "run", overwrite=False)
    check_place(tmp_path / "link", overwrite=False)


def test_runs_that_start_in_the_same_second_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "20260731-120000")
    plans = [plan.prepare(load(None, {}, list(SETS)), None, False, print) for _ in range(3)]
    folders = [run.execute(each).plan.folder for each in plans]
    assert [str(folder) for folder in folders] == [
        f"runs/digits-20260731-120000{end}" for end in ("", "-2", "-3")
    ]
    assert all(sorted(os.listdir(folder)) == WRITTEN for folder in folders)


def test_making_the_place_takes_away_a_former_run_and_only_that(tmp_path: Path) -> None:
    for name in FILES[1:]:
        (tmp_path / name).write_text("old", encoding="utf-8")
    check_place(tmp_path, overwrite=True)
    with reserved(tmp_path, folder_given=True, overwrite=True) as run_folder:
        assert run_folder.path == tmp_path
        assert sorted(os.listdir(tmp_path)) == [LOCK, ".replaced-1"]
        assert replaced(run_folder) == [tmp_path / ".replaced-1"]
        assert sorted(os.listdir(tmp_path / ".replaced-1")) == sorted(FILES[1:])
        remove_replaced(run_folder)
        assert os.listdir(tmp_path) == [LOCK]


def test_a_model_is_found_by_its_folder_or_by_its_own_name(digits_run: Path) -> None:
    assert (
        model_path(digits_run) == model_path(digits_run / "model.npz") == digits_run / "model.npz"
    )


@pytest.mark.parametrize("name", ["nothing", "nothing.npz", "x" * 300, "empty"])
def test_a_model_that_is_not_there_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"there is no such model|holds no model\.npz"):
        model_path(tmp_path / name)


def test_a_run_that_is_replaced_is_kept_until_the_new_one_is_finished(
    command: Command, tmp_path: Path
) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    before = tree(tmp_path / "run")
    done = command(
        "train",
        *SMALL,
        "--out",
        "run",
        "--overwrite",
        "--lr",
        "1e30",
        "--set",
        "network.max_norm=0",
    )
    assert done.exit_code == 3
    assert "What it replaces is kept in run/.replaced-1." in done.stderr
    assert tree(tmp_path / "run" / ".replaced-1") == before
    again = ("train", *SMALL, "--out", "run", "--overwrite")
    assert command(*again, "--lr", "1e30", "--set", "network.max_norm=0").exit_code == 3
    assert tree(tmp_path / "run" / ".replaced-1") == before
    assert command(*again).exit_code == 0
    assert sorted(os.listdir(tmp_path / "run")) == WRITTEN


def test_a_place_taken_while_the_data_loads_is_left_alone(tmp_path: Path) -> None:
    first, second = (
        plan.prepare(load(None, {}, list(SETS)), tmp_path / "run", False, print) for _ in range(2)
    )
    run.execute(first)
    before = tree(tmp_path / "run")
    with pytest.raises(OutputError, match="already holds a run"):
        run.execute(second)
    assert tree(tmp_path / "run") == before


def test_what_a_killed_run_left_half_written_is_no_foreign_file(
    command: Command, tmp_path: Path
) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    (tmp_path / "run" / ".model.npz.abc123.part").touch()
    assert command("train", *SMALL, "--out", "run", "--overwrite").exit_code == 0
    assert sorted(os.listdir(tmp_path / "run")) == WRITTEN


def test_what_is_only_half_written_is_no_run_yet(command: Command, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in (LOCK, ".config.toml.abc123.part"):
        (tmp_path / "run" / name).touch()
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    assert sorted(os.listdir(tmp_path / "run")) == WRITTEN
