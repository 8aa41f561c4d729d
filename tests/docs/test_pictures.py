"""The README's pictures say what the program says today, but for what depends on the machine."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import ROOT

PICTURES = ROOT / "docs" / "pictures"
NAMES = ("train", "gradcheck")
CELL = re.compile(r'<text class="[\w-]+" x="([\d.]+)" y="([\d.]+)" [^>]*>(.*?)</text>')
# What the machine decides: every number of a run, and the errors of a check.
VARYING = {"train": re.compile(r"\d[\d.,]*(e[-+]\d+)?"), "gradcheck": re.compile(r"\de[-+]\d+")}
RATE = 6  # index of the rows a second among the words of an epoch's line


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pictures as the program makes them now."""
    folder = tmp_path_factory.mktemp("pictures")
    command = [sys.executable, "-m", "docs.pictures.make", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    return folder


def lines_of(picture: Path) -> list[str]:
    """The lines of text in a picture, without the spaces between words."""
    lines: dict[float, list[str]] = {}
    for _, y, text in CELL.findall(picture.read_text(encoding="utf-8")):
        lines.setdefault(float(y), []).append(html.unescape(text))
    return [" ".join("".join(cells).split()) for _, cells in sorted(lines.items())]


def wording(name: str, picture: Path) -> list[str]:
    """The lines without the numbers that vary, and without what follows from them.

    That is the mark of a best epoch, and the length of a frame's line beside its title.
    """
    lines = [VARYING[name].sub("0", line) for line in lines_of(picture)]
    return [re.sub(r"─+", "─", line).replace("0 *", "0") for line in lines]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_has_the_words_of_the_program(name: str, drawn: Path) -> None:
    there = wording(name, PICTURES / f"{name}.svg")
    assert len(there) > 10
    assert there == wording(name, drawn / f"{name}.svg"), "run `make pictures`"


def test_the_picture_of_a_run_has_the_numbers_of_the_program(drawn: Path) -> None:
    there = lines_of(PICTURES / "train.svg")
    now = lines_of(drawn / "train.svg")
    assert plan(there) == plan(now)
    assert first_epoch(there)[:RATE] == first_epoch(now)[:RATE]


def plan(lines: list[str]) -> list[str]:
    """The lines above the first epoch's; the memory depends on the machine's cores."""
    above = lines[: lines.index(next(line for line in lines if line.startswith("epoch")))]
    return [line for line in above if "memory" not in line]


def first_epoch(lines: list[str]) -> list[str]:
    """The words of the first epoch's line, in which no machine's last bits show yet."""
    (line,) = [line for line in lines if line.startswith("1 ")]
    return line.split()


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_fetches_nothing_from_elsewhere(name: str) -> None:
    text = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert "url(#" in text
    assert not re.findall(r"url\((?!#)", text)
