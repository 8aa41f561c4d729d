"""A run changes nothing that it was not told to: neighbours, targets of links, copies, modes."""

import os
import stat
from pathlib import Path

import pytest

from tests.support.command import SMALL, Command

DIVERGING = ("--lr", "1e30", "--set", "network.max_norm=0")


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, but for locks, and its content."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def stop_early(command: Command, *words: object) -> None:
    """A run that diverges in its first epoch, so that it is not finished."""
    assert command("train", *SMALL, *words, *DIVERGING).exit_code == 3


@pytest.mark.parametrize("name", ["run.former", "run.replaced", "run-2", "run.old/.replaced-1"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_beside_the_run_is_left_alone(
    name: str, overwrite: bool, command: Command, tmp_path: Path
) -> None:
    neighbour = tmp_path / name
    neighbour.mkdir(parents=True)
    for file in ("model.npz", "config.toml", "notes.txt", ".config.toml.1.part"):
        (neighbour / file).write_text("precious", encoding="utf-8")
    before = tree(neighbour)
    if overwrite:
        assert command("train", *SMALL, "--out", "run").exit_code == 0
    words = ["--overwrite"] * overwrite
    assert command("train", *SMALL, "--out", "run", *words).exit_code == 0
    assert tree(neighbour) == before


@pytest.mark.parametrize("name", ["thesis.part", ".notes.txt.x.part", "model.npz.part", "x.part"])
def test_resuming_removes_only_what_a_run_left_half_written(
    name: str, command: Command, tmp_path: Path
) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    (tmp_path / "run" / name).write_text("precious", encoding="utf-8")
    (tmp_path / "run" / ".model.npz.abc123.part").touch()
    assert command("train", "--resume", "run", "--epochs", 3).exit_code == 0
    assert (tmp_path / "run" / name).read_text(encoding="utf-8") == "precious"
    assert not (tmp_path / "run" / ".model.npz.abc123.part").exists()


@pytest.mark.parametrize("name", ["metrics.jsonl", "model.npz", "checkpoint.npz", "result.json"])
def test_a_link_in_the_place_of_a_file_never_leads_out_of_the_run(
    name: str, command: Command, tmp_path: Path
) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    target = tmp_path / "elsewhere"
    (tmp_path / "run" / name).rename(target)
    (tmp_path / "run" / name).symlink_to(target)
    before = target.read_bytes()
    done = command("train", "--resume", "run", "--epochs", 3)
    assert target.read_bytes() == before
    assert done.exit_code == (2 if name == "metrics.jsonl" else 0)
    if name == "metrics.jsonl":
        assert "metrics.jsonl: cannot be written: it is a symbolic link." in done.stderr
    assert command("train", *SMALL, "--out", "run", "--overwrite").exit_code == 0
    assert target.read_bytes() == before


@pytest.mark.parametrize("name", ["metrics.jsonl", "config.toml", "checkpoint.npz", ".lock"])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_blocks_nothing(
    name: str, command: Command, tmp_path: Path
) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    (tmp_path / "run" / name).unlink()
    os.mkfifo(tmp_path / "run" / name)
    (tmp_path / "run" / "checkpoint.1.npz").unlink(missing_ok=True)
    done = command("train", "--resume", "run", "--epochs", 3)
    assert done.exit_code == 2
    assert "mlpcli: " in done.stderr


def test_a_pipe_as_the_configuration_is_refused_and_blocks_nothing(
    command: Command, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "settings.toml")
    done = command("train", "settings.toml")
    assert done.exit_code == 2
    assert "settings.toml: is not a regular file" in done.stderr


def test_a_copy_made_of_hard_links_keeps_what_it_has(command: Command, tmp_path: Path) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    (tmp_path / "backup").mkdir()
    for path in (tmp_path / "run").iterdir():
        os.link(path, tmp_path / "backup" / path.name)
    before = tree(tmp_path / "backup")
    assert command("train", "--resume", "run", "--epochs", 4).exit_code == 0
    assert tree(tmp_path / "backup") == before
    assert command("train", *SMALL, "--out", "run", "--overwrite").exit_code == 0
    assert tree(tmp_path / "backup") == before


def test_permissions_outlive_a_resumed_run(command: Command, tmp_path: Path) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    for path in (tmp_path / "run").iterdir():
        path.chmod(0o600)
    assert command("train", "--resume", "run", "--epochs", 4).exit_code == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run").iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_overwriting_loses_nothing_before_the_new_run_is_finished(
    command: Command, tmp_path: Path
) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    before = tree(tmp_path / "run")
    for _ in range(3):  # again and again
        stop_early(command, "--out", "run", "--overwrite")
        assert tree(tmp_path / "run" / ".replaced-1") == before
    assert command("eval", "run/.replaced-1").exit_code == 0
    assert command("train", *SMALL, "--out", "run", "--overwrite").exit_code == 0
    assert [path.name for path in (tmp_path / "run").iterdir() if path.is_dir()] == []


def test_a_file_of_the_users_among_the_replaced_ones_is_kept(
    command: Command, tmp_path: Path
) -> None:
    stop_early(command, "--out", "run")
    stop_early(command, "--out", "run", "--overwrite")
    (tmp_path / "run" / ".replaced-1" / "notes.txt").write_text("precious", encoding="utf-8")
    assert command("train", *SMALL, "--out", "run", "--overwrite").exit_code == 0
    assert tree(tmp_path / "run" / ".replaced-1") == {"notes.txt": b"precious"}


def test_a_linked_folder_can_be_overwritten(command: Command, tmp_path: Path) -> None:
    (tmp_path / "disk" / "real").mkdir(parents=True)
    (tmp_path / "run").symlink_to("disk/real")
    for words in ((), ("--overwrite",)):
        assert command("train", *SMALL, "--out", "run", *words).exit_code == 0
    assert sorted(os.listdir(tmp_path / "disk")) == ["real"]
    assert sorted(os.listdir(tmp_path)) == ["disk", "run"]
