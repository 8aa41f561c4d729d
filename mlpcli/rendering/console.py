"""The two consoles, results on stdout and messages on stderr, and the ways numbers are written."""

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table

PLAIN_WIDTH = 120  # columns where there is no terminal to ask


def console(stderr: bool = False, quiet: bool = False) -> Console:
    """A console for stdout or stderr: with a terminal's own width and colours, or plain text.

    Brackets and colons are only that, whatever file and class names hold.
    """
    made = Console(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = PLAIN_WIDTH
    return made


def say(out: Console, text: str) -> None:
    """Print a sentence as it is: long lines are the terminal's to wrap."""
    out.print(text, soft_wrap=True)


def framed(out: Console, content: RenderableType, title: str) -> RenderableType:
    """The content under its title, in a frame on a terminal."""
    if not out.is_terminal:
        return Group(title, content)
    return Panel(content, title=title, title_align="left", box=box.ROUNDED, expand=False)


def grid(rows: list[tuple[str, str]]) -> Table:
    """Pairs of a name and what is said of it, in two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, text)
    return table


def percent(share: float) -> str:
    """A share for a person: 0.9833 is '98.33 %'."""
    return f"{100 * share:.2f} %"


def interval(bounds: tuple[float, float]) -> str:
    """A 95 % interval for a person."""
    return f"95 % interval {100 * bounds[0]:.2f} to {100 * bounds[1]:.2f} %"


def count(number: int, thing: str, things: str = "") -> str:
    """A number of things: '1 row', '1,797 rows'."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
