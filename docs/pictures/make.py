"""Draw the README's pictures: real commands, on a console that records what a terminal shows.

`python -m docs.pictures.make FOLDER` writes the pictures into a folder, as `make pictures` does.
"""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import typer.main
from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from mlpcli.cli.app import app

ROOT = Path(__file__).parents[2]
COLUMNS = 92
COMMANDS = {
    "train": ["train", "--out", "runs/first"],
    "gradcheck": ["gradcheck", "--impl", "examples/homework_as_printed.py"],
}
THEME = TerminalTheme(
    background=(30, 34, 42),
    foreground=(216, 222, 233),
    normal=[
        (30, 34, 42),
        (240, 113, 120),
        (134, 206, 130),
        (235, 203, 139),
        (129, 161, 225),
        (197, 148, 222),
        (114, 202, 212),
        (216, 222, 233),
    ],
)
# As rich's own, without its title bar and without fonts from elsewhere: a page may not fetch them.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
  <style>
    .{unique_id}-matrix {{
      font-family: "DejaVu Sans Mono", Menlo, Consolas, ui-monospace, monospace;
      font-size: {char_height}px;
      line-height: {line_height}px;
      font-variant-east-asian: full-width;
    }}
    {styles}
  </style>
  <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
  </defs>
  {chrome}
  <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
  </g>
</svg>
"""


def record(words: list[str]) -> Console:
    """Run the command in the present folder, on a terminal whose screen is recorded.

    The terminal cannot move its cursor, so the progress bar, which a run takes away at its end,
    is not in the record.
    """
    screen = Console(
        record=True,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        width=COLUMNS,
        height=50,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={"TERM": "dumb"},
    )
    screen.print(f"$ mlpcli {' '.join(words)}", style="bold")
    with patch("mlpcli.rendering.console.console", lambda stderr=False, quiet=False: screen):
        typer.main.get_command(app).main(words, standalone_mode=False)
    return screen


@contextlib.contextmanager
def empty_folder() -> Iterator[None]:
    """A folder as a newcomer has it, with the examples and nothing else, for the time of a run."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.symlink(ROOT / "examples", "examples")
        yield


def check_width(screen: Console) -> None:
    """A picture would cut off what is to the right of its edge."""
    for line in screen.export_text(clear=False).splitlines():
        if cell_len(line) > COLUMNS:
            raise SystemExit(f"This line is longer than {COLUMNS} columns: {line}")


def draw(folder: Path) -> None:
    """Write each picture into the folder, under the name of its command."""
    for name, words in COMMANDS.items():
        with empty_folder():
            screen = record(words)
        check_width(screen)
        svg = screen.export_svg(title="", theme=THEME, code_format=SVG, unique_id=name)
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    draw(Path(sys.argv[1]).absolute())
