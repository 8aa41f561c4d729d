"""A run in two processes warns of nothing: from Python 3.12 on, forking beside threads warns."""

import subprocess
import sys
from pathlib import Path

from tests.support.cases import wide_case, write_wide_rows


def test_a_run_in_two_processes_warns_of_nothing(tmp_path: Path) -> None:
    case = wide_case(write_wide_rows(tmp_path / "rows.npz"), "momentum", 1)
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "mlpcli", "train", *case.words, "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
