"""docs/references.md has an entry for every source that the code and pages name, and no other."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST = ROOT / "docs" / "references.md"
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
FILES = [path for path in [*(ROOT / "mlpcli").rglob("*.py"), *PAGES] if path != LIST]

# "Wilson 1927", "Kingma and Ba 2015", "He et al. (2015)"; no date such as "Measured 2026-01-31"
NAME = r"[A-Z]\w+"
CITATION = re.compile(rf"\b({NAME}(?: et al\.| and {NAME})?),?\s+\(?((?:19|20)\d\d)\b(?!-)")
ENTRIES = re.findall(r"^- \*\*(.+?)\.\*\* (.*?)(?=\n- |\Z)", LIST.read_text("utf-8"), re.M | re.S)


def cited(path: Path) -> set[str]:
    text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
    return {f"{names} {year}" for names, year in CITATION.findall(text)}


def test_every_source_that_is_named_has_an_entry_and_every_entry_is_named() -> None:
    named = set[str]().union(*map(cited, FILES))
    assert named == {key for key, _ in ENTRIES}


def test_entries_are_in_order_and_each_stands_once() -> None:
    keys = [key for key, _ in ENTRIES]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(("key", "entry"), ENTRIES, ids=[key for key, _ in ENTRIES])
def test_an_entry_has_its_authors_a_title_and_where_to_find_it(key: str, entry: str) -> None:
    one_line = re.sub(r"\s+", " ", entry)
    found = re.fullmatch(r"([^:*]+): \*([^*]+)\.\* (.+)\. <(https://\S+)>", one_line.strip())
    assert found
    authors, title, _, address = found.groups()
    first = re.split(r" et al| and | \d", key)[0]
    assert authors.split(", ")[0].endswith(first)
    assert len(title.split()) > 3
    assert re.match(r"https://(doi|arxiv|jmlr|proceedings\.mlr)\.", address)


@pytest.mark.parametrize(
    "sentence",
    ["(Wilson 1927).", "by He et al. 2015 for", "After Kingma and Ba\n2015.", "He et al. (2015)"],
)
def test_a_citation_is_recognised(sentence: str) -> None:
    assert CITATION.search(sentence)
