"""Text from outside never acts on a terminal: names in files, names of files, what a file prints.

OSC 52 would write the clipboard, CSI 6n types into the shell that runs next, ESC c clears the
screen, and a line break lets a name forge a line of output.
"""

import io
import re
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.storage import modelfile
from tests.support.command import SMALL, Command, read_document
from tests.support.terminal import on_terminal

ACTING = "\x1b]52;c;aGk=\x07\x1b[6n\x9b6n\x1bc\x1bP0q\x1b\\\u202e\u2066\u200b\x08\x7f"
EVIL = f"a{ACTING}\r\nFORGED\n\x0bFORGED"
OWN = re.compile(r"\x1b\[[0-9;?]*[mKAhlJ]|\r\n|\r")  # what this program and the terminal add


def acting(output: str) -> list[str]:
    """The signs of an output that act on a terminal."""
    plain = OWN.sub("\n", output)
    return [sign for sign in plain if sign != "\n" and not sign.isprintable()]


def forged(output: str) -> list[str]:
    """The lines that a name has made."""
    plain = OWN.sub("\n", output)
    return [line for line in plain.splitlines() if line.startswith("FORGED")]


def escaped(output: str) -> bool:
    """Whether the output shows the name, by its escapes."""
    shown = re.sub(r"[\s│,]", "", OWN.sub("", output))
    return bool(re.search(r"\\(x|u00)1b\]52", shown))


def write_rows(path: Path, header: str = "x,y,label", names: tuple[str, str] = ("a", "b")) -> str:
    rng = np.random.default_rng(0)
    lines = [header]
    for k in range(60):
        lines.append(f'{rng.normal(k % 2):.3f},{rng.normal():.3f},"{names[k % 2]}"')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path.name


def write_npz(path: Path, name: str) -> str:
    """An archive with x, y and an array of any name."""
    arrays = {"x": np.eye(8, 3), "y": np.arange(8) % 2, name: np.zeros(1)}
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays.items():
            block = io.BytesIO()
            np.lib.format.write_array(block, array)
            archive.writestr(f"{key}.npy", block.getvalue())
    return path.name


def a_class(folder: Path) -> tuple[str, ...]:
    data = write_rows(folder / "rows.csv", names=(f"a{ACTING}", "b"))
    return ("train", "--data", data, *SMALL, "--out", "run")


def a_refused_label(folder: Path) -> tuple[str, ...]:
    data = write_rows(folder / "rows.csv", names=(f"a{ACTING}" * 300, "b"))
    return ("train", "--data", data, *SMALL)


def a_column(folder: Path) -> tuple[str, ...]:
    data = write_rows(folder / "rows.csv", header=f"x{ACTING},y{ACTING},label")
    return ("train", "--data", data, "--target", "none such")


def a_target(folder: Path) -> tuple[str, ...]:
    return ("train", "--data", write_rows(folder / "rows.csv"), "--target", EVIL)


def an_array(folder: Path) -> tuple[str, ...]:
    data = write_npz(folder / "rows.npz", f"x_test{ACTING}")
    return ("train", "--data", data, *SMALL, "--out", "run")


def a_damaged_array(folder: Path) -> tuple[str, ...]:
    with zipfile.ZipFile(folder / "rows.npz", "w") as archive:
        archive.writestr(f"{ACTING}.npy", b"")
    return ("train", "--data", "rows.npz")


def a_file(folder: Path) -> tuple[str, ...]:
    data = write_rows(folder / f"{EVIL}.csv")
    return ("train", "--data", data, *SMALL, "--out", "run")


def a_missing_file(folder: Path) -> tuple[str, ...]:
    return ("train", "--data", f"{EVIL}.csv")


def a_run_folder(folder: Path) -> tuple[str, ...]:
    return ("train", *SMALL, "--out", EVIL)


def a_run_folder_that_cannot_be(folder: Path) -> tuple[str, ...]:
    (folder / EVIL).write_text("", encoding="utf-8")
    return ("train", *SMALL, "--out", f"{EVIL}/run")


def a_configuration(folder: Path) -> tuple[str, ...]:
    (folder / f"{EVIL}.toml").write_text("no toml", encoding="utf-8")
    return ("train", f"{EVIL}.toml")


def a_key(folder: Path) -> tuple[str, ...]:
    key = "".join(f"\\u{ord(sign):04x}" for sign in EVIL)
    (folder / "s.toml").write_text(f'[network]\n"{key}" = 1\n', encoding="utf-8")
    return ("train", "s.toml")


