"""Every file, function and page that the documentation names is there."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.pages import PAGES, ROOT, anchors, codes, name_of, prose

SUFFIXES = (".py", ".md", ".toml", ".svg", ".yml", ".yaml", ".txt")
FOLDERS = ("mlpcli", "tests", "docs", "benchmarks", "configs", "examples")
SOURCES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
FILES = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*")} | {
    path.name for path in ROOT.iterdir()
}
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_IN = re.compile(r"((?:`[\w.]+`(?:, | and )?)+)(?: [\w ]+)? in \[[^\]]*\]\(([^)#]+\.py)\)")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
RUNS = {"config.toml", "iris.csv"}  # files of a reader, not of the project
WORDS = {
    word
    for path in [*SOURCES, ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("configs/*")]
    for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))
}

pages = pytest.mark.parametrize("page", PAGES, ids=name_of)


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target) if target else page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path), link


@pages
def test_every_path_is_one(page: Path) -> None:
    for code in codes(prose(page)):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", code) and is_path(code):
            places = [ROOT / code, page.parent / code, ROOT / "mlpcli" / code]
            assert any(place.exists() for place in places), code
        elif re.fullmatch(r"\w[\w.-]*", code) and code.endswith(SUFFIXES):
            assert code in FILES | RUNS, code


def is_path(code: str) -> bool:
    return code.endswith(SUFFIXES) or code.split("/")[0] in FOLDERS


@pages
def test_every_name_that_is_said_to_be_in_a_file_is_defined_there(page: Path) -> None:
    for names, link in NAMED_IN.findall(prose(page)):
        defined = definitions(page.parent / link)
        for name in codes(names):
            assert name in defined, (name, link)


@pages
def test_every_identifier_occurs_in_the_code(page: Path) -> None:
    for code in codes(prose(page)):
        if IDENTIFIER.fullmatch(code) and not code.startswith("np.") and code not in FILES | RUNS:
            assert set(code.split(".")) <= WORDS, code


@pages
def test_every_module_that_python_is_to_run_is_one(page: Path) -> None:
    for module in re.findall(r"python -m ([\w.]+)", page.read_text(encoding="utf-8")):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or module in ("pytest", "mlpcli"), module


def definitions(path: Path) -> set[str]:
    """The functions, classes and constants of a file, and methods as Class.method."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
            methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            found |= {f"{node.name}.{method.name}" for method in methods}
    return found
