"""Disks that are really full, and real limits on files: a run loses nothing and can be resumed."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Run
from tests.support.processes import half_written, outcome

TRAIN = ("train", "--epochs", "3", "--hidden", "64", "--quiet")
CONSTANT = ("--set", "optimizer.schedule=constant")
TOO_LARGE = ": cannot be written: File too large.\n"
SCRIPT = """
mount -t tmpfs -o size=%s none disk || exit 99
"$1" -m mlpcli train --epochs 3 --hidden 64 --quiet --out disk/run
echo "exit code $?"
mount -o remount,size=20m disk || exit 99
if [ -e disk/run/config.toml ]; then "$1" -m mlpcli train --resume disk/run --quiet
else "$1" -m mlpcli train --epochs 3 --hidden 64 --quiet --out disk/run; fi
echo "exit code $?"
cp -r disk/run copy
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The outcome of the run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    command = [sys.executable, "-m", "mlpcli", *TRAIN, "--out", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return outcome(folder)


def files_of_at_most(nbytes: int) -> dict[str, Any]:
    """Options of a process that may write no larger file."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, nbytes))

    return {"preexec_fn": limit}


@pytest.mark.parametrize("most", [300, 4096, 20_000])
def test_a_limit_on_the_size_of_files_ends_a_run_in_a_sentence(
    most: int, whole: Any, mlpcli: Run, tmp_path: Path
) -> None:
    done = mlpcli(*TRAIN, "--out", "run", **files_of_at_most(most))
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith(TOO_LARGE)
    assert not half_written(tmp_path / "run")
    words: tuple[str, ...] = (*TRAIN, "--out", "run")
    if (tmp_path / "run" / "config.toml").exists():
        words = ("train", "--resume", "run", "--quiet")
    assert mlpcli(*words).returncode == 0
    assert outcome(tmp_path / "run") == whole


def test_a_limit_while_a_run_goes_on_leaves_it_as_it_was(mlpcli: Run, tmp_path: Path) -> None:
    words = ("train", "--hidden", "64", *CONSTANT)
    assert mlpcli(*words, "--epochs", "4", "--out", "whole").returncode == 0
    assert mlpcli(*words, "--epochs", "2", "--out", "run").returncode == 0
    before = (tmp_path / "run" / "checkpoint.npz").read_bytes()
    done = mlpcli("train", "--resume", "run", "--epochs", "4", **files_of_at_most(9000))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith(TOO_LARGE)
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == before
    assert mlpcli("train", "--resume", "run").returncode == 0
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


@pytest.mark.parametrize("size", ["4k", "40k", "60k", "100k", "140k"])
def test_a_disk_that_is_full_loses_nothing(size: str, whole: Any, tmp_path: Path) -> None:
    if not shutil.which("unshare"):
        pytest.skip("a disk of one's own needs unshare")
    (tmp_path / "disk").mkdir()
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    command = [*namespace, "sh", "-c", SCRIPT % size, "sh", sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode == 99 or done.stderr.startswith("unshare:"):
        pytest.skip("no disk may be mounted here")
    codes = [line for line in done.stdout.splitlines() if line.startswith("exit code")]
    assert codes == ["exit code 2", "exit code 0"], done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[0].endswith(": No space left on device.")
    assert not half_written(tmp_path / "copy")
    assert outcome(tmp_path / "copy") == whole
