"""The two consoles, results on stdout and messages on stderr, and the ways numbers are written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from mlpcli.messages import printable, printable_lines

PLAIN_WIDTH = 120  # columns where there is no terminal to ask
GAP = 2  # columns between those of a table
DOT = " · "  # between things that are said of one thing
FRAME = 4  # columns of a frame, at the left and right of its content
NO_BETTER = "always guessing the largest class would be right as often, or oftener"


class SafeConsole(Console):
    """A console on which no text has an effect: names of files and classes may hold anything.

    A string is always one line, since a line break in it is escaped; `print()` is a blank line.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a Text of a string, with its control characters escaped."""
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Render anything; control characters in a Text are escaped too."""
        for segment in super().render(renderable, options):
            yield _safe(segment)


def _safe(segment: Segment) -> Segment:
    if segment.control or segment.text.isprintable():
        return segment
    return Segment(printable_lines(segment.text), segment.style)


def console(stderr: bool = False, quiet: bool = False) -> Console:
    """A console for stdout or stderr: with a terminal's own width and colours, or plain text.

    Brackets and colons are only that, whatever file and class names hold.
    """
    made = SafeConsole(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = PLAIN_WIDTH
    return made


def say(out: Console, text: str) -> None:
    """Print a sentence on one line: long lines are the terminal's to wrap."""
    out.print(text, soft_wrap=True)


def framed(out: Console, content: RenderableType, title: str) -> RenderableType:
    """The content under its title, in a frame on a terminal."""
    if not out.is_terminal:
        return Group(title, content)
    return Panel(content, title=title, title_align="left", box=box.ROUNDED, expand=False)


def grid(out: Console, rows: list[tuple[str, str]]) -> Table:
    """Pairs of a name and what is said of it, in two columns; long texts break at their dots."""
    table = Table.grid(padding=(0, GAP))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    longest = max(len(name) for name, _ in rows)
    room = inner_width(out) - longest - GAP
    for name, text in rows:
        first, *more = _broken(text, room)
        table.add_row(name, first)
        for line in more:
            table.add_row("", line)
    return table


def _broken(text: str, room: int) -> list[str]:
    """The text in lines of at most `room` columns, as far as its dots allow it."""
    first, *parts = text.split(DOT)
    lines = [first]
    for part in parts:
        longer = f"{lines[-1]}{DOT}{part}"
        if len(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


@dataclass(frozen=True)
class Column:
    """A column of a table: of several that have no room side by side, the lowest rank stays.

    Only the cells of a column with `narrowest` may be broken, in lines of so many signs at least.
    """

    heading: str
    cells: Sequence[str | Text]
    rank: int
    is_number: bool = False
    narrowest: int | None = None

    def width(self) -> int:
        """The columns of the screen that it needs."""
        texts = [self.heading, *self.cells]
        width = max(cell_len(str(text)) for text in texts)
        if self.narrowest is not None:
            return min(width, self.narrowest)
        return width


def fitting_table(columns: Sequence[Column], room: int, row_styles: Sequence[str] = ()) -> Table:
    """A table without lines, with the columns for which there is room."""
    chosen: set[int] = set()
    for column in sorted(columns, key=lambda column: column.rank):
        room -= column.width() + GAP
        if room < -GAP:  # the last column has no gap after it
            break
        chosen.add(column.rank)
    shown = [column for column in columns if column.rank in chosen]
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for column in shown:
        justify: JustifyMethod = "right" if column.is_number else "left"
        no_wrap = column.narrowest is None
        table.add_column(column.heading, justify=justify, no_wrap=no_wrap, overflow="fold")
    by_column = [column.cells for column in shown]
    rows = list(zip(*by_column, strict=True))
    styles = row_styles or [""] * len(rows)
    for cells, style in zip(rows, styles, strict=True):
        table.add_row(*cells, style=style)
    return table


def inner_width(out: Console) -> int:
    """The columns that there are within a frame."""
    if out.is_terminal:
        return out.width - FRAME
    return out.width


def percent(share: float) -> str:
    """A share for a person: 0.9833 is '98.33 %'."""
    return f"{100 * share:.2f} %"


def interval(bounds: tuple[float, float]) -> str:
    """A 95 % interval for a person."""
    low, high = bounds
    return f"95 % interval {100 * low:.2f} to {100 * high:.2f} %"


def duration(seconds: float) -> str:
    """A time for a person: '12.3 s', '4:05', '1:02:03'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}"


def count(number: int, thing: str, things: str = "") -> str:
    """A number of things: '1 row', '1,797 rows'."""
    if number == 1:
        return f"1 {thing}"
    if things == "":
        things = f"{thing}s"
    return f"{number:,} {things}"


def shortened(out: Console, name: str, width: int) -> Text:
    """A name in at most `width` columns, its end left out if it is longer."""
    text = out.render_str(name)
    text.truncate(width, overflow="ellipsis")
    return text
