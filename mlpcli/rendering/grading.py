"""What `mlpcli gradcheck --impl` prints: the verdict on a student's file, equation by equation."""

from rich.console import Console
from rich.text import Text

from mlpcli.gradcheck.cases import Coverage
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK
from mlpcli.gradcheck.derivation import FORMULAS
from mlpcli.gradcheck.grading import FileReport
from mlpcli.gradcheck.verdict import EquationVerdict
from mlpcli.rendering.console import count
from mlpcli.rendering.gradcheck import make_table, show_diagnosis, verdict_in_words

NOT_GIVEN = Text("not given", style="dim")


def show_file_report(out: Console, report: FileReport) -> None:
    """Print the verdict on a student's file, equation by equation, and what is wrong in it."""
    table = make_table("equation", "", "shape", "entries", "error", "at", "")
    for verdict in report.equations:
        table.add_row(FORMULAS[verdict.name], HOMEWORK[verdict.name], *_cells(verdict))
    out.print(f"{report.path}, φ = {report.activation}", style="bold")
    out.print(table)
    for name, coverage in report.coverage.items():
        out.print(f"seed {report.seed}, {name}: {coverage_in_words(coverage)}", style="dim")
    for verdict in report.equations:
        if verdict.given and not verdict.passed:
            out.print()
            show_diagnosis(out, verdict.diagnosis)
    out.print()
    out.print(_result_in_words(report), style="bold")


def _cells(verdict: EquationVerdict) -> tuple[str | Text, ...]:
    """The cells of a table's row after the equation: shape, entries, error, index and verdict."""
    if not verdict.given:
        return "", "", "", "", NOT_GIVEN
    index = ""
    is_true = verdict.passed and not verdict.inherits
    if verdict.worst_index and not is_true:
        index = str(verdict.worst_index)
    return (
        str(verdict.shape),
        f"{verdict.entries or 0:,}",
        f"{verdict.max_relative_error or 0:.0e}",
        index,
        verdict_in_words(verdict),
    )


def coverage_in_words(coverage: Coverage) -> str:
    """How many units of a case are dropped, live and dead, and at the kink if there are any."""
    words = (
        f"{coverage.dropped:,} of {coverage.units:,} units dropped; "
        f"of the rest {coverage.live:,} live, {coverage.dead:,} dead"
    )
    if coverage.at_kink:
        words += f", {coverage.at_kink} at the kink"
    return words


def _result_in_words(report: FileReport) -> str:
    given = [verdict for verdict in report.equations if verdict.given]
    if report.passed:
        gradients = count(len(given), "gradient")
        return f"Right: {gradients} of {len(EQUATIONS)} given, and each equals the true gradient."
    wrong = _names([verdict for verdict in given if not verdict.passed])
    inheriting = _names([verdict for verdict in given if verdict.inherits])
    result = f"Wrong: {wrong}."
    if inheriting:
        result += f" Right by itself, but made from what is wrong: {inheriting}."
    return result


def _names(verdicts: list[EquationVerdict]) -> str:
    return ", ".join(f"∂{verdict.name}" for verdict in verdicts)
