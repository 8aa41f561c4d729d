"""Messages: numbers of bytes, lists of names, and what the system says of a failure."""

import pytest

from mlpcli.messages import names_in_words, size_in_words, system_reason


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
