"""`mlpcli gradcheck` from the command line: exit codes, streams, documents, and files that mean no good."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import ALL
from mlpcli.gradcheck import kernels as gradcheck
from mlpcli.gradcheck import selftest
from mlpcli.model import buffers, network
from mlpcli.model.activations import ACTIVATIONS
from tests.support.command import Command, Run
from tests.support.student_files import FAULTS, PLAIN

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIGS = Path(__file__).parents[2] / "configs"
PRINTED, CORRECTED = EXAMPLES / "homework_as_printed.py", EXAMPLES / "homework_corrected.py"


def no_constant(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def document(done: Any) -> dict[str, Any]:
    """The one document on stdout, of numbers that JSON knows."""
    read: dict[str, Any] = json.loads(done.stdout, parse_constant=no_constant)
    assert read["schema"] == 1
    return read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.py"
    path.write_text(PLAIN, encoding="utf-8")
    return path


# network.py


def test_all_activations_are_checked_on_digits(command: Command) -> None:
    done = command("gradcheck")
    assert done.exit_code == 0, done.stderr
    assert "All gradients are right: 46 checks." in done.stdout
    assert all(f"\n{activation} " in done.stdout for activation in ACTIVATIONS)
    assert "64-256-10, 32 rows of digits, trained weights" in done.stdout


def test_one_activation_and_another_seed(command: Command) -> None:
    one, other = (
        document(command("gradcheck", "--activation", "tanh", "--seed", s, "--json"))
        for s in (1, 2)
    )
    assert {check["activation"] for check in one["checks"]} == {"tanh"}
    assert one["passed"]
    assert other["passed"]
    assert one["checks"] != other["checks"]


def test_a_configuration_says_what_is_checked(command: Command, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        "[network]\nhidden = 33\nactivation = 'logistic'\nl2 = 0.5\n", encoding="utf-8"
    )
    checks = document(command("gradcheck", "s.toml", "--json"))["checks"]
    assert [c["activation"] for c in checks[-4:]] == ["logistic"] * 4
    assert checks[-1]["case"] == "64-33-10, 32 rows of digits, trained weights"
    assert {check["activation"] for check in checks} == set(ACTIVATIONS)


def test_the_shipped_configurations_pass(command: Command, mnist: Path) -> None:
    assert command("gradcheck", CONFIGS / "digits.toml").exit_code == 0
    done = command("gradcheck", CONFIGS / "mnist.toml", "--data", mnist, "--json")
    assert document(done)["checks"][-1]["case"].startswith("784-2048-10, 128 rows of ")
    assert (done.exit_code, document(done)["passed"]) == (0, True)


def test_a_wrong_gradient_ends_with_1(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(x: Any, grad: buffers.Gradient, used: slice = ALL) -> None:
        np.matmul(x.T, grad.da, out=grad.dW1)
        np.mean(grad.da, axis=0, out=grad.db1)

    for module in (network, gradcheck):
        monkeypatch.setattr(module, "first_layer_gradient", wrong)
    done, as_json = command("gradcheck"), command("gradcheck", "--json")
    assert (done.exit_code, as_json.exit_code) == (1, 1)
    assert "Gradients are WRONG: 46 checks." in done.stdout
    assert "∂b1 (3.4) is wrong; it looks as if ∂b is a mean over rows, where" in done.stdout
    assert not document(as_json)["passed"]
    assert all(
        [row["name"] for row in check["equations"] if not row["passed"]] == ["b1"]
        for check in document(as_json)["checks"]
    )


# A file


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
    done, as_json = (
        command("gradcheck", "--impl", path, *words),
        command("gradcheck", "--impl", path, *words, "--json"),
    )
    assert (done.exit_code, as_json.exit_code) == (code, code)
    assert document(as_json)["passed"] == (code == 0)
    assert done.stdout.splitlines()[-1].startswith("Wrong: ∂" if code else "Right: ")
    assert list(document(as_json)) == ["schema", "passed", "activation", "equations", "coverage"]


def test_the_readme_shows_what_is_said_of_the_derivation_as_printed(command: Command) -> None:
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    said = command("gradcheck", "--impl", PRINTED).stdout
    assert said[said.index("∂a (3.4) is wrong") : said.index("Wrong: ")].strip() in readme


def test_the_configurations_activation_is_the_files(
    command: Command, tmp_path: Path, file: Path
) -> None:
    (tmp_path / "s.toml").write_text("[network]\nactivation = 'tanh'\n", encoding="utf-8")
    assert (
        document(command("gradcheck", "s.toml", "--impl", file, "--json"))["activation"] == "tanh"
    )


@pytest.mark.parametrize(
    "fault", ["syntax", "None", "unknown keys", "NaN", "integers", "exit", "hard exit"]
)
def test_a_file_that_cannot_be_checked_ends_with_2(
    fault: str, command: Command, file: Path
) -> None:
    text, sentence = FAULTS[fault]
    file.write_text(text, encoding="utf-8")
    done, as_json = (
        command("gradcheck", "--impl", file),
        command("gradcheck", "--impl", file, "--json"),
    )
    assert (done.exit_code, as_json.exit_code, done.stdout) == (2, 2, "")
    assert done.stderr.startswith(f"mlpcli: {file}: ")
    assert sentence in done.stderr
    read = document(as_json)
    assert (list(read), read["passed"]) == (["schema", "passed", "error"], False)
    assert f"mlpcli: {read['error']}\n" == done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--impl", "nothing.py"), "nothing.py: cannot be read: No such file or directory."),
        (("--impl", "."), ".: is a folder, where a file is needed."),
        (("--activation", "softplus"), "softplus"),
        (("--seed", "-1"), "seed"),
        (("--data", "nothing.csv"), "nothing.csv"),
        (("nothing.toml",), "nothing.toml"),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(
    words: tuple[str, ...], sentence: str, command: Command
) -> None:
    done, as_json = command("gradcheck", *words), command("gradcheck", *words, "--json")
    assert (done.exit_code, as_json.exit_code, done.stdout) == (2, 2, "")
    assert sentence in done.stderr
    assert document(as_json) == {
        "schema": 1,
        "passed": False,
        "error": as_json.stderr.strip().removeprefix("mlpcli: "),
    }


@pytest.mark.parametrize(
    "words", [("--timeout", "0"), ("--timeout", "long"), ("--no-such-flag",), ("a", "b")]
)
def test_a_wrong_word_is_a_usage_error(words: tuple[str, ...], command: Command) -> None:
    done = command("gradcheck", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: " in done.stderr


def test_an_endless_loop_is_given_as_long_as_it_is_said(command: Command, file: Path) -> None:
    file.write_text("while True:\n    pass\n", encoding="utf-8")
    done = command("gradcheck", "--impl", file, "--timeout", "1")
    assert done.exit_code == 2
    assert done.stderr == (
        f"mlpcli: {file}: backward had not answered after 1 seconds. Is there a loop that never ends? "
        "More time is given by --timeout.\n"
    )


def test_what_a_file_prints_never_gets_into_the_document(mlpcli: Run, file: Path) -> None:
    loud = "import os, sys\nprint('so' * 1000000)\nos.system('echo loud')\nprint('on', file=sys.stderr)\n"
    file.write_text(loud + PLAIN, encoding="utf-8")
    done = mlpcli("gradcheck", "--impl", file, "--json")
    assert (done.returncode, document(done)["passed"]) == (0, True)
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
    assert (done.returncode, document(done)["passed"]) == (0, True)


def test_a_file_that_wants_to_be_told_something_is_told_nothing(mlpcli: Run, file: Path) -> None:
    file.write_text("x = input('x? ')\n" + PLAIN, encoding="utf-8")
    done = mlpcli("gradcheck", "--impl", file, input="3\n")
    assert done.returncode == 2
    assert (
        "stopped with EOFError: EOF when reading a line\n  line 1, in <module>: x = input('x? ')"
        in done.stderr
    )


def test_the_files_beside_it_do_not_come_between(tmp_path: Path, file: Path) -> None:
    for name in (
        "random",
        "inspect",
        "typing",
        "runpy",
    ):  # each would break the child's own imports
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n", encoding="utf-8")
    command = [
        sys.executable,
        "-P",
        "-m",
        "mlpcli",
        "gradcheck",
        "--impl",
        file.rename(tmp_path / "rück wärts.py"),
    ]
    done = subprocess.run(
        [*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert document(done)["passed"]


# The self-test


def test_the_self_test_counts_what_was_caught_and_named(command: Command) -> None:
    done, as_json = (
        command("gradcheck", "--self-test"),
        command("gradcheck", "--self-test", "--json"),
    )
    assert (done.exit_code, as_json.exit_code) == (0, 0)
    read = document(as_json)
    assert read["passed"]
    assert read["caught"] == read["named"] == read["of"]
    assert (
        done.stdout.splitlines()[-1]
        == f"         caught {read['of']} of {read['of']}, named {read['of']} of {read['of']}"
    )
    assert sum(not trial["idle"] for trial in read["trials"] if trial["activation"] == "tanh") >= 17


def test_a_self_test_that_misses_something_ends_with_1(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = selftest.judge
    monkeypatch.setattr(
        selftest,
        "judge",
        lambda samples: tuple(replace(row, passed=True) for row in judge(samples)),
    )
    done = command("gradcheck", "--self-test")
    assert done.exit_code == 1
    assert "transposed: NOT CAUGHT" in done.stdout


# The help


@pytest.mark.parametrize(
    "flag",
    ["--data", "--impl", "--timeout", "--activation", "--seed", "--self-test", "--json", "--help"],
)
def test_every_flag_is_in_the_help(flag: str, command: Command) -> None:
    assert f" {flag} " in command("gradcheck", "--help").stdout


def test_the_self_test_and_a_file_at_once_are_refused(command: Command) -> None:
    done = command("gradcheck", "--self-test", "--impl", "file.py")
    assert done.exit_code == 2
    assert "--self-test checks the checker, and --impl a file: give one of them." in done.stderr


def test_a_python_file_in_place_of_a_configuration_gets_a_hint(command: Command) -> None:
    assert "write --impl mine.py" in command("gradcheck", "mine.py").stderr
