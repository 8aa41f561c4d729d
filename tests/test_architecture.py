"""The package is one staircase: the README's map lists its files, and each imports only from files above it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlpcli"
ROOMS = re.findall(
    r"^\| `mlpcli/([a-z]+/)` ", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
)
FILES = [path for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")]


def listed() -> list[str]:
    """The files of docs/architecture.md, in its order."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    room, found = "", []
    for line in re.findall(r"^(?:[a-z]+/$|  [a-z_]+\.py )", page, re.MULTILINE):
        if line.startswith(" "):
            found.append(room + line.strip())
        else:
            room = "" if line == "mlpcli/" else line
    return found


MAP = listed()
DOORS = {
    "typer": {"cli/boundary.py", "cli/app.py"},
    "threadpoolctl": {"machine.py"},
    "rich": {
        "rendering/console.py",
        "rendering/train.py",
        "rendering/evaluation.py",
        "rendering/gradcheck.py",
    },
    "pydantic": {"config.py", "layers.py"},
    "annotated_types": {"config.py"},
    "tomli_w": {"config.py"},
    "filelock": {"storage/runfolder.py"},
    "runpy": {"gradcheck/student.py"},
    "subprocess": {"gradcheck/student.py"},
    "socket": {"training/forked.py"},
    "sklearn": set(),
    "scipy": set(),
}


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(tree: ast.AST) -> set[str]:
    """Every module that a tree imports, dotted; `from a import b` counts as both a and a.b."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def outside_functions(tree: ast.Module) -> ast.Module:
    """The module without its functions' bodies: what runs when it is imported."""
    kept = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return ast.Module(body=kept, type_ignores=[])


def test_the_map_lists_every_file_once() -> None:
    assert sorted(MAP) == sorted(map(name, FILES))


def test_the_readme_has_the_rooms_in_the_order_of_the_map() -> None:
    assert list(dict.fromkeys(f"{file.split('/')[0]}/" for file in MAP if "/" in file)) == ROOMS


@pytest.mark.parametrize("path", FILES, ids=name)
def test_each_file_imports_only_from_files_above_it(path: Path) -> None:
    above = MAP[: MAP.index(name(path))]
    own = {
        module
        for module in imports(ast.parse(path.read_text(encoding="utf-8")))
        if module.startswith("mlpcli.")
    }
    files = {"/".join(module.split(".")[1:]) + ".py" for module in own}
    assert {file for file in files if (PACKAGE / file).exists()} <= set(above)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_each_dependency_has_one_door(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {module.split(".")[0] for module in imports(tree)}
    at_import = {module.split(".")[0] for module in imports(outside_functions(tree))}
    assert not [d for d in at_import & DOORS.keys() if name(path) not in DOORS[d]]
    assert not [
        d for d in inside & DOORS.keys() - {"sklearn", "scipy"} if name(path) not in DOORS[d]
    ]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_is_over_250_lines_and_no_function_over_40(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert len(text.splitlines()) <= 250
    assert not [f.name for f in functions if (f.end_lineno or 0) - f.body[0].lineno > 40]


def test_nothing_in_the_package_unpickles_or_runs_text_as_code() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            assert not (
                isinstance(called, ast.Name)
                and called.id in ("eval", "exec", "compile", "__import__")
            )
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is False
        assert not imports(ast.parse(path.read_text(encoding="utf-8"))) & {
            "pickle",
            "marshal",
            "shelve",
            "dill",
        }


def test_comments_are_under_a_tenth_of_the_lines() -> None:
    lines = [
        line
        for path in FILES
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    assert sum("  # " in line or line.lstrip().startswith("#") for line in lines) < len(lines) / 10
