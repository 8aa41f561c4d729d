"""Messages: numbers of bytes, lists of names, and what the system says of a failure."""

import pytest

from mlpcli.messages import (
    names_in_words,
    printable,
    printable_lines,
    size_in_words,
    system_reason,
)


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1.5 * 2**20, "1.5 MiB"),
        (2**30, "1.0 GiB"),
        (2**45, "32.0 TiB"),
        (2**70, "1048576.0 PiB"),
    ],
)
def test_a_size_is_written_for_a_person(nbytes: float, text: str) -> None:
    assert size_in_words(nbytes) == text


def test_a_system_error_without_words_of_its_own_is_still_told() -> None:
    assert system_reason(OSError("it broke")) == "it broke"
    assert (
        system_reason(OSError(28, "No space left on device", "/some/path"))
        == "No space left on device"
    )


def test_of_many_names_a_sentence_lists_the_first_ten() -> None:
    assert names_in_words(tuple("abcdefghij")) == "a, b, c, d, e, f, g, h, i, j"
    assert names_in_words(tuple("abcdefghijk")) == "a, b, c, d, e, f, g, h, i, j, … (11 in all)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"),  # writes the clipboard
        ("\x9b31m\x90q\x9c", r"\x9b31m\x90q\x9c"),  # the same by C1
        ("a\nb\r\nc\td", r"a\nb\r\nc\td"),
        ("\x00\x08\x7f\x0b\x0c\x85", r"\x00\x08\x7f\x0b\x0c\x85"),
        ("\u202egpj.exe\u202c", r"\u202egpj.exe\u202c"),
        ("\u2066a\u2069\u061c\u200e\u200f", r"\u2066a\u2069\u061c\u200e\u200f"),
        ("cat\u200b", r"cat\u200b"),  # not the same as cat
        ("\ufeffcat\u2060\xad", r"\ufeffcat\u2060\xad"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\U000e0041", r"\U000e0041"),
        ("\udcff\ud800", r"\udcff\ud800"),
    ],
)
def test_what_acts_on_a_terminal_is_shown_by_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(f"a {text} b") == f"a {shown} b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "né☃中",
        "back\\slash",
        "a b\xa0c",
        "می\u200cخواهم",
        "e\u0301",
        "\U0001f468\u200d\U0001f469",
    ],
)
def test_every_other_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_no_sign_that_is_left_is_a_control_character() -> None:
    for number in (*range(0x3000), *range(0xD800, 0x110000, 7)):
        shown = printable(chr(number))
        assert shown.isprintable() or shown == chr(number)
        if number < 0x20 or 0x7F <= number < 0xA0:
            assert shown.isascii()
            assert shown.isprintable()
        assert printable(shown) == shown


def test_a_text_of_several_lines_keeps_them_alone() -> None:
    assert printable_lines("a\x1b\nb\r\n\n") == "a\\x1b\nb\\r\n\n"
