"""Streams that are no terminal: control codes, encodings, closed pipes and full disks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import SMALL, Run, read_document, write_csv


def words_with(model: str, words: tuple[str, ...]) -> list[str]:
    """The words, with the model's path for MODEL."""
    return [model if word == "MODEL" else word for word in words]


@pytest.mark.parametrize(
    "words", [("train", *SMALL), ("eval", "MODEL"), ("--help",), ("eval", "--nonsense")]
)
def test_no_control_codes_off_a_terminal(words: tuple[str, ...], mlpcli: Run, model: str) -> None:
    environment = os.environ | {"TERM": "xterm-256color"}
    done = mlpcli(*words_with(model, words), env=environment)
    output = done.stdout + done.stderr
    assert output
    assert not set("\x1b\r\b") & set(output)


def test_streams_may_have_any_encoding(mlpcli: Run, tmp_path: Path) -> None:
    write_csv(tmp_path / "r.csv", ("ja", "né☃"), rows=60)
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = mlpcli("train", "--data", "r.csv", *SMALL, "--out", "ü", env=ascii_only)
    assert done.returncode == 0, done.stderr
    printed = mlpcli("eval", "ü", env=ascii_only)
    assert printed.returncode == 0, printed.stderr
    assert r"n\xe9\u2603" in printed.stdout
    document = read_document(mlpcli("eval", "ü", "--json", env=ascii_only).stdout)
    assert document["per_class"][1]["name"] == "né☃"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["train", *SMALL, "--out", b"\xff"], 0),
        (["eval", b"\xff"], 2),
        (["train", "--data", b"\xff.csv"], 2),
    ],
)
def test_names_that_are_not_utf8_do_no_harm(
    words: list[str | bytes], code: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlpcli", *words], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


# Pipes that close and disks that are full

SHELL = {
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "both closed": ">&- 2>&-",
    "stdout full": ">/dev/full",
    "stderr full": "2>/dev/full",
}
FULL = "mlpcli: the output cannot be written: No space left on device.\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("how", SHELL)
def test_a_stream_that_takes_nothing_ends_without_a_traceback(how: str, tmp_path: Path) -> None:
    line = f"{sys.executable} -m mlpcli train {' '.join(SMALL)} --out run {SHELL[how]}"
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == (2 if "full" in how else 0)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if how == "stdout full":
        assert done.stderr.endswith(FULL)


def start(tmp_path: Path, *words: str) -> "subprocess.Popen[str]":
    """Start the command with a pipe for each of its outputs."""
    return subprocess.Popen(
        [sys.executable, "-m", "mlpcli", *words],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "words",
    [
        ("train", *SMALL, "--out", "run"),
        ("train", *SMALL, "--out", "run", "--json"),
        ("eval", "MODEL"),
    ],
)
def test_a_pipe_whose_reader_has_gone_ends_quietly(
    closed: str, words: tuple[str, ...], model: str, tmp_path: Path
) -> None:
    process = start(tmp_path, *words_with(model, words))
    assert process.stdout
    assert process.stderr
    streams = {"stdout": process.stdout, "stderr": process.stderr}
    streams.pop(closed).close()
    (other,) = streams.values()
    with other:
        output = other.read()
    writes_nothing = words[0] == "eval" and closed == "stderr"
    assert process.wait(timeout=60) == (0 if writes_nothing else 141)
    assert "Traceback" not in output
    assert "Exception ignored" not in output


def test_an_error_is_reported_as_json_even_if_nobody_reads_stderr(tmp_path: Path) -> None:
    process = start(tmp_path, "eval", "nothing", "--json")
    assert process.stdout
    assert process.stderr
    process.stderr.close()
    with process.stdout as stdout:
        document = read_document(stdout.read())
    assert process.wait(timeout=60) == 2
    assert "there is no such model" in document["error"]
