"""Students' files, in any style and with any fault, are run in a process of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from mlpcli.errors import CheckError
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS
from mlpcli.gradcheck.student import pack, run_backward
from mlpcli.storage.writing import write_npz
from tests.support.student_files import FAULTS, PLAIN, RETURNING

pytestmark = pytest.mark.usefixtures("measure_children")

CASES = [small_case("any", "relu", 0, dropout=0.5)]


def write(folder: Path, text: str, name: str = "backward.py") -> Path:
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def returned_names(path: Path) -> list[str]:
    """The names of the gradients that the file's first call returns."""
    first, _ = run_backward(path, CASES, 30)[0]
    return list(first)


def test_each_call_gets_fresh_arrays_of_the_promised_shapes(tmp_path: Path) -> None:
    text = """
    import numpy as np
    def backward(x, y, r, W1, b1, W2, b2):
        assert [v.dtype.kind for v in (x, y, r, W1, b1, W2, b2)] == list("fifffff")
        assert x.shape == (7, 5) and y.shape == (7,) and r.shape == (7, 9)
        assert W1.shape == (5, 9) and b1.shape == (9,) and W2.shape == (9, 4) and b2.shape == (4,)
        seen = W1.copy()
        W1[:] = np.nan
        return {"W1": seen}
    """
    first, second = run_backward(write(tmp_path, text), CASES, 30)[0]
    np.testing.assert_array_equal(first["W1"], CASES[0].W1)
    np.testing.assert_array_equal(second["W1"], CASES[0].W1)


# Files that cannot be checked


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_described(fault: str, tmp_path: Path) -> None:
    text, sentence = FAULTS[fault]
    path = write(tmp_path, text)
    with pytest.raises(CheckError) as raised:
        run_backward(path, CASES, 30)
    assert str(raised.value).startswith(f"{path}: ")
    assert sentence in str(raised.value)


def test_no_two_faults_have_the_same_sentence() -> None:
    sentences = [
        sentence for fault, (_, sentence) in FAULTS.items() if fault != "no function but a number"
    ]
    assert len(set(sentences)) == len(sentences)


def test_an_exception_is_shown_with_the_lines_of_the_file_alone(tmp_path: Path) -> None:
    text = """
    import numpy as np
    def softmax(z):
        return np.matmul(z, z)
    def backward(x, y, r, W1, b1, W2, b2):
        return {"z": softmax(x)}
    """
    with pytest.raises(CheckError) as raised:
        run_backward(write(tmp_path, text), CASES, 30)
    first, *others = str(raised.value).splitlines()
    assert first.startswith(f"{tmp_path / 'backward.py'}: stopped with ValueError: matmul: ")
    assert others == [
        '  line 6, in backward: return {"z": softmax(x)}',
        "  line 4, in softmax: return np.matmul(z, z)",
    ]


def test_only_the_innermost_lines_of_a_deep_recursion_are_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "def backward(*a):\n    return backward(*a)\n")
    with pytest.raises(CheckError) as raised:
        run_backward(path, CASES, 30)
    first, *others = str(raised.value).splitlines()
    assert "stopped with RecursionError: maximum recursion depth exceeded" in first
    assert others == ["  line 2, in backward: return backward(*a)"] * 5


def test_a_syntax_error_of_an_imported_file_is_reported_as_that_files(tmp_path: Path) -> None:
    write(tmp_path, "def broken(:\n", "module.py")
    path = write(tmp_path, "\n\nimport module\n")
    with pytest.raises(CheckError, match=r'stopped with File ".*module\.py", line 1\n'):
        run_backward(path, CASES, 30)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nothing.py", "cannot be read: No such file or directory"),
        ("", "is a folder, where a file is needed"),
        ("fifo", "is not a regular file (a pipe, socket or device)"),
    ],
)
def test_what_is_not_a_file_is_refused(name: str, problem: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    path = tmp_path / name
    with pytest.raises(CheckError) as raised:
        run_backward(path, CASES, 30)
    assert str(raised.value) == f"{path}: {problem}. Name a Python file that defines backward."


@pytest.mark.parametrize(
    "text", ["while True:\n    pass\n", "def backward(*a):\n    while True:\n        pass\n"]
)
def test_an_endless_loop_is_ended_after_the_timeout(text: str, tmp_path: Path) -> None:
    with pytest.raises(
        CheckError,
        match=r"backward had not answered after 0\.5 seconds\. Is there a loop that never",
    ):
        run_backward(write(tmp_path, text), CASES, 0.5)


# Processes

on_linux = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system has no /proc"
)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended but still has an entry in /proc does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    _, _, after_name = stat.rpartition(")")
    state = after_name.split()[0]
    return state != "Z"


def ends(pid: int, seconds: float = 20) -> bool:
    """Whether a process ends within this time."""
    for _ in range(int(seconds / 0.02)):
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False


@on_linux
@pytest.mark.parametrize("last_line", ["", "while True: pass", "os._exit(0)"])
def test_processes_that_a_file_starts_end_with_it(last_line: str, tmp_path: Path) -> None:
    start = "import os, subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
    write_pid = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n{last_line}\n"
    path = write(tmp_path, start + write_pid + PLAIN)
    if last_line:
        with pytest.raises(CheckError):
            run_backward(path, CASES, 3)
    else:
        run_backward(path, CASES, 30)
    assert ends(int((tmp_path / "pid").read_text(encoding="utf-8")))


def test_the_child_process_ends_by_itself_if_its_parent_is_gone(tmp_path: Path) -> None:
    path = write(tmp_path, "while True:\n    pass\n")
    cases = tmp_path / "cases.npz"
    result = tmp_path / "result.npz"
    write_npz(cases, pack(CASES))
    module = [sys.executable, "-m", "mlpcli.gradcheck.student_process"]
    done = subprocess.run([*module, path, cases, result, "0"], check=False)
    assert done.returncode == -signal.SIGALRM


# What a file may be and do


@pytest.mark.parametrize("name", ["rück wärts ∂.py", "json.py", "no_suffix"])
def test_a_file_may_have_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, PLAIN, name)
    assert returned_names(Path(name)) == list(EQUATIONS)


def test_a_file_may_be_named_as_a_package_that_it_does_not_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = RETURNING.replace("import numpy as np", "") + "{'W1': W1}"
    write(tmp_path, text, "numpy.py")
    assert returned_names(Path("numpy.py")) == ["W1"]


def test_a_file_may_import_files_beside_it_and_change_the_working_folder(tmp_path: Path) -> None:
    write(tmp_path, PLAIN.replace("backward", "gradients"), "module.py")
    text = "import os\nfrom module import gradients as backward\nos.chdir('/')\n"
    assert returned_names(write(tmp_path, text)) == list(EQUATIONS)


def test_the_main_block_of_a_file_is_not_run(tmp_path: Path) -> None:
    text = PLAIN + "\nif __name__ == '__main__':\n    raise SystemExit\n"
    assert returned_names(write(tmp_path, text)) == list(EQUATIONS)


def test_without_stderr_only_what_the_file_prints_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stderr__", None)
    path = write(tmp_path, "print('x' * 9)\n" + PLAIN)
    assert returned_names(path) == list(EQUATIONS)
