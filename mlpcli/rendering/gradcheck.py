"""What `mlpcli gradcheck` prints about this package's own gradients, and about its self-test."""

from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlpcli.commands.gradcheck import NetworkReport
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK
from mlpcli.gradcheck.derivation import FORMULAS
from mlpcli.gradcheck.diagnosis import Diagnosis
from mlpcli.gradcheck.network_check import Check
from mlpcli.gradcheck.selftest import Trial
from mlpcli.gradcheck.verdict import TOLERANCE, EquationVerdict
from mlpcli.rendering.console import count

RIGHT_ALIGNED = ("entries", "error", "dropped", "live", "dead", "kink", *TOLERANCE)  # columns
RIGHT = Text("right", style="green")
WRONG = Text("WRONG", style="bold red")
INHERITS = Text("right, inherits", style="yellow")
INDENT = 9  # columns: the longest name of an activation, and a space


def show_network_report(out: Console, report: NetworkReport) -> None:
    """Print the verdicts on network.py by equation and by case, the cross-checks and diagnoses."""
    out.print(_equation_table(report.checks))
    out.print()
    explanation = "by case; errors are relative to the size of the terms summed"
    out.print(f"seed {report.seed}, {explanation}:", style="italic")
    out.print(_case_table(report.checks))
    _show_cross_checks(out, report)
    for check in report.checks:
        for verdict in check.equations:
            if not verdict.passed:
                out.print()
                out.print(f"{check.activation}, {check.dtype}, {check.case}:", style="bold")
                show_diagnosis(out, verdict.diagnosis)
    result = "Gradients are WRONG"
    if report.passed:
        result = "All gradients are right"
    out.print()
    out.print(f"{result}: {count(len(report.checks), 'check')}.", style="bold")


def _equation_table(checks: list[Check]) -> Table:
    """A row for each equation, over all checks."""
    table = make_table("equation", "", "entries", *TOLERANCE, "")
    for name in EQUATIONS:
        verdicts = _verdicts_on(name, checks)
        entries = sum(verdict.entries or 0 for verdict in verdicts)
        errors = []
        for dtype in TOLERANCE:
            of_dtype = [check for check in checks if check.dtype == dtype]
            error = _largest_error(_verdicts_on(name, of_dtype))
            errors.append(f"{error:.0e}")
        worst = _worst_in_words(verdicts)
        table.add_row(FORMULAS[name], HOMEWORK[name], f"{entries:,}", *errors, worst)
    return table


def make_table(*headings: str) -> Table:
    """An empty table without lines, whose columns of numbers are aligned to the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in RIGHT_ALIGNED else "left")
    return table


def _verdicts_on(name: str, checks: Iterable[Check]) -> list[EquationVerdict]:
    verdicts: list[EquationVerdict] = []
    for check in checks:
        verdicts += [verdict for verdict in check.equations if verdict.name == name]
    return verdicts


def _largest_error(verdicts: Iterable[EquationVerdict]) -> float:
    return max(verdict.max_relative_error or 0 for verdict in verdicts)


def _worst_in_words(verdicts: list[EquationVerdict]) -> Text:
    words = [verdict_in_words(verdict) for verdict in verdicts]
    if WRONG in words:
        return WRONG
    if INHERITS in words:
        return INHERITS
    return RIGHT


def verdict_in_words(verdict: EquationVerdict) -> Text:
    """The verdict on an equation whose gradient was given, in colour."""
    if not verdict.passed:
        return WRONG
    if verdict.inherits:
        return INHERITS
    return RIGHT


def _case_table(checks: list[Check]) -> Table:
    """A row for each case, with the errors in both precisions."""
    table = make_table("φ", "case", "dropped", "live", "dead", "kink", *TOLERANCE)
    in_double = checks[::2]
    in_single = checks[1::2]
    for double, single in zip(in_double, in_single, strict=True):
        coverage = double.coverage
        table.add_row(
            double.activation,
            double.case,
            _number(coverage.dropped),
            _number(coverage.live),
            _number(coverage.dead),
            _number(coverage.at_kink),
            _error_in_words(double),
            _error_in_words(single),
        )
    return table


def _number(n: int) -> str:
    """A number for a table, in which 0 is an empty cell."""
    if n == 0:
        return ""
    return f"{n:,}"


def _error_in_words(check: Check) -> Text:
    style = "bold red"
    if check.passed:
        style = "green"
    return Text(f"{_largest_error(check.equations):.0e}", style=style)


def _show_cross_checks(out: Console, report: NetworkReport) -> None:
    """Print how well real arithmetic agrees with the complex step, unless all cases have kinks."""
    errors = []
    orders = []
    for check in report.cross_checks:
        if check.central_error is not None and check.taylor_order is not None:
            errors.append(check.central_error)
            orders.append(check.taylor_order)
    if errors:
        n_cases = count(len(report.cross_checks), "small case")
        out.print()
        out.print(
            f"Cross-checks on {len(errors)} of {n_cases} (the rest are too near a kink): "
            f"central differences agree within {max(errors):.0e}, the Taylor remainder is of order "
            f"{min(orders):.2f} to {max(orders):.2f} (2 is right)."
        )


def show_diagnosis(out: Console, diagnosis: Diagnosis | None) -> None:
    """Print why a gradient is wrong, its formulas, and the ids of the mistakes that fit."""
    if diagnosis is None:
        return
    out.print(diagnosis.sentence, style="red", soft_wrap=not out.is_terminal)
    for line in diagnosis.hint.split("    "):
        if line:
            out.print(f"  {line}")
    if diagnosis.ids:
        out.print(f"  id: {', '.join(diagnosis.ids)}", style="dim")


# The self-test


def show_self_test(out: Console, trials: list[Trial]) -> None:
    """Print how many mistakes of the catalogue were caught and named, by activation."""
    by_activation: dict[str, list[Trial]] = {}
    for trial in trials:
        by_activation.setdefault(trial.activation, []).append(trial)
    for activation, its_trials in by_activation.items():
        _show_trials(out, activation, its_trials)
    out.print(f"{'':{INDENT}}{_counts_in_words(trials)}", style="bold")


def _show_trials(out: Console, activation: str, trials: list[Trial]) -> None:
    """Print the trials of one activation: their numbers, the idle mistakes and the failures."""
    out.print(f"{activation:{INDENT}}{_counts_in_words(trials)}")
    idle = [trial.id for trial in trials if trial.idle]
    if idle:
        words = f"changes nothing here: {', '.join(idle)}"
        out.print(Padding(words, (0, 0, 0, INDENT)), style="dim")
    for trial in trials:
        if trial.idle or (trial.caught and trial.named):
            continue
        failure = "not named" if trial.caught else "NOT CAUGHT"
        out.print(f"{'':{INDENT}}{trial.id}: {failure}", style="bold red")


def _counts_in_words(trials: list[Trial]) -> str:
    effective = [trial for trial in trials if not trial.idle]
    total = len(effective)
    caught = sum(trial.caught for trial in effective)
    named = sum(trial.named for trial in effective)
    return f"caught {caught} of {total}, named {named} of {total}"
