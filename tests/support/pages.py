"""The pages of documentation: their text, their commands, their tables, the names that they use."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    """A page's path from the project's folder."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of code of one language, in order."""
    text = page.read_text(encoding="utf-8")
    return [code for _, found, code in FENCE.findall(text) if found == language]


def commands(page: Path) -> list[str]:
    """The lines of the shell blocks, without comments."""
    lines = "".join(blocks(page, "sh")).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def prose(page: Path) -> str:
    """The text without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def table(page: Path, *headings: str) -> list[list[str]]:
    """The cells of the table with these headings, row by row."""
    head = "| " + " | ".join(headings) + " |\n"
    text = page.read_text(encoding="utf-8")
    assert text.count(head) == 1, (page, headings)
    lines = text.split(head)[1].splitlines()[1:]
    rows = []
    for line in lines:
        if not line.startswith("| "):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def codes(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`\n]+)`", text)


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in kept}
