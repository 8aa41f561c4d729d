"""Cells that are read from bytes: the same as those that are read one by one, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.arrays import Floats, Raw
from mlpcli.config import MISSING
from mlpcli.datasets import csvbytes, csvrows
from mlpcli.datasets.csvblocks import ByteRows, Dialect, cut_bytes
from mlpcli.datasets.csvbytes import Spans, parse_numbers
from mlpcli.datasets.csvcells import Levels, Numbers
from mlpcli.datasets.csvrows import Rows, TextRows, cut
from tests.support.formats import many


def spans(cells: list[str]) -> Spans:
    """The cells as those of the first of two columns."""
    block = "".join(f"{cell};x\n" for cell in cells).encode()
    (rows,) = cut("file", iter([block]), Dialect(";", '"', 2))
    assert isinstance(rows, ByteRows)
    return rows.cells([0])


def bits(numbers: Floats) -> Raw:
    return numbers.view(np.uint64)


digits = st.text("0123456789", max_size=24)
spelled = st.builds(
    lambda sign, whole, point, decimals: sign + whole + point + decimals,
    st.sampled_from(["", "", "-", "+"]),
    digits,
    st.sampled_from(["", ".", ".", ".0", ".00000"]),
    digits,
)
halfway = st.builds(  # between two float64s
    lambda number, places: f"{(2 * number + 1) * 5**places:0{places + 1}}"[:23],
    st.integers(2**52, 2**53 - 1),
    st.integers(0, 3),
)
printed = st.floats(allow_nan=False, allow_infinity=False).map(repr)
odd = st.text("0123456789+-.,eE_ /:xnaif", max_size=12)
number_cells = spelled | halfway | printed | odd | st.sampled_from(["", "NA", "?", "5", "é", "５"])


@many
@given(st.lists(number_cells, min_size=1, max_size=60), st.sampled_from(".,"))
def test_numbers_are_those_of_python_to_the_last_bit(cells: list[str], decimal: str) -> None:
    if decimal == ",":
        cells = [cell.translate(str.maketrans(".,", ",.")) for cell in cells]
    numbers = Numbers(MISSING, decimal)
    fast, fast_bad = numbers.encode(spans(cells))
    slow, slow_bad = numbers.encode(cells)
    assert fast_bad == slow_bad
    present = ~np.isnan(slow)
    np.testing.assert_array_equal(np.isnan(fast), ~present)
    np.testing.assert_array_equal(bits(fast[present]), bits(slow[present]))


def test_plain_numbers_need_no_python() -> None:
    cells = ["0", "-0", "7.25", "+.5", "5.", "12345678", "1234567.8", "-123456789.123456789"]
    _, left = parse_numbers(spans([*cells, "0.12345678901234567"]), ".")
    assert left.tolist() == [] or not csvbytes.EXTENDED
    _, left = parse_numbers(spans(["", "-", ".", "-.", "1e5", "1.2.3", "--1", "9" * 24]), ".")
    assert left.tolist() == list(range(8))


def test_without_extended_precision_numbers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    cells = [repr(number) for number in generator.uniform(0, 1, 500).tolist()]
    monkeypatch.setattr(csvbytes, "EXTENDED", False)
    values, _ = Numbers(MISSING, ".").encode(spans(cells))
    np.testing.assert_array_equal(values, [float(cell) for cell in cells])


def test_printed_numbers_of_any_length_are_those_of_python() -> None:
    generator = np.random.default_rng(1)
    for decimals in range(1, 18):
        numbers = generator.normal(0, 10.0 ** generator.integers(-4, 5), 2000)
        cells = [f"{number:.{decimals}f}" for number in numbers.tolist()]
        values, bad = Numbers(MISSING, ".").encode(spans(cells))
        assert bad == []
        np.testing.assert_array_equal(bits(values), bits(np.array([float(cell) for cell in cells])))


words = st.text("abcé日 ", max_size=6) | st.sampled_from(
    ["x" * n for n in (7, 8, 9, 16, 31, 32, 33, 80)] + ["a" + "x" * 8, "b" + "x" * 8, "NA", "?"]
)


@many
@given(st.lists(st.lists(words, min_size=1, max_size=30), min_size=1, max_size=4))
def test_levels_are_found_again_by_their_bytes(blocks: list[list[str]]) -> None:
    fast, slow = Levels(MISSING), Levels(MISSING)
    for cells in blocks:
        codes = fast.encode(spans(cells))
        expected = slow.encode(cells)
        found = [fast.names[int(code)] if code == code else None for code in codes]
        assert found == [slow.names[int(code)] if code == code else None for code in expected]
    assert sorted(fast.names) == sorted(slow.names)


def test_levels_that_share_a_slot_or_find_no_place_are_right_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlpcli.datasets.csvwords.MAX_ENTRIES", 20)
    monkeypatch.setattr("mlpcli.datasets.csvwords.TO_SLOT", np.uint64(60))
    levels = Levels(MISSING)
    cells = [f"word {k % 50}" for k in range(500)]
    for _ in range(2):
        codes = levels.encode(spans(cells))
        assert [levels.names[int(code)] for code in codes] == cells


def test_levels_of_a_model_stay_those_of_the_model() -> None:
    levels = Levels(MISSING, ("elm", "oak"))
    for cells in (spans(["oak", "ash", "?", "elm", "ash"]), ["oak", "ash", "?", "elm", "ash"]):
        np.testing.assert_array_equal(levels.encode(cells), [1, -1, np.nan, 0, -1])
    assert levels.names == ["elm", "oak"]


pieces = st.sampled_from(
    [
        *"ab1 \t\"'é",
        '""',
        '"a"',
        '"a,b"',
        "'a b'",
        '"a""b"',
        "don't",
        " ",
        '"x" ',
        "\u00a0y",
        '"x"y',
    ]
)
lines = st.lists(st.lists(pieces, max_size=3).map("".join), min_size=1, max_size=4)
dialects = st.builds(
    Dialect,
    st.sampled_from(",;\t| "),
    st.sampled_from("\"'"),
    st.integers(1, 4),
    st.booleans(),
)


def texts(rows: Rows, width: int) -> list[str]:
    cells = rows.cells(range(width))
    return [cells[index].strip() for index in range(len(rows) * width)]


@many
@given(st.lists(lines, min_size=1, max_size=6), dialects)
def test_bytes_are_cut_as_the_csv_module_cuts_them(
    table: list[list[str]], dialect: Dialect
) -> None:
    block = "".join(dialect.delimiter.join(row) + "\n" for row in table).encode()
    if dialect.delimiter == " ":
        block = csvrows.with_single_spaces(block)
    fast = cut_bytes(block, dialect, 1)
    if fast is None:
        return
    slow = csvrows._cut_lines("file", csvrows._Lines(block, iter(()), 1), dialect)
    assert slow.faults == {}
    assert list(fast.lines) == list(slow.lines)
    assert texts(fast, dialect.width) == texts(slow, dialect.width)


@many
@given(st.lists(st.lists(st.sampled_from(["1", '"a\nb"', '"\n\n"', "c"]), min_size=2, max_size=2)))
def test_quoted_cells_may_go_on_in_the_next_block(table: list[list[str]]) -> None:
    text = "".join(f"{a},{b}\n" for a, b in table)
    blocks = [f"{line}\n".encode() for line in text.split("\n")[:-1]]
    dialect = Dialect(",", '"', 2)
    found: list[str] = []
    numbers: list[int] = []
    for rows in cut("file", iter(blocks), dialect, 5):
        found += texts(rows, 2)
        numbers += rows.lines
        assert isinstance(rows, TextRows | ByteRows)
    assert found == [cell.strip('"').strip() for row in table for cell in row]
    assert numbers == [
        5 + k for k in np.cumsum([sum(map(len_lines, row)) + 1 for row in table]) - 1
    ]


def len_lines(cell: str) -> int:
    return cell.count("\n")
