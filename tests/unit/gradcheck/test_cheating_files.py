"""Files that are right by chance, or that try to pass without being right: none of them passes."""

from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest

from mlpcli.errors import CheckError
from mlpcli.gradcheck.grading import check_file, file_cases

RIGHT = """
import numpy as np

def backward(x, y, r, W1, b1, W2, b2):
    a = x @ W1 + b1
    h = np.maximum(a, 0) * r
    z = h @ W2 + b2
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    dz = (p - np.eye(len(b2))[y]) / len(x)
    da = (dz @ W2.T) * r * (a > 0)
    db1, db2 = da.sum(axis=0), dz.sum(axis=0)
    return {"z": dz, "W2": h.T @ dz, "b2": db2, "a": da, "W1": x.T @ da, "b1": db1}
"""


def checked(tmp_path: Path, text: str) -> bool:
    """Whether a file passes."""
    path = tmp_path / "file.py"
    path.write_text(dedent(text), encoding="utf-8")
    return check_file(path, "relu", 0, 30).passed


def changed(old: str, new: str) -> str:
    """The right file with one thing changed."""
    assert old in RIGHT
    return RIGHT.replace(old, new)


def test_the_right_file_passes(tmp_path: Path) -> None:
    assert checked(tmp_path, RIGHT)


def test_the_cases_are_of_several_sizes_and_cover_what_a_number_could_hide() -> None:
    cases = file_cases("relu", 0)
    sizes = [(*case.x.shape, *case.W2.shape) for case in cases]
    assert len(set(sizes)) >= 5
    assert min(B for B, *_ in sizes) == 1
    assert any(D > H for _, D, H, _ in sizes)
    assert any(D < H for _, D, H, _ in sizes)
    assert any(len({*case.labels.tolist()}) < min(len(case.x), len(case.b2)) for case in cases)
    assert max(case.z.max() for case in cases) > 1_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/ len(x)", "/ 7"),
        ("np.eye(len(b2))", "np.eye(4)"),
        ("(dz @ W2.T)", "(dz @ W2.T) * (9 / len(b1))"),
        ("x.T @ da", "x.T @ da * (x.shape[1] == 5)"),
        ("(a > 0)", "(a > 0) * (x.shape[0] == 7)"),
        ("dz.sum(axis=0)", "dz.sum(axis=0) if len(x) > 1 else dz.sum()"),
        ("x.T @ da", "(x.T @ da).reshape(5, 9) if x.shape[1] == 5 else np.zeros_like(W1)"),
    ],
)
def test_a_number_that_fits_one_size_alone_does_not_pass(
    old: str, new: str, tmp_path: Path
) -> None:
    passed = False
    with suppress(CheckError):  # the file stops, or returns what is no gradient
        passed = checked(tmp_path, changed(old, new))
    assert not passed


def test_one_hot_rows_of_the_classes_that_are_there_stop_where_one_is_absent(
    tmp_path: Path,
) -> None:
    with pytest.raises(CheckError, match="stopped with ValueError"):
        checked(tmp_path, changed("np.eye(len(b2))[y]", "(y[:, None] == np.unique(y)) * 1.0"))


@pytest.mark.parametrize(
    "softmax",
    [
        "np.exp(z)",
        "np.array([[math.exp(value) for value in row] for row in z])",  # raises OverflowError
    ],
)
def test_a_softmax_that_overflows_is_wrong_and_told_how_to_be_right(
    softmax: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.py"
    stable = "np.exp(z - z.max(axis=1, keepdims=True))"
    path.write_text("import math\n" + changed(stable, softmax), encoding="utf-8")
    report = check_file(path, "relu", 0, 30)
    assert not report.passed
    (wrong,) = [verdict for verdict in report.equations if not verdict.passed]
    assert wrong.diagnosis
    assert "exp overflows" in wrong.diagnosis.sentence
    assert "largest logit" in wrong.diagnosis.hint


def test_another_mistake_beside_a_softmax_that_overflows_is_named_first(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    text = changed("np.exp(z - z.max(axis=1, keepdims=True))", "np.exp(z)")
    path.write_text(text.replace(" * (a > 0)", ""), encoding="utf-8")
    report = check_file(path, "relu", 0, 30)
    named = [verdict.diagnosis.ids for verdict in report.equations if verdict.diagnosis]
    assert named == [("missing-activation-derivative",)]


@pytest.mark.parametrize("name", ["W1", "z"])
@pytest.mark.parametrize(
    "condition", ["len(x) == 7", "x.shape[1] < 8", "calls.append(0) or len(calls) % 2"]
)
def test_a_gradient_must_be_returned_in_every_call(
    name: str, condition: str, tmp_path: Path
) -> None:
    text = (
        changed("    return {", "    g = {")
        + f"""
    if not ({condition}):
        del g["{name}"]
    return g

calls = []
"""
    )
    with pytest.raises(CheckError, match=f"∂{name} in some calls and not in others"):
        checked(tmp_path, text)


FORGED = """
import json, os, sys
import numpy as np

def backward(x, y, r, W1, b1, W2, b2):
    status = np.frombuffer(json.dumps("").encode(), np.uint8)
    answer = {"status": status}
    %s
    np.savez(sys.argv[3], **answer)
    os._exit(%d)
"""


@pytest.mark.parametrize(
    "forge",
    [
        "pass",
        "answer = {}",
        'answer["0/0/W1"] = W1',
        'answer["0/0/W1"] = np.array(["x"])',
        'answer["9/0/W1"] = W1',
        'answer["0/9/W1"] = W1',
        'answer["0/0/W9"] = W1',
        'answer["W1"] = W1',
        'answer["0/0/0/W1"] = W1',
        'answer["x/0/W1"] = W1',
        'answer["status"] = np.zeros(3, np.uint8)',
        'answer["status"] = np.frombuffer(b"[[[[", np.uint8)',
        'answer["status"] = np.frombuffer(b"7", np.uint8)',
        'answer["status"] = np.frombuffer(b"[" * 99999, np.uint8)',
        'answer |= {f"{k}/{c}/W1": np.full((5, 9), np.nan) for k in range(6) for c in range(2)}',
        'answer |= {f"{k}/{c}/W1": np.zeros(3) for k in range(6) for c in range(2)}',
        'answer |= {f"{k}/{c}/b2": np.zeros((2, 2), "i8") for k in range(6) for c in range(2)}',
    ],
)
@pytest.mark.parametrize("exit_code", [0, 3])
def test_an_answer_that_the_file_wrote_itself_is_refused(
    forge: str, exit_code: int, tmp_path: Path
) -> None:
    message = "its answer is not what backward returned|in some calls and not in others"
    if exit_code:
        message = "exit code 3"
    with pytest.raises(CheckError, match=message):
        checked(tmp_path, FORGED % (forge, exit_code))


@pytest.mark.parametrize("content", ["", "not an archive", "x" * 100_000])
def test_an_answer_that_is_no_archive_is_refused(content: str, tmp_path: Path) -> None:
    text = f"""
    import os, sys

    def backward(x, y, r, W1, b1, W2, b2):
        open(sys.argv[3], "w").write({content!r})
        os._exit(0)
    """
    with pytest.raises(CheckError, match="its answer is not what backward returned"):
        checked(tmp_path, text)
