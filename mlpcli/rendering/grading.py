"""What `mlpcli gradcheck --impl` prints: the verdict on a student's file, equation by equation."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlpcli.gradcheck.cases import Coverage
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK
from mlpcli.gradcheck.derivation import FORMULAS
from mlpcli.gradcheck.grading import FileReport
from mlpcli.gradcheck.verdict import EquationVerdict
from mlpcli.rendering.console import Column, count, fitting_table
from mlpcli.rendering.gradcheck import show_diagnosis, verdict_in_words

NOT_GIVEN = Text("not given", style="dim")


def show_file_report(out: Console, report: FileReport) -> None:
    """Print the verdict on a student's file, equation by equation, and what is wrong in it."""
    out.print(f"{report.path}, φ = {report.activation}", style="bold", soft_wrap=True)
    out.print(_table(out, report.equations))
    for name, coverage in report.coverage.items():
        out.print(f"seed {report.seed}, {name}: {coverage_in_words(coverage)}", style="dim")
    for verdict in report.equations:
        if verdict.given and not verdict.passed:
            out.print()
            show_diagnosis(out, verdict.diagnosis)
    out.print()
    out.print(_result_in_words(report), style="bold")


def _table(out: Console, verdicts: Sequence[EquationVerdict]) -> Table:
    """A row for each equation; of one that is not given, only that is said."""
    columns = [
        Column("equation", [FORMULAS[v.name] for v in verdicts], 0),
        Column("", [HOMEWORK[v.name] for v in verdicts], 5),
        Column("shape", [_if_given(v, str(v.shape)) for v in verdicts], 4),
        Column("entries", [_if_given(v, f"{v.entries or 0:,}") for v in verdicts], 6, True),
        Column("error", [_if_given(v, _error(v)) for v in verdicts], 2, True),
        Column("at", [_if_given(v, _index(v)) for v in verdicts], 3),
        Column("", [_in_words(v) for v in verdicts], 1),
    ]
    return fitting_table(columns, out.width)


def _if_given(verdict: EquationVerdict, text: str) -> str:
    if verdict.given:
        return text
    return ""


def _error(verdict: EquationVerdict) -> str:
    return f"{verdict.max_relative_error or 0:.0e}"


def _index(verdict: EquationVerdict) -> str:
    """Where the largest error is, if it is one."""
    is_true = verdict.passed and not verdict.inherits
    if is_true or not verdict.worst_index:
        return ""
    return str(verdict.worst_index)


def _in_words(verdict: EquationVerdict) -> Text:
    if verdict.given:
        return verdict_in_words(verdict)
    return NOT_GIVEN


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
