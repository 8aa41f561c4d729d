"""What people see of a check of this package, and of the self-test."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from mlpcli.commands import settings
from mlpcli.commands.gradcheck import NetworkReport, check_network
from mlpcli.gradcheck.cases import Coverage
from mlpcli.gradcheck.complex_step import EQUATIONS
from mlpcli.gradcheck.cross_checks import CrossCheck
from mlpcli.gradcheck.diagnosis import Diagnosis
from mlpcli.gradcheck.network_check import Check
from mlpcli.gradcheck.selftest import Trial
from mlpcli.gradcheck.verdict import EquationVerdict
from mlpcli.rendering.console import console
from mlpcli.rendering.gradcheck import show_network_report, show_self_test
from tests.support.terminal import COLOUR, Terminal, lines_of, on_terminal, printed

COVERAGE = Coverage(
    units=63, dropped=22, live=20, dead=21, at_kink=0, flipped=5, classes=4, all_classes=4
)
RIGHT = EquationVerdict("z", True, True, False, 1e-16, (0, 1), 28, (7, 4))
LONG = Diagnosis(
    (), "∂a (3.4) is wrong: " + "so and so, " * 20 + "and so on.", "right: one    looks like: two"
)
CROSS_CHECKS = (CrossCheck(1e-9, 2.0), CrossCheck(None, None))


def verdicts(**changed: EquationVerdict) -> tuple[EquationVerdict, ...]:
    """Six right verdicts, but for those that are given by name."""
    return tuple(replace(changed.get(name, RIGHT), name=name) for name in EQUATIONS)


def report_of(
    equations: tuple[EquationVerdict, ...], cross_checks: tuple[CrossCheck, ...] = CROSS_CHECKS
) -> NetworkReport:
    """A report with these verdicts in both precisions."""
    double = Check("any case", "relu", "float64", equations, COVERAGE)
    single = Check("any case", "relu", "float32", equations, COVERAGE)
    return NetworkReport([double, single], list(cross_checks), 7)


def line(text: str, beginning: str) -> str:
    """The first line that begins so, without space at its ends."""
    return next(line for line in text.splitlines() if line.startswith(beginning)).strip()


def has_match(pattern: str, lines: list[str]) -> bool:
    return any(re.match(pattern, line) for line in lines)


# On real terminals


@pytest.mark.parametrize("columns", [80, 120])
def test_a_check_of_this_package_fits_the_terminal(columns: int, tmp_path: Path) -> None:
    code, output = on_terminal(columns, "gradcheck", "--seed", "7", cwd=tmp_path)
    lines = [line.rstrip() for line in lines_of(output)]
    assert code == 0
    assert max(map(cell_len, lines)) <= columns
    equation = r"∂a = \(∂z W2ᵀ\) ⊙ r ⊙ φ′\(a\) +3\.4 +[\d,]+ +\de-\d\d +\de-\d\d  right$"
    assert re.match(equation, lines[4])
    assert has_match(r"seed 7, by case; ", lines)
    assert has_match(r"relu +a unit at ReLU's kink +\d+ +\d+ +\d+ +7 +\de-\d\d +\de-\d\d$", lines)
    assert has_match(r"tanh +logits past exp's range +\d+ +\d+ +\d+ +\de-\d\d +\de-\d\d$", lines)
    assert "All gradients are right: 70 checks." in lines
    assert COLOUR.search(output)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_self_test_fits_the_terminal(columns: int, tmp_path: Path) -> None:
    code, output = on_terminal(columns, "gradcheck", "--self-test", cwd=tmp_path)
    lines = [line.rstrip() for line in lines_of(output)]
    assert code == 0
    assert max(map(cell_len, lines)) <= columns
    assert "tanh     caught 27 of 27, named 27 of 27" in lines
    idle = "derivative-of-output, derivative-of-masked-output"
    assert f"         changes nothing here: {idle}" in lines


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_turned_off(environment: dict[str, str], tmp_path: Path) -> None:
    words = ("gradcheck", "--activation", "tanh")
    code, output = on_terminal(80, *words, cwd=tmp_path, **environment)
    assert code == 0
    assert not COLOUR.search(output)


# The report on this package's own gradients


def test_a_right_network_has_no_wrong_equation(terminal: Terminal) -> None:
    report = check_network(settings.load(None, {}, []), ("relu",), lambda text: None)
    text = printed(terminal(80), show_network_report, report)
    assert "WRONG" not in text
    assert "inherits" not in text
    assert "All gradients are right: 22 checks." in text
    assert re.search(r"relu +64-256-10, 32 rows of +[\d,]+ +[\d,]+ +[\d,]+ ", text)


def test_every_column_has_its_heading(terminal: Terminal) -> None:
    text = printed(terminal(80), show_network_report, report_of(verdicts()))
    assert line(text, "equation").split() == ["equation", "entries", "float64", "float32"]
    headings = ["φ", "case", "dropped", "live", "dead", "kink", "float64", "float32"]
    assert line(text, "φ").split() == headings
    assert line(text, "relu").split() == ["relu", "any", "case", "22", "20", "21", "1e-16", "1e-16"]


def test_on_a_narrow_terminal_no_equation_and_no_verdict_is_cut(terminal: Terminal) -> None:
    wrong = replace(RIGHT, passed=False, max_relative_error=0.5, diagnosis=LONG)
    inheriting = replace(RIGHT, inherits=True, max_relative_error=0.25)
    report = report_of(verdicts(a=wrong, W1=inheriting))
    text = printed(terminal(50), show_network_report, report)
    assert line(text, "equation").split() == ["equation"]
    assert re.fullmatch(r"∂a = \(∂z W2ᵀ\) ⊙ r ⊙ φ′\(a\) +WRONG", line(text, "∂a"))
    assert re.fullmatch(r"∂W1 = xᵀ ∂a +right, inherits", line(text, "∂W1"))
    assert line(text, "φ").split() == ["φ", "case", "dropped", "live", "float64", "float32"]
    assert max(map(cell_len, text.splitlines())) <= 50


def test_a_wrong_equation_is_told_from_those_that_inherit_its_error(terminal: Terminal) -> None:
    wrong = replace(RIGHT, passed=False, max_relative_error=0.5, diagnosis=LONG)
    inheriting = replace(RIGHT, inherits=True, max_relative_error=0.25)
    report = report_of(verdicts(a=wrong, W1=inheriting))
    text = printed(terminal(80), show_network_report, report)
    assert line(text, "∂a").endswith("5e-01    5e-01  WRONG")
    assert line(text, "∂W1").endswith("2e-01    2e-01  right, inherits")
    assert line(text, "∂b1").endswith("1e-16    1e-16  right")
    assert "\nrelu, float64, any case:\n∂a (3.4) is wrong: so and so, " in text
    assert "\nrelu, float32, any case:\n" in text
    assert "  right: one\n  looks like: two\n" in text
    assert "  id: " not in text
    assert "Gradients are WRONG: 2 checks." in text
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_wrong_equation_without_a_diagnosis_is_shown(terminal: Terminal) -> None:
    report = report_of(verdicts(b2=replace(RIGHT, passed=False)))
    text = printed(terminal(80), show_network_report, report)
    assert line(text, "∂b2").endswith("WRONG")


def test_cross_checks_are_shown_if_there_are_any(terminal: Terminal) -> None:
    text = printed(terminal(120), show_network_report, report_of(verdicts()))
    sentence = (
        "Cross-checks on 1 of 2 small cases (the rest are too near a kink): "
        "central differences agree within 1e-09, "
        "the Taylor remainder is of order 2.00 to 2.00 (2 is right)."
    )
    assert sentence in " ".join(text.split())
    without = report_of(verdicts(), (CrossCheck(None, None),))
    assert "Cross-checks" not in printed(terminal(120), show_network_report, without)


def test_off_a_terminal_a_sentence_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = replace(RIGHT, passed=False, diagnosis=LONG)
    show_network_report(console(), report_of(verdicts(a=wrong)))
    output = capsys.readouterr().out
    assert LONG.sentence in output.splitlines()
    assert "\x1b" not in output


# The self-test


def test_a_self_test_that_fails_lists_what_was_missed(terminal: Terminal) -> None:
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
