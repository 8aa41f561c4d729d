"""Every loader with two thousand damaged inputs and all that the fuzzer found before.

The last tests are of the fuzzer itself: it must find what it is for.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.errors import DataError
from tests.reliability import fuzz
from tests.reliability.fuzz import SEEDS, in_child, keep
from tests.support.loaders import LOADERS, Loader

INPUTS = 2_000


@pytest.mark.parametrize("name", LOADERS)
def test_whatever_a_file_holds_it_is_read_or_refused_in_a_sentence(name: str) -> None:
    campaign = in_child(name, INPUTS // len(LOADERS), seed=1)
    assert not list(campaign.found.values())
    assert campaign.n_inputs > INPUTS // len(LOADERS)
    assert any(form.startswith("read: ") for form in campaign.forms)


def test_each_kept_input_belongs_to_a_loader() -> None:
    assert {path.name.split("-")[0] for path in SEEDS.iterdir()} <= LOADERS.keys()


def raise_key_error(folder: Path, content: bytes) -> None:
    raise KeyError("a traceback")


def warn(folder: Path, content: bytes) -> None:
    warnings.warn("something is odd", RuntimeWarning, stacklevel=1)


def hang(folder: Path, content: bytes) -> None:
    while True:
        pass


def take_memory(folder: Path, content: bytes) -> None:
    bytearray(2 * fuzz.MEMORY)


def name_no_file(folder: Path, content: bytes) -> None:
    raise DataError("It is bad.")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (raise_key_error, "KeyError: 'a traceback'"),
        (warn, "RuntimeWarning: something is odd"),
        (hang, "TooSlow: over 0.05 s"),
        pytest.param(
            take_memory,
            "MemoryError: ",
            marks=pytest.mark.skipif(not fuzz.LINUX, reason="memory has no limit"),
        ),
        (name_no_file, "It is bad."),
    ],
)
def test_what_a_loader_must_not_do_is_found_and_kept(
    read: Callable[[Path, bytes], None],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(LOADERS, "bad", Loader(lambda folder: [b"input"], (), read))
    monkeypatch.setattr(fuzz, "SECONDS", 0.05)
    monkeypatch.setattr(fuzz, "SEEDS", tmp_path)
    found = in_child("bad", 0, seed=0).found
    assert found == {b"input": message}
    keep("bad", found)
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"input"
    assert capsys.readouterr().out == f"{path}: {message}\n"
    assert fuzz.kept_inputs("bad") == [b"input"]


def test_an_input_that_is_answered_in_new_words_is_mutated_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(folder: Path, content: bytes) -> None:
        deep = len(content) - len(content.lstrip(b"a"))
        if deep > 9:
            raise KeyError("deep inside")
        raise DataError(f"{folder}: begins with {'a' * deep}.")

    loader = Loader(
        lambda folder: [b"b"],
        (lambda content, rng: rng.choice((b"a", b"b")) + content,),
        read,
    )
    monkeypatch.setitem(LOADERS, "deep", loader)
    assert list(in_child("deep", 1_000, seed=0).found.values()) == ["KeyError: 'deep inside'"]
