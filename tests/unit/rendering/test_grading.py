"""What people see of the verdict on a student's file."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from mlpcli.gradcheck.cases import Coverage
from mlpcli.gradcheck.complex_step import EQUATIONS
from mlpcli.gradcheck.diagnosis import Diagnosis
from mlpcli.gradcheck.grading import FileReport
from mlpcli.gradcheck.verdict import EquationVerdict
from mlpcli.rendering.grading import coverage_in_words, show_file_report
from tests.support.terminal import Terminal, lines_of, on_terminal, printed

EXAMPLES = Path(__file__).parents[3] / "examples"
COVERAGE = Coverage(
    units=63, dropped=22, live=20, dead=21, at_kink=0, flipped=5, classes=4, all_classes=4
)
RIGHT = EquationVerdict("z", True, True, False, 1e-16, (0, 1), 28, (7, 4))
NOT_GIVEN = EquationVerdict("z", given=False)


def verdicts(**changed: EquationVerdict) -> tuple[EquationVerdict, ...]:
    """Six right verdicts, but for those that are given by name."""
    return tuple(replace(changed.get(name, RIGHT), name=name) for name in EQUATIONS)


def report_with(equations: tuple[EquationVerdict, ...], path: str = "file.py") -> FileReport:
    return FileReport(Path(path), "tanh", equations, {"one case": COVERAGE}, 7)


def line(text: str, beginning: str) -> str:
    """The first line that begins so, without space at its ends."""
    return next(line for line in text.splitlines() if line.startswith(beginning)).strip()


def has_match(pattern: str, lines: list[str]) -> bool:
    return any(re.match(pattern, line) for line in lines)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_verdict_on_a_file_fits_the_terminal(columns: int, tmp_path: Path) -> None:
    path = EXAMPLES / "homework_as_printed.py"
    code, output = on_terminal(columns, "gradcheck", "--impl", str(path), cwd=tmp_path)
    lines = [line.rstrip() for line in lines_of(output)]
    assert code == 1
    assert max(map(cell_len, lines)) <= columns
    assert has_match(r"∂a = .* 3\.4  \(7, 9\) +373  \de-\d\d  \(\d, \d\)  WRONG$", lines)
    assert has_match(r"∂W1 = xᵀ ∂a .* 3\.4  \(5, 9\) .* right, inherits$", lines)
    assert has_match(r"∂b1 = Σ_rows ∂a +3\.4 +not given$", lines)
    assert has_match(r"seed 0, dropout 0\.5: \d+ of 63 units dropped; of the rest ", lines)
    assert "  right: ∂a = (∂z W2ᵀ) ⊙ r ⊙ φ′(a)" in lines
    assert "  looks like: ∂a = (∂z W2ᵀ) ⊙ r" in lines
    assert "  id: missing-activation-derivative" in lines
    assert "Wrong: ∂a. Right by itself, but made from what is wrong: ∂W1." in lines


def test_on_a_narrow_terminal_the_table_keeps_equation_error_and_verdict(
    tmp_path: Path,
) -> None:
    path = EXAMPLES / "homework_as_printed.py"
    code, output = on_terminal(50, "gradcheck", "--impl", str(path), cwd=tmp_path)
    first, *lines = [line.rstrip() for line in lines_of(output)]
    assert code == 1
    assert first == f"{path}, φ = relu"  # long lines are the terminal's to wrap
    assert max(map(cell_len, lines)) <= 50
    assert has_match(r"∂a = \(∂z W2ᵀ\) ⊙ r ⊙ φ′\(a\)  \de-\d\d  WRONG$", lines)
    assert has_match(r"∂W1 = xᵀ ∂a  +\de-\d\d  right, inherits$", lines)
    assert has_match(r"∂b1 = Σ_rows ∂a  +not given$", lines)


def test_a_right_file_is_shown_to_be_right(terminal: Terminal) -> None:
    text = printed(terminal(80), show_file_report, report_with(verdicts(), "[bold]:cat:.py"))
    assert text.startswith("[bold]:cat:.py, φ = tanh\n")
    coverage = "seed 7, one case: 22 of 63 units dropped; of the rest 20 live, 21 dead"
    assert line(text, "seed 7") == coverage
    assert text.endswith("\nRight: 6 gradients of 6 given, and each equals the true gradient.\n")
    assert "(0, 1)" not in text  # an index is shown for a wrong gradient only


def test_gradients_that_are_not_given_are_listed(terminal: Terminal) -> None:
    report = report_with(verdicts(**dict.fromkeys(EQUATIONS[1:], NOT_GIVEN)))
    text = printed(terminal(80), show_file_report, report)
    assert text.count("not given") == 5
    assert text.endswith("\nRight: 1 gradient of 6 given, and each equals the true gradient.\n")


def test_a_wrong_file_is_shown_with_its_diagnosis(terminal: Terminal) -> None:
    diagnosis = Diagnosis(("one", "two"), "∂b2 (3.3) is wrong.", "right: so")
    wrong = replace(RIGHT, passed=False, diagnosis=diagnosis)
    text = printed(terminal(80), show_file_report, report_with(verdicts(b2=wrong)))
    assert re.search(r"∂b2 .* \(0, 1\)  WRONG$", line(text, "∂b2 ="))
    assert "∂b2 (3.3) is wrong.\n  right: so\n  id: one, two\n" in text
    assert text.endswith("\nWrong: ∂b2.\n")


@pytest.mark.parametrize(("at_kink", "more"), [(0, ""), (7, ", 7 at the kink")])
def test_coverage_is_described_in_a_few_words(at_kink: int, more: str) -> None:
    coverage = replace(COVERAGE, dropped=22_000, at_kink=at_kink)
    expected = f"22,000 of 63 units dropped; of the rest 20 live, 21 dead{more}"
    assert coverage_in_words(coverage) == expected
