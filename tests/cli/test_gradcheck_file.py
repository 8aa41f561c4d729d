"""`mlpcli gradcheck --impl FILE`: exit codes, documents, and files that disturb the check."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import Command, Run, read_document
from tests.support.student_files import FAULTS, PLAIN

ROOT = Path(__file__).parents[2]
PRINTED = ROOT / "examples" / "homework_as_printed.py"
CORRECTED = ROOT / "examples" / "homework_corrected.py"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a right backward pass."""
    path = tmp_path / "file.py"
    path.write_text(PLAIN, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("path", "words", "code"),
    [
        (PRINTED, (), 1),
        (PRINTED, ("--activation", "identity"), 0),
        (PRINTED, ("--activation", "tanh", "--seed", "5"), 1),
        (CORRECTED, (), 0),
        (CORRECTED, ("--activation", "tanh"), 1),
    ],
)
def test_the_examples(path: Path, words: tuple[str, ...], code: int, command: Command) -> None:
    done = command("gradcheck", "--impl", path, *words)
    as_json = command("gradcheck", "--impl", path, *words, "--json")
    assert (done.exit_code, as_json.exit_code) == (code, code)
    document = read_document(as_json.stdout)
    assert document["passed"] == (code == 0)
    assert list(document) == ["schema", "passed", "activation", "equations", "coverage"]
    assert done.stdout.splitlines()[-1].startswith("Wrong: ∂" if code else "Right: ")


def test_the_page_shows_the_verdict_on_the_derivation_as_printed(command: Command) -> None:
    page = (ROOT / "docs" / "gradcheck.md").read_text(encoding="utf-8")
    output = command("gradcheck", "--impl", PRINTED).stdout
    verdict = output[output.index("∂a (3.4) is wrong") : output.index("Wrong: ")]
    assert verdict.strip() in page


def test_the_configurations_activation_is_the_files(
    command: Command, tmp_path: Path, file: Path
) -> None:
    (tmp_path / "s.toml").write_text("[network]\nactivation = 'tanh'\n", encoding="utf-8")
    done = command("gradcheck", "s.toml", "--impl", file, "--json")
    assert read_document(done.stdout)["activation"] == "tanh"


@pytest.mark.parametrize(
    "fault", ["syntax", "None", "unknown keys", "NaN", "integers", "exit", "hard exit"]
)
def test_a_file_that_cannot_be_checked_ends_with_2(
    fault: str, command: Command, file: Path
) -> None:
    text, sentence = FAULTS[fault]
    file.write_text(text, encoding="utf-8")
    done = command("gradcheck", "--impl", file)
    as_json = command("gradcheck", "--impl", file, "--json")
    assert (done.exit_code, as_json.exit_code, done.stdout) == (2, 2, "")
    assert done.stderr.startswith(f"mlpcli: {file}: ")
    assert sentence in done.stderr
    document = read_document(as_json.stdout)
    assert (list(document), document["passed"]) == (["schema", "passed", "error"], False)
    assert done.stderr == f"mlpcli: {document['error']}\n"


def test_an_endless_loop_has_as_long_as_the_timeout(command: Command, file: Path) -> None:
    file.write_text("while True:\n    pass\n", encoding="utf-8")
    done = command("gradcheck", "--impl", file, "--timeout", "1")
    assert done.exit_code == 2
    assert done.stderr == (
        f"mlpcli: {file}: backward had not answered after 1 seconds. "
        "Is there a loop that never ends? More time is given by --timeout.\n"
    )


# What a file prints and reads

LOUD = """
import os, sys
print('so' * 1000000)
os.system('echo loud')
print('on', file=sys.stderr)
"""


def test_what_a_file_prints_never_gets_into_the_document(mlpcli: Run, file: Path) -> None:
    file.write_text(LOUD + PLAIN, encoding="utf-8")
    done = mlpcli("gradcheck", "--impl", file, "--json")
    assert (done.returncode, read_document(done.stdout)["passed"]) == (0, True)
    assert "so" * 1000000 in done.stderr
    assert "loud\n" in done.stderr
    assert "on\n" in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", "0<&-", "2>/dev/null"])
def test_a_closed_stream_lets_nothing_into_the_document(
    closed: str, tmp_path: Path, file: Path
) -> None:
    file.write_text("print('loud')\n" + PLAIN, encoding="utf-8")
    line = f"{sys.executable} -m mlpcli gradcheck --impl {file} --json {closed}"
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, read_document(done.stdout)["passed"]) == (0, True)


def test_a_file_that_reads_its_input_gets_none(mlpcli: Run, file: Path) -> None:
    file.write_text("x = input('x? ')\n" + PLAIN, encoding="utf-8")
    done = mlpcli("gradcheck", "--impl", file, input="3\n")
    assert done.returncode == 2
    error = "stopped with EOFError: EOF when reading a line\n  line 1, in <module>: x = input('x? "
    assert error in done.stderr


def test_files_beside_it_are_not_imported(tmp_path: Path, file: Path) -> None:
    for name in ("random", "inspect", "typing", "runpy"):  # which the child process imports
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n", encoding="utf-8")
    renamed = file.rename(tmp_path / "rück wärts.py")
    words = ("gradcheck", "--impl", str(renamed), "--json")
    command = [sys.executable, "-P", "-m", "mlpcli", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_document(done.stdout)["passed"]
