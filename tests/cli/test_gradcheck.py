"""`mlpcli gradcheck` without a file: the package's own gradients, the self-test, the help."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import ALL
from mlpcli.gradcheck import kernels, selftest
from mlpcli.gradcheck.verdict import judge
from mlpcli.model import buffers, network
from mlpcli.model.activations import ACTIVATIONS
from tests.support.command import Command, read_document

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"


# The package's own gradients


def test_all_activations_are_checked_on_digits(command: Command) -> None:
    done = command("gradcheck")
    assert done.exit_code == 0, done.stderr
    assert "All gradients are right: 70 checks." in done.stdout
    assert all(f"\n{activation} " in done.stdout for activation in ACTIVATIONS)
    assert "64-256-10, 32 rows of digits, trained weights" in done.stdout


def test_one_activation_and_another_seed(command: Command) -> None:
    words = ("gradcheck", "--activation", "tanh", "--json", "--seed")
    first = read_document(command(*words, 1).stdout)
    second = read_document(command(*words, 2).stdout)
    assert {check["activation"] for check in first["checks"]} == {"tanh"}
    assert first["passed"]
    assert second["passed"]
    assert first["checks"] != second["checks"]


def test_a_configuration_determines_what_is_checked(command: Command, tmp_path: Path) -> None:
    text = "[network]\nhidden = 33\nactivation = 'logistic'\nl2 = 0.5\n"
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    checks = read_document(command("gradcheck", "s.toml", "--json").stdout)["checks"]
    assert [check["activation"] for check in checks[-4:]] == ["logistic"] * 4
    assert checks[-1]["case"] == "64-33-10, 32 rows of digits, trained weights"
    assert {check["activation"] for check in checks} == set(ACTIVATIONS)


def test_the_shipped_configurations_pass(command: Command, mnist: Path) -> None:
    assert command("gradcheck", CONFIGS / "digits.toml").exit_code == 0
    done = command("gradcheck", CONFIGS / "mnist.toml", "--data", mnist, "--json")
    document = read_document(done.stdout)
    assert document["checks"][-1]["case"].startswith("784-2048-10, 128 rows of ")
    assert (done.exit_code, document["passed"]) == (0, True)


def test_a_wrong_gradient_ends_with_1(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_mean_bias(x: Any, grad: buffers.Gradient, used: slice = ALL) -> None:
        np.matmul(x.T, grad.da, out=grad.dW1)
        np.mean(grad.da, axis=0, out=grad.db1)

    for module in (network, kernels):
        monkeypatch.setattr(module, "first_layer_gradient", with_mean_bias)
    done = command("gradcheck")
    as_json = command("gradcheck", "--json")
    assert (done.exit_code, as_json.exit_code) == (1, 1)
    assert "Gradients are WRONG: 70 checks." in done.stdout
    assert "∂b1 (3.4) is wrong; it looks as if ∂b is a mean over rows, where" in done.stdout
    document = read_document(as_json.stdout)
    assert not document["passed"]
    for check in document["checks"]:
        wrong = [row["name"] for row in check["equations"] if not row["passed"]]
        assert wrong == ["b1"]


# Words that do not go together


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
    done = command("gradcheck", *words)
    as_json = command("gradcheck", *words, "--json")
    assert (done.exit_code, as_json.exit_code, done.stdout) == (2, 2, "")
    assert sentence in done.stderr
    error = as_json.stderr.strip().removeprefix("mlpcli: ")
    assert read_document(as_json.stdout) == {"schema": 1, "passed": False, "error": error}


@pytest.mark.parametrize(
    "words", [("--timeout", "0"), ("--timeout", "long"), ("--no-such-flag",), ("a", "b")]
)
def test_a_wrong_word_is_a_usage_error(words: tuple[str, ...], command: Command) -> None:
    done = command("gradcheck", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: " in done.stderr


def test_the_self_test_and_a_file_at_once_are_refused(command: Command) -> None:
    done = command("gradcheck", "--self-test", "--impl", "file.py")
    assert done.exit_code == 2
    assert "--self-test checks the checker, and --impl a file: give one of them." in done.stderr


def test_a_python_file_in_place_of_a_configuration_gets_a_hint(command: Command) -> None:
    assert "write --impl mine.py" in command("gradcheck", "mine.py").stderr


# The self-test


def test_the_self_test_counts_what_was_caught_and_named(command: Command) -> None:
    done = command("gradcheck", "--self-test")
    as_json = command("gradcheck", "--self-test", "--json")
    assert (done.exit_code, as_json.exit_code) == (0, 0)
    document = read_document(as_json.stdout)
    total = document["of"]
    assert document["passed"]
    assert document["caught"] == document["named"] == total
    last = done.stdout.splitlines()[-1].strip()
    assert last == f"caught {total} of {total}, named {total} of {total}"
    trials = [trial for trial in document["trials"] if trial["activation"] == "tanh"]
    assert sum(not trial["idle"] for trial in trials) >= 17


def test_a_self_test_that_misses_something_ends_with_1(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge_nothing_wrong(samples: Any) -> Any:
        return tuple(replace(row, passed=True) for row in judge(samples))

    monkeypatch.setattr(selftest, "judge", judge_nothing_wrong)
    done = command("gradcheck", "--self-test")
    assert done.exit_code == 1
    assert "transposed: NOT CAUGHT" in done.stdout