def a_value(folder: Path) -> tuple[str, ...]:
    return ("train", "--activation", EVIL)


def an_override(folder: Path) -> tuple[str, ...]:
    return ("train", "--set", f"network.{EVIL}=1")


def an_unknown_command(folder: Path) -> tuple[str, ...]:
    return (f"{EVIL}.toml",)


def one_file_too_many(folder: Path) -> tuple[str, ...]:
    return ("train", "a.toml", f"{EVIL}.toml")  # as from a pattern of the shell


def an_unknown_flag(folder: Path) -> tuple[str, ...]:
    return ("train", f"--{EVIL}")


def a_missing_model(folder: Path) -> tuple[str, ...]:
    return ("eval", EVIL)


def a_file_that_prints(folder: Path) -> tuple[str, ...]:
    return a_solution(folder, f"print({EVIL!r})\nimport os\nos.write(1, {EVIL.encode()!r})")


def a_file_that_fails(folder: Path) -> tuple[str, ...]:
    return a_solution(folder, f"raise ValueError({EVIL!r})")


def a_solution(folder: Path, text: str) -> tuple[str, ...]:
    answer = "def backward(x, y, r, W1, b1, W2, b2): return {'z': x @ W1 @ W2}\n"
    (folder / "solution.py").write_text(f"{answer}{text}\n", encoding="utf-8")
    return ("gradcheck", "--impl", "solution.py")


Scenario = Callable[[Path], tuple[str, ...]]
SCENARIOS: dict[Scenario, int] = {  # and the exit code
    a_class: 0,
    a_refused_label: 2,
    a_column: 2,
    a_target: 2,
    an_array: 0,
    a_damaged_array: 2,
    a_file: 0,
    a_missing_file: 2,
    a_run_folder: 0,
    a_run_folder_that_cannot_be: 2,
    a_configuration: 2,
    a_key: 2,
    a_value: 2,
    an_override: 2,
    an_unknown_command: 2,
    one_file_too_many: 2,
    an_unknown_flag: 2,
    a_missing_model: 2,
    a_file_that_prints: 1,
    a_file_that_fails: 2,
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_no_text_from_outside_acts_on_a_terminal(scenario: Scenario, tmp_path: Path) -> None:
    code, output = on_terminal(80, *scenario(tmp_path), cwd=tmp_path)
    assert code == SCENARIOS[scenario], output
    assert acting(output) == []
    if scenario not in (a_file_that_prints, a_file_that_fails):  # whose lines are their own
        assert forged(output) == []
    assert "Traceback" not in output
    shows_names = scenario not in (a_class, a_refused_label, an_array)
    assert escaped(output) >= shows_names


def test_the_classes_of_a_model_do_not_act(digits_run: Path, tmp_path: Path) -> None:
    model = modelfile.load(digits_run / "model.npz")
    classes = [f"{k}{ACTING}\n" for k in range(10)]
    classes[0] = EVIL
    header = model.header | {"classes": classes}
    modelfile.save(tmp_path / "model.npz", replace(model, header=header))
    x, y = np.zeros((20, 64), np.uint8), np.array([EVIL] * 20)
    np.savez(tmp_path / "rows.npz", x=x, y=y)
    for width in (50, 80, 120):
        words = ("eval", "model.npz", "--data", "rows.npz")
        code, output = on_terminal(width, *words, cwd=tmp_path)
        assert code == 0, output
        assert acting(output) == []
        assert forged(output) == []
        assert r"a\x1b]52" in output


def test_json_has_every_name_as_it_is(command: Command, tmp_path: Path) -> None:
    done = command(*a_class(tmp_path), "--json")
    assert done.exit_code == 0, done.stderr
    assert acting(done.stdout) == []
    assert f"a{ACTING}" in read_document(done.stdout)["data"]["classes"]
    error = command("train", "--data", f"{EVIL}.csv", "--json")
    assert acting(error.stdout) == []
    assert read_document(error.stdout)["error"].startswith(f"{EVIL}.csv: cannot be found")


def test_the_next_command_can_be_typed_whatever_the_folder_is_called(tmp_path: Path) -> None:
    code, output = on_terminal(200, *a_run_folder(tmp_path), cwd=tmp_path)
    assert code == 0
    (following,) = re.findall(r"next     (.*?)\x1b?\r", OWN.sub("\r", output))
    done = subprocess.run(
        ["bash", "-c", following], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert acting(done.stdout) == []
