"""The consoles: no text acts on a terminal; numbers and sentences are written for people."""

import re

import pytest
from rich.cells import cell_len
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mlpcli.rendering.console import (
    Column,
    console,
    count,
    duration,
    fitting_table,
    grid,
    interval,
    percent,
    say,
    shortened,
)
from tests.support.terminal import Terminal, lines_of, printed

ACTING = "a\x1b]52;c;aGk=\x07b\x9b31m\r\n\tc\u202ed\u2028\x85"
SHOWN = r"a\x1b]52;c;aGk=\x07b\x9b31m\r\n\tc\u202ed\u2028\x85"
OWN = re.compile(r"\x1b\[[\d;]*m")  # the colours of this program

# Text that would act


def sent(terminal: Terminal, content: RenderableType) -> str:
    out = terminal(200)
    with out.capture() as captured:
        out.print(content)
    return captured.get()


def a_table() -> Table:
    table = Table(ACTING, style="bold")
    table.add_row(ACTING)
    return table


@pytest.mark.parametrize("content", [ACTING, a_table(), Panel(ACTING)])
def test_a_string_has_no_effect_wherever_it_stands(
    content: RenderableType, terminal: Terminal
) -> None:
    output = sent(terminal, content)
    assert SHOWN in output
    assert OWN.sub("", output).replace("\n", "").isprintable()
    assert len(output.splitlines()) == len(sent(terminal, _harmless(content)).splitlines())


def _harmless(content: RenderableType) -> RenderableType:
    """As many lines as the content should have."""
    if isinstance(content, Panel):
        return Panel("a")
    if isinstance(content, Table):
        table = Table("a")
        table.add_row("a")
        return table
    return "a"


def test_a_name_in_two_columns_or_shortened_has_no_effect(terminal: Terminal) -> None:
    out = terminal(200)
    assert SHOWN in OWN.sub("", sent(terminal, grid(out, [(ACTING, "b"), ("c", "d")])))
    assert sent(terminal, shortened(out, ACTING, 100)) == SHOWN + "\n"


def test_a_text_made_by_hand_has_no_effect_either(terminal: Terminal) -> None:
    output = sent(terminal, Text("x\x1b[31my\x9bz", style="bold"))
    assert OWN.sub("", output) == r"x\x1b[31my\x9bz" + "\n"


def test_what_the_program_styles_keeps_its_colours(terminal: Terminal) -> None:
    assert sent(terminal, Text("right", style="green")) == "\x1b[32mright\x1b[0m\n"


@pytest.mark.parametrize("sign", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_a_line_break_in_a_name_makes_no_line(sign: str, terminal: Terminal) -> None:
    assert lines_of(printed(terminal(80), say, f"one{sign}two")) == [
        f"one{sign.encode('unicode_escape').decode()}two",
        "",
    ]


def test_a_shortened_name_is_never_wider_than_asked_for(terminal: Terminal) -> None:
    out = terminal(80)
    for name in (ACTING, "a" * 100, "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 20, "\x1b" * 50):
        assert 8 <= shortened(out, name, 9).cell_len <= 9


# Pairs in two columns


@pytest.mark.parametrize(
    ("width", "texts"),
    [
        (80, ["1,259 train · 179 validation · 359 test", "0"]),
        (40, ["1,259 train · 179 validation", "359 test", "0"]),
        (28, ["1,259 train", "179 validation", "359 test", "0"]),
    ],
)
def test_a_long_text_breaks_at_its_dots(width: int, texts: list[str], terminal: Terminal) -> None:
    out = terminal(width)
    rows = [("rows", "1,259 train · 179 validation · 359 test"), ("seed", "0")]
    lines = lines_of(printed(out, lambda out: out.print(grid(out, rows))))
    assert [line[6:].rstrip() for line in lines[:-1]] == texts
    assert [line[:6].strip() for line in lines if line[:6].strip()] == ["rows", "seed"]


# Tables on narrow screens


def table_lines(width: int, terminal: Terminal) -> list[str]:
    columns = [
        Column("name", ["one", "two"], 0),
        Column("much", ["a long cell", "cell"], 2, narrowest=6),
        Column("n", ["1,000", "2"], 1, is_number=True),
        Column("last", ["x", "y"], 3),
    ]
    text = printed(terminal(width), lambda out: out.print(fitting_table(columns, width)))
    return [line.rstrip() for line in lines_of(text)][:-1]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (30, ["name  much             n  last", "one   a long cell  1,000  x"]),
        (25, ["name  much        n  last", "one   a long  1,000  x"]),
        (24, ["name  much             n", "one   a long cell  1,000"]),
        (19, ["name  much        n", "one   a long  1,000"]),
        (18, ["name      n", "one   1,000"]),
        (11, ["name      n", "one   1,000"]),
        (10, ["name", "one"]),
        (4, ["name", "one"]),
    ],
)
def test_of_a_table_the_columns_that_fit_are_shown(
    width: int, lines: list[str], terminal: Terminal
) -> None:
    shown = table_lines(width, terminal)
    assert max(map(cell_len, shown)) <= width
    assert shown[:2] == lines


def test_rows_of_a_table_may_have_styles(terminal: Terminal) -> None:
    output = sent(terminal, fitting_table([Column("", ["a", "b"], 0)], 80, ["", "bold"]))
    assert output.splitlines()[1:] == ["a", "\x1b[1mb\x1b[0m"]


# Numbers and sentences


def test_numbers_are_written_for_people() -> None:
    assert (percent(0.98333), percent(1)) == ("98.33 %", "100.00 %")
    assert interval((0.25, 0.5)) == "95 % interval 25.00 to 50.00 %"
    assert (count(1, "row"), count(1797, "row"), count(2, "class", "classes")) == (
        "1 row",
        "1,797 rows",
        "2 classes",
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.96, "10.0 s"),
        (59.94, "59.9 s"),
        (60, "1:00"),
        (3599.6, "1:00:00"),
        (7265, "2:01:05"),
        (360_000, "100:00:00"),
    ],
)
def test_a_time_is_written_for_a_person(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_off_a_terminal_the_width_is_always_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in ("20", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        console().print("x" * 121)
    assert capsys.readouterr().out == ("x" * 120 + "\nx\n") * 2


def test_a_sentence_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[bold]:cat: " + "long " * 50 + "[/nothing]"
    say(console(stderr=True), text)
    say(console(stderr=True, quiet=True), "not this")
    assert capsys.readouterr().err == text + "\n"
