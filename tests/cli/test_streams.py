"""Streams that are no terminal: control codes, encodings, closed pipes and full disks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import SMALL, Command, Run, read_document, write_csv
from tests.support.processes import default_interrupts, fill_pipe, wait_until_in

pytestmark = pytest.mark.usefixtures("measure_children")


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
    assert done.returncode == (2 if how == "stdout full" else 0)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if how == "stdout full":
        assert done.stderr.endswith(FULL)
    if how.startswith("stderr"):
        assert done.stdout.endswith(" -m mlpcli eval run\n")
    assert (tmp_path / "run" / "result.json").exists()


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
    assert process.wait(timeout=60) == (141 if closed == "stdout" else 0)
    assert "Traceback" not in output
    assert "Exception ignored" not in output
    if words[0] == "train":
        assert (tmp_path / "run" / "result.json").exists()


def test_an_error_is_reported_as_json_even_if_nobody_reads_stderr(tmp_path: Path) -> None:
    process = start(tmp_path, "eval", "nothing", "--json")
    assert process.stdout
    assert process.stderr
    process.stderr.close()
    with process.stdout as stdout:
        document = read_document(stdout.read())
    assert process.wait(timeout=60) == 2
    assert "there is no such model" in document["error"]


@pytest.mark.parametrize("words", [("--help",), ("train", "--help"), ("--version",)])
@pytest.mark.parametrize("full", [False, True])
def test_help_for_nobody(words: tuple[str, ...], full: bool, tmp_path: Path) -> None:
    process = start(tmp_path, *words) if not full else start_on_full_disk(tmp_path, *words)
    assert process.stderr
    if process.stdout:
        process.stdout.close()
    with process.stderr as stderr:
        assert stderr.read() == (FULL if full else "")
    assert process.wait(timeout=60) == (2 if full else 141)


def start_on_full_disk(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Start the command with its results on a full disk."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        return subprocess.Popen(
            [sys.executable, "-m", "mlpcli", *words],
            cwd=folder,
            text=True,
            stdout=full,
            stderr=subprocess.PIPE,
        )


def test_pipes_that_do_not_block_lose_nothing(tmp_path: Path, model: str) -> None:
    """A pipe's flags are those of all who have it: another program may have set this one."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    fill_pipe(theirs)
    command = [sys.executable, "-m", "mlpcli", "eval", model, "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, text=True, stdout=theirs)
    wait_until_in(process, "poll")  # it finds the pipe full, and waits
    os.close(theirs)
    with open(ours, encoding="utf-8") as pipe:
        output = pipe.read()
    assert process.wait(timeout=60) == 0
    assert read_document(output.lstrip("."))["rows"] == 359


# One document in every ending

FAILS = "import os, signal, sys\n{statement}\n"  # what a module does that the command imports


FAILURES = [
    ("os.kill(os.getpid(), signal.SIGINT)", 130, "stopped."),
    ("os.kill(os.getpid(), signal.SIGTERM)", 143, "stopped."),
    ("os.kill(os.getpid(), signal.SIGHUP)", 143, "stopped."),
    ("raise MemoryError", 2, "there is not enough memory. Lower network.hidden"),
    ("raise OSError(12, 'Cannot allocate memory')", 2, "there is not enough memory. Lower"),
    ("os.mkdir('/proc/x')", 2, "/proc/x: cannot be used: No such file or directory."),
    ("os.waitpid(-1, 0)", 2, "the system refused a call in "),
    ("raise BrokenPipeError(32, 'Broken pipe')", 2, "the system refused a call in "),
    ("sys.nonsense", 2, "unexpected error: AttributeError("),
]
ENDINGS = [
    *((("train",), {}, *failure) for failure in FAILURES),
    (("eval", "run"), {}, *FAILURES[1]),
    (("gradcheck",), {"passed": False}, *FAILURES[1]),
]


@pytest.mark.parametrize(("words", "more", "statement", "code", "error"), ENDINGS)
def test_what_fails_in_the_middle_is_a_document_and_a_sentence(
    words: tuple[str, ...],
    more: dict[str, bool],
    statement: str,
    code: int,
    error: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "threadpoolctl.py").write_text(FAILS.format(statement=statement), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mlpcli", *words, "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=default_interrupts,
    )
    assert done.returncode == code, done.stderr
    document = read_document(done.stdout)
    sentence = document.pop("error")
    assert document == {"schema": 1} | more
    assert sentence.startswith(error)
    assert "output" not in sentence
    if error.startswith("unexpected"):
        assert "Traceback" in done.stderr
    else:
        assert done.stderr == f"mlpcli: {sentence}\n"


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--epochs", "many", "--json"),
        ("train", "--json", "--no-such-flag"),
        ("train", "a.toml", "b.toml", "--json"),
        ("eval", "--json"),
        ("eval", "run", "--split", "all", "--json"),
        ("gradcheck", "--timeout", "0", "--json"),
        ("nonsense", "--json"),
        ("--json",),
    ],
)
def test_a_usage_error_is_a_document_too(words: tuple[str, ...], command: Command) -> None:
    done = command(*words)
    assert done.exit_code == 2
    document = read_document(done.stdout)
    assert set(document) == {"schema", "error"}
    assert document["error"].split()[0] in ("Invalid", "No", "Missing", "Got")
    assert "Usage: " in done.stderr


def test_a_failing_minimum_has_its_one_document(command: Command, model: str) -> None:
    done = command("eval", model, "--min-accuracy", "1", "--json")
    assert done.exit_code == 1
    assert read_document(done.stdout)["accuracy"] < 1


def test_an_interruption_after_the_document_adds_none(
    command: Command, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*of: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlpcli.cli.evaluate._say_under", pressed)
    done = command("eval", model, "--min-accuracy", "1", "--json")
    assert (done.exit_code, done.stderr) == (130, "mlpcli: stopped.\n")
    assert read_document(done.stdout)["accuracy"] < 1
