"""What `mlpcli gradcheck` prints about this package's own gradients, and about its self-test."""

from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlpcli.commands.gradcheck import NetworkReport
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK
from mlpcli.gradcheck.derivation import FORMULAS_WITH_WEIGHTS
from mlpcli.gradcheck.diagnosis import Diagnosis
from mlpcli.gradcheck.network_check import Check
from mlpcli.gradcheck.selftest import Trial
from mlpcli.gradcheck.verdict import TOLERANCE, EquationVerdict
from mlpcli.rendering.console import Column, count, fitting_table

CASE_WIDTH = 23  # columns for the name of a case, at least
RIGHT = Text("right", style="green")
WRONG = Text("WRONG", style="bold red")
INHERITS = Text("right, inherits", style="yellow")
INDENT = 9  # columns: the longest name of an activation, and a space


def show_network_report(out: Console, report: NetworkReport) -> None:
    """Print the verdicts on network.py by equation and by case, the cross-checks and diagnoses."""
    out.print(_equation_table(out, report.checks))
    out.print()
    explanation = "by case; errors are relative to the size of the terms summed"
    out.print(f"seed {report.seed}, {explanation}:", style="italic")
    out.print(_case_table(out, report.checks))
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


def _equation_table(out: Console, checks: list[Check]) -> Table:
    """A row for each equation, over all checks."""
    by_equation = [_verdicts_on(name, checks) for name in EQUATIONS]
    numbers = [sum(verdict.entries or 0 for verdict in verdicts) for verdicts in by_equation]
    columns = [
        Column("equation", [FORMULAS_WITH_WEIGHTS[name] for name in EQUATIONS], 0),
        Column("", [HOMEWORK[name] for name in EQUATIONS], 4),
        Column("entries", [f"{n:,}" for n in numbers], 5, is_number=True),
    ]
    for rank, dtype in enumerate(TOLERANCE, 2):
        of_dtype = [check for check in checks if check.dtype == dtype]
        errors = [_largest_error(_verdicts_on(name, of_dtype)) for name in EQUATIONS]
        columns.append(Column(dtype, [f"{error:.0e}" for error in errors], rank, is_number=True))
    columns.append(Column("", [_worst_in_words(verdicts) for verdicts in by_equation], 1))
    return fitting_table(columns, out.width)


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


def _case_table(out: Console, checks: list[Check]) -> Table:
    """A row for each case, with the errors in both precisions."""
    in_double = checks[::2]
    in_single = checks[1::2]
    covered = [check.coverage for check in in_double]
    columns = [
        Column("φ", [check.activation for check in in_double], 1),
        Column("case", [check.case for check in in_double], 0, narrowest=CASE_WIDTH),
        Column("dropped", [_number(c.dropped) for c in covered], 4, is_number=True),
        Column("live", [_number(c.live) for c in covered], 5, is_number=True),
        Column("dead", [_number(c.dead) for c in covered], 6, is_number=True),
        Column("kink", [_number(c.at_kink) for c in covered], 7, is_number=True),
    ]
    by_dtype = zip(TOLERANCE, (in_double, in_single), strict=True)
    for rank, (dtype, its_checks) in enumerate(by_dtype, 2):
        errors = [_error_in_words(check) for check in its_checks]
        columns.append(Column(dtype, errors, rank, is_number=True))
    return fitting_table(columns, out.width)


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
