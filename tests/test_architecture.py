"""The package is one staircase of rooms: each file imports only from files above it.

The order is that of docs/architecture.md, the rooms' that of the README's table. Each dependency
has one door, and only storage/ opens files.
"""

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlpcli"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

ENTRIES = ("__init__.py", "__main__.py")  # of the package; they stand below everything
FILES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.name not in ENTRIES
)
TREES = {file: ast.parse((PACKAGE / file).read_text(encoding="utf-8")) for file in FILES}
ROOMS = re.findall(r"^\| `mlpcli/([a-z]+)/` ", README, re.MULTILINE)

every_file = pytest.mark.parametrize("file", FILES)


def listed_files() -> list[str]:
    """The files of docs/architecture.md, in its order."""
    files = []
    folder = ""
    for line in re.findall(r"^(?:[a-z]+/$|  [a-z_]+\.py )", PAGE, re.MULTILINE):
        if line.startswith(" "):
            files.append(folder + line.strip())
        else:
            folder = line.removeprefix("mlpcli/")
    return files


ORDER = listed_files()


def room(file: str) -> str:
    """The folder of a file; "" for a file of mlpcli/ itself."""
    return file.rpartition("/")[0]


def imports(tree: ast.AST) -> set[str]:
    """Every module that a tree imports, dotted; `from a import b` counts as both a and a.b."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "a relative import"
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def imported_files(tree: ast.AST) -> set[str]:
    """The files of mlpcli that a tree imports, in functions too."""
    names = {module.removeprefix("mlpcli.").replace(".", "/") for module in imports(tree)}
    return {f"{name}.py" for name in names} & set(FILES)


def packages(tree: ast.AST) -> set[str]:
    """The packages that a tree imports, without their modules."""
    return {module.split(".")[0] for module in imports(tree)}


def outside_functions(tree: ast.Module) -> ast.Module:
    """The module without its functions and classes: what runs when it is imported."""
    kept = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return ast.Module(body=kept, type_ignores=[])


# Rooms and staircase


def test_at_most_nine_files_lie_in_the_package_itself() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 9


def test_the_page_lists_every_file_once() -> None:
    assert sorted(ORDER) == FILES


def test_the_page_and_the_readme_have_the_same_rooms_in_the_same_order() -> None:
    rooms = [room(file) for file in ORDER if room(file)]
    runs = [name for name, before in zip(rooms, ["", *rooms], strict=False) if name != before]
    assert runs == ROOMS
    assert set(ROOMS) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


@every_file
def test_each_file_imports_only_from_files_above_it(file: str) -> None:
    above = ORDER[: ORDER.index(file)]
    assert imported_files(TREES[file]) <= set(above)


@every_file
def test_no_room_imports_a_room_below_it(file: str) -> None:
    if room(file):
        above = ROOMS[: ROOMS.index(room(file)) + 1]
        assert {room(other) for other in imported_files(TREES[file])} <= {"", *above}


def test_no_file_imports_itself_in_a_circle() -> None:
    graph = {file: imported_files(TREES[file]) for file in FILES}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_a_room_as_a_whole_holds_no_code() -> None:
    for path in PACKAGE.glob("*/__init__.py"):
        (docstring,) = ast.parse(path.read_text(encoding="utf-8")).body
        assert isinstance(docstring, ast.Expr)


# Doors

CLI = {file for file in FILES if room(file) == "cli"}
RENDERING = {file for file in FILES if room(file) == "rendering"}
DOORS = {  # the files that import a package when they are imported themselves
    "typer": CLI,
    "rich": RENDERING | CLI,
    "pydantic": {"config.py", "layers.py"},
    "tomli_w": {"config.py"},
    "threadpoolctl": {"machine.py"},
    "filelock": {"storage/locks.py"},
    "runpy": {"gradcheck/student_process.py"},
    "subprocess": {"gradcheck/relay.py", "gradcheck/student.py"},
    "socket": {"training/forked.py"},
}
# Imported by the functions that need them, so that a start does not wait for them.
IN_FUNCTIONS = "sklearn scipy joblib optuna dask distributed mpi4py onnx matplotlib pandas pyarrow"


@every_file
def test_each_dependency_has_one_door(file: str) -> None:
    allowed = {package for package, doors in DOORS.items() if file in doors}
    assert packages(TREES[file]) & DOORS.keys() <= allowed


@every_file
def test_a_dependency_without_a_door_is_imported_in_functions_alone(file: str) -> None:
    known = sys.stdlib_module_names | DOORS.keys() | {"mlpcli", "numpy"}
    assert packages(TREES[file]) <= known | set(IN_FUNCTIONS.split())
    assert packages(outside_functions(TREES[file])) <= known


@pytest.mark.parametrize("file", sorted(CLI))
def test_the_command_line_has_nothing_of_rich_but_a_console(file: str) -> None:
    modules = {name for name in imports(TREES[file]) if name.split(".")[0] == "rich"}
    assert modules <= {"rich.console", "rich.console.Console"}


# Neither disk nor clock nor screen nor hidden randomness.
PURE = {"collections", "dataclasses", "enum", "functools", "itertools", "math", "typing"}


@pytest.mark.parametrize("file", [file for file in FILES if room(file) == "model"])
def test_the_mathematics_needs_numpy_alone(file: str) -> None:
    assert packages(TREES[file]) <= PURE | {"mlpcli", "numpy"}
    others = {other for other in imported_files(TREES[file]) if room(other) != "model"}
    assert others <= {"arrays.py", "errors.py"}


# Files on disk

MODULES = {"gzip", "io", "shutil", "tempfile", "zipfile"}  # any call of theirs
OS = "chmod fdopen fsync link mkdir makedirs open remove rename replace rmdir symlink unlink"
NUMPY = "fromfile genfromtxt load loadtxt memmap save savetxt savez savez_compressed"
METHODS = "mkdir open read_bytes read_text rename rmdir symlink_to tofile touch unlink write_bytes"
CALLS = {"open", *(f"os.{name}" for name in OS.split()), *(f"np.{name}" for name in NUMPY.split())}

# What else opens files, and why.
EXCEPTIONS = {
    "invocation.py": {"shutil.which"},  # looks for the command, and opens nothing
    "machine.py": {"read_text"},  # the system's own files in /proc and /sys
    "datasets/csvtext.py": {"gzip.GzipFile"},  # unpacks a file that storage/ has opened
    "datasets/idx.py": {"gzip.open"},  # unpacks a file that storage/ has opened
    "datasets/named.py": {"tempfile.TemporaryDirectory"},  # where scikit-learn downloads to
    "gradcheck/student.py": {"tempfile.TemporaryDirectory"},  # where a student's file runs
    "cli/startup.py": {"os.open"},  # /dev/null, in place of a stream that is closed
    "cli/streams.py": {"os.open"},  # /dev/null, in place of a stream that failed
}


def file_calls(tree: ast.AST) -> set[str]:
    """The calls in a tree that open, make, move or delete files."""
    calls = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            method = name.rpartition(".")[2]
            if name in CALLS or name.split(".")[0] in MODULES:
                calls.add(name)
            elif name != method and method in METHODS.split():
                calls.add(method)
    return calls


@pytest.mark.parametrize("file", [file for file in FILES if room(file) != "storage"])
def test_only_storage_opens_files(file: str) -> None:
    assert file_calls(TREES[file]) == EXCEPTIONS.get(file, set())


# The rest


@every_file
def test_no_file_is_over_250_lines_and_no_function_over_40(file: str) -> None:
    lines = (PACKAGE / file).read_text(encoding="utf-8").splitlines()
    functions = [node for node in ast.walk(TREES[file]) if isinstance(node, ast.FunctionDef)]
    lengths = {node.name: (node.end_lineno or 0) - node.body[0].lineno for node in functions}
    assert len(lines) <= 250
    assert [name for name in lengths if lengths[name] > 40] == []


@every_file
def test_nothing_unpickles_or_runs_text_as_code(file: str) -> None:
    assert not packages(TREES[file]) & {"pickle", "marshal", "shelve", "dill"}
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
