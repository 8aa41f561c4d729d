"""Files of other people, in their own style and with their own faults, run in a process of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from mlpcli.commands.gradcheck import Homework, inspect_file
from mlpcli.errors import CheckError
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS
from mlpcli.gradcheck.student import ask, packed
from mlpcli.storage.writing import write_npz
from tests.support.backward_passes import WEIGHTS
from tests.support.student_files import BY_PHI, FAULTS, MISTAKES, PLAIN, RETURNING, STYLES

CASES = [small_case("any", "relu", 0, dropout=0.5)]


def written(folder: Path, text: str, name: str = "backward.py") -> Path:
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def blamed(homework: Homework) -> list[str]:
    return [row.name for row in homework.equations if row.given and not row.passed]


@pytest.mark.parametrize("style", STYLES)
def test_a_right_file_is_right_in_any_style(style: str, tmp_path: Path) -> None:
    homework = inspect_file(written(tmp_path, STYLES[style]), "relu", 0, 30)
    assert (blamed(homework), homework.passed) == ([], True)
    given = [row.name for row in homework.equations if row.given]
    assert given == [
        n
        for n in EQUATIONS
        if style != "loops" or n in WEIGHTS
        if "einsum" not in style or n != "z"
    ]


@pytest.mark.parametrize("how", MISTAKES)
def test_a_mistake_is_named_in_any_style(how: str, tmp_path: Path) -> None:
    text, names, id = MISTAKES[how]
    homework = inspect_file(written(tmp_path, text), "relu", 0, 30)
    assert (blamed(homework), homework.passed) == (names, False)
    for row in homework.equations:
        assert row.diagnosis is None or id in row.diagnosis.ids


@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
def test_a_file_that_takes_phi_serves_every_activation(activation: str, tmp_path: Path) -> None:
    assert inspect_file(written(tmp_path, BY_PHI), activation, 0, 30).passed
    assert blamed(inspect_file(written(tmp_path, PLAIN), activation, 0, 30)) == ["z", "W2", "a"]


def test_arrays_are_handed_over_as_promised_and_anew_each_time(tmp_path: Path) -> None:
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
    one, other = ask(written(tmp_path, text), CASES, 30)[0]
    np.testing.assert_array_equal(one["W1"], CASES[0].W1)
    np.testing.assert_array_equal(other["W1"], CASES[0].W1)


# What cannot be checked


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_checked_is_told_in_its_own_sentence(fault: str, tmp_path: Path) -> None:
    text, sentence = FAULTS[fault]
    path = written(tmp_path, text)
    with pytest.raises(CheckError) as raised:
        ask(path, CASES, 30)
    assert str(raised.value).startswith(f"{path}: ")
    assert sentence in str(raised.value)


def test_every_fault_has_its_own_sentence() -> None:
    sentences = [
        sentence for fault, (_, sentence) in FAULTS.items() if fault != "no function but a number"
    ]
    assert len(set(sentences)) == len(sentences)


def test_a_crash_shows_the_files_own_lines_and_no_others(tmp_path: Path) -> None:
    text = """
    import numpy as np
    def softmax(z):
        return np.matmul(z, z)
    def backward(x, y, r, W1, b1, W2, b2):
        return {"z": softmax(x)}
    """
    with pytest.raises(CheckError) as raised:
        ask(written(tmp_path, text), CASES, 30)
    lines = str(raised.value).splitlines()
    assert lines[0].startswith(f"{tmp_path / 'backward.py'}: stopped with ValueError: matmul: ")
    assert lines[1:] == [
        '  line 6, in backward: return {"z": softmax(x)}',
        "  line 4, in softmax: return np.matmul(z, z)",
    ]


def test_of_a_deep_crash_the_innermost_lines_are_shown(tmp_path: Path) -> None:
    with pytest.raises(CheckError) as raised:
        ask(written(tmp_path, "def backward(*a):\n    return backward(*a)\n"), CASES, 30)
    lines = str(raised.value).splitlines()
    assert "stopped with RecursionError: maximum recursion depth exceeded" in lines[0]
    assert lines[1:] == ["  line 2, in backward: return backward(*a)"] * 5


def test_a_fault_in_an_imported_file_is_not_said_to_be_the_files_own(tmp_path: Path) -> None:
    written(tmp_path, "def broken(:\n", "module.py")
    with pytest.raises(CheckError, match=r'stopped with File ".*module\.py", line 1\n'):
        ask(written(tmp_path, "\n\nimport module\n"), CASES, 30)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing.py", "cannot be read: No such file"),
        ("", "is a folder, where a file is needed."),
        ("fifo", "is not a r"),
    ],
)
def test_what_is_no_file_is_said_to_be_none(name: str, sentence: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(CheckError, match=sentence):
        ask(tmp_path / name, CASES, 30)


@pytest.mark.parametrize(
    "text", ["while True:\n    pass\n", "def backward(*a):\n    while True:\n        pass\n"]
)
def test_an_endless_loop_is_ended(text: str, tmp_path: Path) -> None:
    with pytest.raises(
        CheckError,
        match=r"backward had not answered after 0\.5 seconds\. Is there a loop that never",
    ):
        ask(written(tmp_path, text), CASES, 0.5)


# What it may do, and what it may not


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be seen off by its parent does not."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            != "Z"
        )
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 20) -> bool:
    """Whether a process ends before long."""
    for _ in range(int(seconds / 0.02)):
        if not is_alive(pid):
            return True
        time.sleep(0.02)
    return False


on_linux = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system has no /proc"
)


@on_linux
@pytest.mark.parametrize("then", ["", "while True: pass", "os._exit(0)"])
def test_what_a_file_starts_does_not_outlive_it(then: str, tmp_path: Path) -> None:
    start = "import os, subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
    keep = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n{then}\n"
    path = written(tmp_path, start + keep + PLAIN)
    if then:
        with pytest.raises(CheckError):
            ask(path, CASES, 3)
    else:
        ask(path, CASES, 30)
    assert gone(int((tmp_path / "pid").read_text(encoding="utf-8")))


def test_an_endless_loop_ends_even_where_nobody_is_left_to_end_it(tmp_path: Path) -> None:
    path = written(tmp_path, "while True:\n    pass\n")
    write_npz(tmp_path / "question.npz", packed(CASES))
    command = [
        sys.executable,
        "-m",
        "mlpcli.gradcheck.student",
        path,
        tmp_path / "question.npz",
        tmp_path / "answer.npz",
        "0",
    ]
    assert subprocess.run(command, check=False).returncode == -signal.SIGALRM


@pytest.mark.parametrize("name", ["rück wärts ∂.py", "numpy.py", "json.py", "no_suffix"])
def test_a_file_may_have_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        PLAIN if name != "numpy.py" else RETURNING.replace("import numpy as np", "") + "{'W1': W1}"
    )
    assert list(ask(written(tmp_path, text, name).relative_to(tmp_path), CASES, 30)[0][0])


def test_a_file_may_import_what_lies_beside_it_and_go_elsewhere(tmp_path: Path) -> None:
    written(tmp_path, PLAIN.replace("backward", "gradients"), "module.py")
    text = "import os\nfrom module import gradients as backward\nos.chdir('/')\n"
    assert list(ask(written(tmp_path, text), CASES, 30)[0][0]) == list(EQUATIONS)


def test_what_stands_under_main_is_not_run(tmp_path: Path) -> None:
    text = PLAIN + "\nif __name__ == '__main__':\n    raise SystemExit\n"
    assert list(ask(written(tmp_path, text), CASES, 30)[0][0]) == list(EQUATIONS)


def test_without_a_stderr_what_a_file_prints_is_lost_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stderr__", None)
    assert list(ask(written(tmp_path, "print('x' * 9)\n" + PLAIN), CASES, 30)[0][0]) == list(
        EQUATIONS
    )
