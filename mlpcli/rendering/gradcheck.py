"""What `mlpcli gradcheck` shows: one row an equation, what was covered, and why a gradient is wrong."""

from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlpcli.commands.gradcheck import Homework, Inspection
from mlpcli.gradcheck.cases import Coverage
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK
from mlpcli.gradcheck.derivation import FORMULAS
from mlpcli.gradcheck.kernels import Check
from mlpcli.gradcheck.selftest import Trial
from mlpcli.gradcheck.verdict import TOLERANCE, Equation
from mlpcli.rendering.console import count

NUMBERS = (
    "entries",
    "error",
    "dropped",
    "live",
    "dead",
    "kink",
    *TOLERANCE,
)  # headings of columns of numbers
RIGHT, WRONG = Text("right", style="green"), Text("WRONG", style="bold red")
INHERITS = Text("right, inherits", style="yellow")


def show_inspection(out: Console, inspection: Inspection) -> None:
    """Print the verdict on network.py: by equation, by case, and what the second opinions said."""
    table = _table("equation", "", "entries", "float64", "float32", "")
    for name in EQUATIONS:
        by_type = {
            dtype: _of(name, [c for c in inspection.checks if c.dtype == dtype])
            for dtype in TOLERANCE
        }
        errors = (
            f"{max(row.max_relative_error or 0 for row in rows):.0e}" for rows in by_type.values()
        )
        rows = [row for some in by_type.values() for row in some]
        verdict = next((v for v in (WRONG, INHERITS) if v in map(_verdict_on, rows)), RIGHT)
        table.add_row(
            FORMULAS[name],
            HOMEWORK[name],
            f"{sum(row.entries or 0 for row in rows):,}",
            *errors,
            verdict,
        )
    out.print(table)
    out.print(
        f"\nseed {inspection.seed}, by case; errors are relative to the size of the terms summed:",
        style="italic",
    )
    out.print(_cases(inspection.checks))
    _show_opinions(out, inspection)
    for check in inspection.checks:
        for row in check.equations:
            if not row.passed:
                out.print(f"\n{check.activation}, {check.dtype}, {check.case}:", style="bold")
                _show_diagnosis(out, row)
    right = "All gradients are right" if inspection.passed else "Gradients are WRONG"
    out.print(f"\n{right}: {count(len(inspection.checks), 'check')}.", style="bold")


def _of(name: str, checks: Iterable[Check]) -> list[Equation]:
    return [row for check in checks for row in check.equations if row.name == name]


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in NUMBERS else "left")
    return table


def _cases(checks: list[Check]) -> Table:
    """A row for each case, both precisions in it."""
    table = _table("φ", "case", "dropped", "live", "dead", "kink", *TOLERANCE)
    for one, other in zip(checks[::2], checks[1::2], strict=True):
        c = one.coverage
        units = (
            f"{number:,}" if number else "" for number in (c.dropped, c.live, c.dead, c.at_kink)
        )
        table.add_row(one.activation, one.case, *units, _error(one), _error(other))
    return table


def _error(check: Check) -> Text:
    worst = max(row.max_relative_error or 0 for row in check.equations)
    return Text(f"{worst:.0e}", style="green" if check.passed else "bold red")


def covered(c: Coverage) -> str:
    """What a case exercises, in a few words."""
    kink = f", {c.at_kink} at the kink" if c.at_kink else ""
    return f"{c.dropped:,} of {c.units:,} units dropped; of the rest {c.live:,} live, {c.dead:,} dead{kink}"


def _show_opinions(out: Console, inspection: Inspection) -> None:
    central = [o.central_error for o in inspection.cross_checks if o.central_error is not None]
    orders = [o.taylor_slope for o in inspection.cross_checks if o.taylor_slope is not None]
    if central and orders:
        out.print(
            f"\nSecond opinions on {len(central)} of {count(len(inspection.cross_checks), 'small case')} (a kink is in the "
            f"way of the rest): central differences agree within {max(central):.0e}, the Taylor remainder is of order "
            f"{min(orders):.2f} to {max(orders):.2f} (2 is right)."
        )


def _show_diagnosis(out: Console, row: Equation) -> None:
    if row.diagnosis:
        out.print(row.diagnosis.sentence, style="red", soft_wrap=not out.is_terminal)
        for line in filter(None, row.diagnosis.hint.split("    ")):
            out.print(f"  {line}")
        if row.diagnosis.ids:
            out.print(f"  id: {', '.join(row.diagnosis.ids)}", style="dim")


def show_homework(out: Console, homework: Homework) -> None:
    """Print the verdict on a student's file, equation by equation, and the diagnosis of what is wrong."""
    table = _table("equation", "", "shape", "entries", "error", "at", "")
    for row in homework.equations:
        table.add_row(FORMULAS[row.name], HOMEWORK[row.name], *_cells(row))
    out.print(f"{homework.path}, φ = {homework.activation}", style="bold")
    out.print(table)
    for name, c in homework.cases.items():
        out.print(f"seed {homework.seed}, {name}: {covered(c)}", style="dim")
    for row in homework.equations:
        if row.given and not row.passed:
            out.print()
            _show_diagnosis(out, row)
    out.print(f"\n{_verdict(homework)}", style="bold")


def _cells(row: Equation) -> tuple[str | Text, ...]:
    if not row.given or row.shape is None:
        return "", "", "", "", Text("not given", style="dim")
    at = str(row.worst_index) if row.worst_index and not (row.passed and not row.inherits) else ""
    return (
        str(row.shape),
        f"{row.entries or 0:,}",
        f"{row.max_relative_error or 0:.0e}",
        at,
        _verdict_on(row),
    )


def _verdict_on(row: Equation) -> Text:
    return WRONG if not row.passed else INHERITS if row.inherits else RIGHT


def _verdict(homework: Homework) -> str:
    given = [row for row in homework.equations if row.given]
    if homework.passed:
        return f"Right: {count(len(given), 'gradient')} of {len(EQUATIONS)} given, and each equals the truth."
    wrong = ", ".join(f"∂{row.name}" for row in given if not row.passed)
    heirs = ", ".join(f"∂{row.name}" for row in given if row.inherits)
    return f"Wrong: {wrong}." + (
        f" Right by itself, but made from what is wrong: {heirs}." if heirs else ""
    )


def show_self_test(out: Console, trials: list[Trial]) -> None:
    """Print how many of the catalogue's mistakes were caught and named, under each activation."""
    real = [trial for trial in trials if not trial.idle]
    for activation in dict.fromkeys(trial.activation for trial in trials):
        out.print(
            f"{activation:9}{_counted([trial for trial in real if trial.activation == activation])}"
        )
        idle = [trial.id for trial in trials if trial.idle and trial.activation == activation]
        if idle:
            out.print(
                Padding(f"changes nothing here: {', '.join(idle)}", (0, 0, 0, 9)), style="dim"
            )
        for trial in real:
            if trial.activation == activation and not (trial.caught and trial.named):
                out.print(
                    f"{'':9}{trial.id}: {'not named' if trial.caught else 'NOT CAUGHT'}",
                    style="bold red",
                )
    out.print(f"{'':9}{_counted(real)}", style="bold")


def _counted(trials: list[Trial]) -> str:
    caught, named, of = sum(t.caught for t in trials), sum(t.named for t in trials), len(trials)
    return f"caught {caught} of {of}, named {named} of {of}"
