"""What people see of a gradient check: on terminals of 80 and 120 columns, and piece by piece."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from mlpcli.commands import settings
from mlpcli.commands.gradcheck import Homework, Inspection, inspect_network
from mlpcli.gradcheck.cases import Coverage
from mlpcli.gradcheck.complex_step import EQUATIONS
from mlpcli.gradcheck.cross_checks import CrossChecks
from mlpcli.gradcheck.diagnosis import Diagnosis
from mlpcli.gradcheck.kernels import Check
from mlpcli.gradcheck.selftest import Trial
from mlpcli.gradcheck.verdict import Equation
from mlpcli.rendering.console import console
from mlpcli.rendering.gradcheck import covered, show_homework, show_inspection, show_self_test
from tests.support.terminal import COLOUR, Terminal, lines_of, on_terminal, printed

EXAMPLES = Path(__file__).parents[3] / "examples"
COVERED = Coverage(
    units=63, dropped=22, live=20, dead=21, at_kink=0, flipped=5, classes=4, all_classes=4
)
RIGHT = Equation("z", True, True, False, 1e-16, (0, 1), 28, (7, 4))
LONG = Diagnosis(
    (), "∂a (3.4) is wrong: " + "so and so, " * 20 + "and so on.", "right: one    looks like: two"
)


def rows(**changed: Equation) -> tuple[Equation, ...]:
    return tuple(replace(changed.get(name, RIGHT), name=name) for name in EQUATIONS)


def an_inspection(
    first: tuple[Equation, ...], cross_checks: list[CrossChecks] | None = None
) -> Inspection:
    checks = [Check("any case", "relu", dtype, first, COVERED) for dtype in ("float64", "float32")]
    return Inspection(checks, cross_checks or [CrossChecks(1e-9, 2.0), CrossChecks(None, None)], 7)


def line(text: str, beginning: str) -> str:
    """The first line that begins so, without its ends."""
    return next(line for line in text.splitlines() if line.startswith(beginning)).strip()


# Real terminals


@pytest.mark.parametrize("columns", [80, 120])
def test_a_check_of_this_package_fits_the_terminal(columns: int, tmp_path: Path) -> None:
    code, sent = on_terminal(columns, "gradcheck", "--seed", "7", cwd=tmp_path)
    lines = [line.rstrip() for line in lines_of(sent)]
    assert code == 0
    assert max(map(cell_len, lines)) <= columns
    assert re.match(
        r"∂a = \(∂z W2ᵀ\) ⊙ r ⊙ φ′\(a\)  3\.4 +[\d,]+ +\de-\d\d +\de-\d\d  right$", lines[4]
    )
    assert any(line.startswith("seed 7, by case; ") for line in lines)
    assert any(
        re.match(r"relu +a unit at ReLU's kink +\d+ +\d+ +\d+ +7 +\de-\d\d +\de-\d\d$", line)
        for line in lines
    )
    assert any(
        re.match(r"tanh +logits past exp's range +\d+ +\d+ +\d+ +\de-\d\d +\de-\d\d$", line)
        for line in lines
    )
    assert "All gradients are right: 46 checks." in lines
    assert COLOUR.search(sent)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_verdict_on_a_file_fits_the_terminal(columns: int, tmp_path: Path) -> None:
    path = EXAMPLES / "homework_as_printed.py"
    code, sent = on_terminal(columns, "gradcheck", "--impl", str(path), cwd=tmp_path)
    lines = [line.rstrip() for line in lines_of(sent)]
    assert code == 1
    assert max(map(cell_len, lines)) <= columns
    assert any(
        re.match(r"∂a = .* 3\.4  \(7, 9\) +252  \de-\d\d  \(\d, \d\)  WRONG$", line)
        for line in lines
    )
    assert any(
        re.match(r"∂W1 = xᵀ ∂a .* 3\.4  \(5, 9\) .* right, inherits$", line) for line in lines
    )
    assert any(re.match(r"∂b1 = Σ_rows ∂a +3\.4 +not given$", line) for line in lines)
    assert any(
        re.match(r"seed 0, dropout 0\.5: \d+ of 63 units dropped; of the rest ", line)
        for line in lines
    )
    assert "  right: ∂a = (∂z W2ᵀ) ⊙ r ⊙ φ′(a)" in lines
    assert "  looks like: ∂a = (∂z W2ᵀ) ⊙ r" in lines
    assert "  id: missing-activation-derivative" in lines
    assert "Wrong: ∂a. Right by itself, but made from what is wrong: ∂W1." in lines


@pytest.mark.parametrize("columns", [80, 120])
def test_the_self_test_fits_the_terminal(columns: int, tmp_path: Path) -> None:
    code, sent = on_terminal(columns, "gradcheck", "--self-test", cwd=tmp_path)
    lines = [line.rstrip() for line in lines_of(sent)]
    assert code == 0
    assert max(map(cell_len, lines)) <= columns
    assert "tanh     caught 21 of 21, named 21 of 21" in lines
    assert (
        "         changes nothing here: derivative-of-output, derivative-of-masked-output" in lines
    )


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_had_without(settings: dict[str, str], tmp_path: Path) -> None:
    code, sent = on_terminal(80, "gradcheck", "--activation", "tanh", cwd=tmp_path, **settings)
    assert code == 0
    assert not COLOUR.search(sent)


# This package's own gradients


def test_a_right_inspection_in_full(terminal: Terminal) -> None:
    inspection = inspect_network(settings.load(None, {}, []), ("relu",), lambda text: None)
    text = printed(terminal(80), show_inspection, inspection)
    assert "WRONG" not in text
    assert "inherits" not in text
    assert "All gradients are right: 16 checks." in text
    assert re.search(r"relu +64-256-10, 32 rows of +[\d,]+ +[\d,]+ +[\d,]+ ", text)


def test_every_column_has_its_heading(terminal: Terminal) -> None:
    text = printed(terminal(80), show_inspection, an_inspection(rows()))
    assert line(text, "equation").split() == ["equation", "entries", "float64", "float32"]
    headings = ["φ", "case", "dropped", "live", "dead", "kink", "float64", "float32"]
    assert line(text, "φ").split() == headings
    assert line(text, "relu").split() == ["relu", "any", "case", "22", "20", "21", "1e-16", "1e-16"]


def test_a_wrong_equation_is_said_to_be_and_its_heirs_not(terminal: Terminal) -> None:
    wrong = replace(RIGHT, passed=False, max_relative_error=0.5, diagnosis=LONG)
    heir = replace(RIGHT, inherits=True, max_relative_error=0.25)
    text = printed(terminal(80), show_inspection, an_inspection(rows(a=wrong, W1=heir)))
    assert line(text, "∂a").endswith("5e-01    5e-01  WRONG")
    assert line(text, "∂W1").endswith("2e-01    2e-01  right, inherits")
    assert line(text, "∂b1").endswith("1e-16    1e-16  right")
    assert "\nrelu, float64, any case:\n∂a (3.4) is wrong: so and so, " in text
    assert "\nrelu, float32, any case:\n" in text
    assert "  right: one\n  looks like: two\n" in text
    assert "  id: " not in text
    assert "Gradients are WRONG: 2 checks." in text
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_wrong_equation_with_nothing_to_say_of_it_is_shown(terminal: Terminal) -> None:
    wrong = replace(RIGHT, passed=False)
    text = printed(terminal(80), show_inspection, an_inspection(rows(b2=wrong)))
    assert line(text, "∂b2").endswith("WRONG")


def test_second_opinions_are_told_where_there_are_any(terminal: Terminal) -> None:
    text = printed(terminal(120), show_inspection, an_inspection(rows()))
    assert (
        "Second opinions on 1 of 2 small cases (a kink is in the way of the rest): central" in text
    )
    assert (
        "agree within 1e-09, the Taylor remainder is of order 2.00 to 2.00 (2 is right)."
        in " ".join(text.split())
    )
    none = an_inspection(rows(), [CrossChecks(None, None)])
    assert "Second opinions" not in printed(terminal(120), show_inspection, none)


def test_off_a_terminal_a_sentence_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = replace(RIGHT, passed=False, diagnosis=LONG)
    show_inspection(console(), an_inspection(rows(a=wrong)))
    said = capsys.readouterr().out
    assert LONG.sentence in said.splitlines()
    assert "\x1b" not in said


# A file


def a_homework(path: str = "file.py", **changed: Equation) -> Homework:
    return Homework(Path(path), "tanh", rows(**changed), {"one case": COVERED}, 7)


def test_a_right_file_is_said_to_be(terminal: Terminal) -> None:
    text = printed(terminal(80), show_homework, a_homework("[bold]:cat:.py"))
    assert text.startswith("[bold]:cat:.py, φ = tanh\n")
    assert (
        line(text, "seed 7")
        == "seed 7, one case: 22 of 63 units dropped; of the rest 20 live, 21 dead"
    )
    assert text.endswith("\nRight: 6 gradients of 6 given, and each equals the truth.\n")
    assert "(0, 1)" not in text  # where nothing is wrong there is nothing to point at


def test_what_is_not_given_is_said_not_to_be(terminal: Terminal) -> None:
    text = printed(
        terminal(80),
        show_homework,
        a_homework(**dict.fromkeys(EQUATIONS[1:], Equation("", given=False))),
    )
    assert text.count("not given") == 5
    assert text.endswith("\nRight: 1 gradient of 6 given, and each equals the truth.\n")


def test_a_wrong_file_has_its_diagnosis(terminal: Terminal) -> None:
    wrong = replace(
        RIGHT, passed=False, diagnosis=Diagnosis(("one", "two"), "∂b2 (3.3) is wrong.", "right: so")
    )
    text = printed(terminal(80), show_homework, a_homework(b2=wrong))
    assert re.search(r"∂b2 .* \(0, 1\)  WRONG$", line(text, "∂b2 ="))
    assert "∂b2 (3.3) is wrong.\n  right: so\n  id: one, two\n" in text
    assert text.endswith("\nWrong: ∂b2.\n")


@pytest.mark.parametrize(("at_kink", "more"), [(0, ""), (7, ", 7 at the kink")])
def test_coverage_in_a_few_words(at_kink: int, more: str) -> None:
    said = f"22,000 of 63 units dropped; of the rest 20 live, 21 dead{more}"
    assert covered(replace(COVERED, dropped=22_000, at_kink=at_kink)) == said


# The self-test


def test_a_self_test_that_fails_says_where(terminal: Terminal) -> None:
    trials = [
        Trial("relu", "known", False, True, True),
        Trial("relu", "unnamed", False, True, False),
        Trial("relu", "missed", False, False, False),
        Trial("tanh", "idle", True, False, False),
    ]
    text = printed(terminal(80), show_self_test, trials)
    assert [line.rstrip() for line in text.splitlines()] == [
        "relu     caught 2 of 3, named 1 of 3",
        "         unnamed: not named",
        "         missed: NOT CAUGHT",
        "tanh     caught 0 of 0, named 0 of 0",
        "         changes nothing here: idle",
        "         caught 2 of 3, named 1 of 3",
    ]
