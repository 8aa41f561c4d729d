"""What to type to start the command again: a line that runs as it is printed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlpcli.invocation import command_line, path_word, quoted

WORDS = [
    "runs/first",
    "a run",
    "it's",
    '"quoted"',
    "$HOME `id` *",
    "~",
    "back\\slash",
    "né☃",
    "a\x1b]52;c;aGk=\x07b",
    "one\ntwo",
    "\u202egpj.exe",
    "tab\t'quote\\",
    os.fsdecode(b"\xff\xfe"),
]
SCRIPT = """#!{python}

from mlpcli.invocation import command_line
print(command_line("eval", "a run"))
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="this machine has no bash")
@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_one_word_for_a_shell_and_no_control_character(word: str) -> None:
    line = quoted(word)
    assert not set(map(chr, range(32))) & set(line)
    done = subprocess.run(["bash", "-c", f"printf %s {line}"], capture_output=True, check=True)
    assert done.stdout == os.fsencode(word)


def test_a_path_is_never_a_flag() -> None:
    assert path_word("--json") == "./--json"
    assert path_word(Path("runs/-x")) == "runs/-x"


def test_in_another_program_the_command_has_its_name() -> None:
    assert command_line("eval", "a run") == "mlpcli eval 'a run'"


def installed(folder: Path) -> Path:
    """A command called mlpcli in that folder, which prints what to type next."""
    folder.mkdir(parents=True)
    program = folder / "mlpcli"
    program.write_text(SCRIPT.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    return program


def answer(shell_line: str, cwd: Path, path: str) -> str:
    environment = os.environ | {"PATH": f"{path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", shell_line], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_command_on_the_path_is_called_by_its_name(tmp_path: Path) -> None:
    program = installed(tmp_path / "bin")
    assert answer("mlpcli", tmp_path, str(program.parent)) == "mlpcli eval 'a run'"
    assert answer(str(program), tmp_path, str(program.parent)) == "mlpcli eval 'a run'"


def test_a_link_to_the_command_is_the_command(tmp_path: Path) -> None:
    program = installed(tmp_path / "venv" / "bin")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mlpcli").symlink_to(program)
    assert answer("mlpcli", tmp_path, str(tmp_path / "bin")) == "mlpcli eval 'a run'"
    assert answer(str(program), tmp_path, str(tmp_path / "bin")) == "mlpcli eval 'a run'"


@pytest.mark.parametrize("other", [False, True])
def test_a_command_that_is_not_on_the_path_is_called_by_its_own(
    other: bool, tmp_path: Path
) -> None:
    program = installed(tmp_path / "a venv" / "bin")
    path = str(tmp_path / "nowhere")
    if other:  # another installation, which the name would start
        path = str(installed(tmp_path / "other").parent)
    for start in ("'a venv/bin/mlpcli'", "./'a venv'/bin/mlpcli", f"'{program}'"):
        assert answer(start, tmp_path, path) == "'a venv/bin/mlpcli' eval 'a run'"
    assert answer("./mlpcli", program.parent, path) == "./mlpcli eval 'a run'"
    (tmp_path / "elsewhere").mkdir()
    start = "'../a venv/bin/mlpcli'"
    assert answer(start, tmp_path / "elsewhere", path) == f"'{program}' eval 'a run'"


def test_python_m_is_repeated(tmp_path: Path) -> None:
    package = tmp_path / "site" / "mlpcli"
    package.mkdir(parents=True)
    text = (
        "import sys; sys.path.pop(0); del sys.modules['mlpcli']\n"
        "from mlpcli.invocation import command_line\nprint(command_line('eval', 'run'))\n"
    )
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__main__.py").write_text(text, encoding="utf-8")
    line = f"cd site && exec {sys.executable} -X utf8 -m mlpcli train --epochs 2"
    expected = f"{sys.executable} -X utf8 -m mlpcli eval run"
    assert answer(line, tmp_path, "") == expected
