"""What an installer, a hook and a workflow read agrees with each other."""

import re
import tomllib
from pathlib import Path
from typing import TypeAlias

import pytest

import mlpcli
from tests.support.pages import ROOT, prose

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = ROOT / "constraints.txt"
OLDEST = ROOT / "constraints-oldest.txt"
WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"
Version: TypeAlias = tuple[int, ...]


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def version(text: str) -> Version:
    """A version as numbers; 2.0 and 2.0.0 are the same."""
    numbers = [int(part) for part in text.split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def pinned(path: Path) -> dict[str, Version]:
    """The versions in a file of constraints, which has no other lines."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, text = line.split("==")
            found[normal(name)] = version(text)
    return found


def lowest() -> dict[str, Version]:
    """The lowest version that is allowed of each dependency."""
    pairs = [dependency.split(">=") for dependency in PROJECT["dependencies"]]
    return {normal(name): version(text) for name, text in pairs}


def test_the_package_says_that_it_has_types() -> None:
    assert (Path(mlpcli.__file__).parent / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_oldest_versions_allowed_are_those_that_are_tested() -> None:
    tested = pinned(OLDEST)
    for name, found in lowest().items():
        assert tested[name] == found, name


def test_the_versions_of_the_tests_are_allowed() -> None:
    newest = pinned(CONSTRAINTS)
    for name, found in lowest().items():
        assert newest[name] >= found, name


@pytest.mark.parametrize("name", ["pytest", "ruff", "mypy", "hypothesis", "coverage", "scipy"])
def test_the_tools_have_a_version_too(name: str) -> None:
    assert name in pinned(CONSTRAINTS)


def test_the_workflow_has_every_python_that_is_promised() -> None:
    start = "Programming Language :: Python :: "
    promised = [line.removeprefix(start) for line in PROJECT["classifiers"] if start in line]
    versions = [text for text in promised if text.startswith("3.")]
    assert PROJECT["requires-python"] == f">={versions[0]}"
    (matrix,) = re.findall(r"^ +python: \[(.+)\]$", WORKFLOW.read_text("utf-8"), re.MULTILINE)
    assert matrix == ", ".join(f'"{text}"' for text in versions)


def test_the_wheel_has_the_name_of_the_distribution() -> None:
    name = PROJECT["name"]
    assert name != "mlpcli"  # which is another project's
    assert f"{name.replace('-', '_')}-*.whl" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = " ".join(prose(ROOT / "README.md").split())
    assert "`pip install mlpcli` installs another project" in readme
    assert f"`{name}`" in readme
