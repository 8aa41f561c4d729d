"""The command line: its entry point, its exit codes, and words that it does not know."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlpcli import __version__
from mlpcli.errors import MlpcliError
from tests.support.command import SMALL, Command, Run, read_document

pytestmark = pytest.mark.usefixtures("measure_children")

ENTRY_POINT = """
import signal, sys
from mlpcli.__main__ import main
before, sys.argv = signal.getsignal(signal.SIGINT), ['mlpcli', '--version']
try:
    main()
finally:
    print(signal.getsignal(signal.SIGINT) == before, before == signal.SIG_IGN)
"""


def test_the_version_is_shown(mlpcli: Run) -> None:
    done = mlpcli("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mlpcli {__version__}\n", "")


@pytest.mark.parametrize("ignored", [False, True])
def test_the_entry_point_is_the_same_command_and_leaves_ctrl_c_as_it_was(ignored: bool) -> None:
    handler = signal.SIG_IGN if ignored else signal.SIG_DFL
    done = subprocess.run(
        [sys.executable, "-c", ENTRY_POINT],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, handler),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"mlpcli {__version__}\nTrue {ignored}\n"


def test_a_run_from_the_first_command_to_the_last(tmp_path: Path) -> None:
    trained = in_a_shell(f"{sys.executable} -m mlpcli train {' '.join(SMALL)}", tmp_path)
    name, following = trained.stdout.splitlines()[-1].split(maxsplit=1)
    assert name == "next"
    scored = in_a_shell(following, tmp_path)
    assert scored.stderr == ""
    accuracy = re.search(r"^test .*? ([\d.]+ %)", trained.stdout, re.MULTILINE)
    assert accuracy
    assert f"accuracy       {accuracy[1]} of 359 rows" in scored.stdout


def in_a_shell(line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a line as it could be typed, on a machine where no environment is active."""
    bare = os.environ | {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, env=bare, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


# Errors


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("train", "--hidden", "0"), 2),
        (("train", "--data", "nothing.csv"), 2),
        (("train", "nothing.toml"), 2),
        (("train", "--out", "."), 2),
        (("train", *SMALL, "--lr", "1e30", "--out", "run"), 3),
        (("eval", "nothing"), 2),
        (("eval", "MODEL", "--data", "nothing.npz"), 2),
        (("eval", "MODEL", "--data", "rows.npz", "--split", "test"), 2),
        (("eval", "MODEL", "--data", "digits", "--weighted"), 2),
    ],
)
def test_an_error_is_one_sentence_on_stderr_and_one_document_with_json(
    words: tuple[str, ...], code: int, command: Command, model: str, tmp_path: Path
) -> None:
    (tmp_path / "foreign").write_text("", encoding="utf-8")
    np.savez(tmp_path / "rows.npz", x=np.zeros((20, 64)), y=np.arange(20) % 10)
    words = tuple(model if word == "MODEL" else word for word in words)
    plain = command(*words)
    elsewhere = ["other" if word == "run" else word for word in words]
    as_json = command(*elsewhere, "--json")
    assert (plain.exit_code, plain.stdout) == (code, "")
    assert as_json.exit_code == code
    line = plain.stderr.splitlines()[-1]
    assert line.startswith("mlpcli: ")
    assert line.endswith((".", "?"))
    sentence = line.removeprefix("mlpcli: ")
    assert read_document(as_json.stdout) == {"schema": 1, "error": sentence}


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--epochs", "many"),
        ("train", "--no-such-flag"),
        ("train", "a.toml", "b.toml"),
        ("eval",),
        ("eval", "run", "--split", "all"),
        ("nonsense",),
    ],
)
def test_a_wrong_word_is_a_usage_error(words: tuple[str, ...], command: Command) -> None:
    done = command(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: " in done.stderr


def test_every_error_has_an_exit_code_that_is_promised() -> None:
    kinds: list[type[MlpcliError]] = [MlpcliError, *MlpcliError.__subclasses__()]
    assert {kind.exit_code for kind in kinds} == {2, 3}


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_a_data_set_where_a_configuration_should_be_gets_a_hint(
    name: str, command: Command
) -> None:
    done = command("train", name)
    assert done.exit_code == 2
    hint = f"To train on a data set, write --data {name}"
    assert f"{name}: there is no such configuration file. {hint}" in done.stderr
