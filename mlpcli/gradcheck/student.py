"""A student's own backward pass, run in a child process: whatever it does, it can only spoil its own answer.

The file defines backward(x, y, r, W1, b1, W2, b2), and phi as one more parameter if it likes, and returns
a dict with any of z, a, W1, b1, W2, b2. Running it is what it was named for; nothing else of a user's is ever run.
"""

import inspect
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Floats, Raw
from mlpcli.errors import CheckError, UnreadableFileError
from mlpcli.gradcheck.complex_step import EQUATIONS, PHI, Case
from mlpcli.storage.reading import open_regular, read_npz
from mlpcli.storage.writing import write_npz

CALLS = 2  # of each case, to see whether the same arguments give the same gradients
ARGUMENTS = ("x", "y", "r", "W1", "b1", "W2", "b2")
FRAMES = 5  # lines of a traceback that are shown, the innermost
NEARLY = re.compile(
    r"(d|∂|grad_?|delta_?)?_?(z|a|W1|b1|W2|b2)(_?grad)?", re.IGNORECASE
)  # names that miss by a little
PRECISIONS = ("float32", "float64")

Answers = list[list[dict[str, Raw]]]  # by case and call


def ask(path: Path, cases: list[Case], timeout: float) -> Answers:
    """What the file's backward returns for each case, in each of two calls with fresh copies of the arrays.

    What the file prints goes to stderr. Raises CheckError with a sentence where it cannot be run,
    takes longer than `timeout` seconds, or returns what is no gradient; DataError where there is no such file.
    """
    try:
        with open_regular(path):
            pass
    except UnreadableFileError as error:
        raise CheckError(str(error)) from error
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder) / "question.npz", Path(folder) / "answer.npz"
        write_npz(question, packed(cases))
        code = _run(path, question, answer, timeout)
        if not answer.exists():
            raise CheckError(
                f"{path}: did not answer: it ended the process by itself (exit code {code})."
            )
        arrays = read_npz(answer)
    status = json.loads(arrays.pop("status").tobytes())
    if status:
        raise CheckError(f"{path}: {status}")
    answers: Answers = [[{} for _ in range(CALLS)] for _ in cases]
    for key, value in arrays.items():
        case, call, name = key.split("/")
        answers[int(case)][int(call)][name] = value
    return answers


def _run(path: Path, question: Path, answer: Path, timeout: float) -> int:
    """Run the child in a process group of its own, so that it and what it started can be ended together."""
    words = map(str, (path.absolute(), question, answer, timeout))
    stream = sys.__stderr__ or subprocess.DEVNULL
    child = subprocess.Popen(  # noqa: S603 - the user's own file is what is to be run
        [sys.executable, "-P", "-m", "mlpcli.gradcheck.student", *words],
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=stream,
        start_new_session=True,
    )
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired as error:
        raise CheckError(
            f"{path}: backward had not answered after {timeout:g} seconds. Is there a loop that never ends? "
            "More time is given by --timeout."
        ) from error
    finally:
        with suppress(ProcessLookupError, PermissionError):  # none is left
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def packed(cases: list[Case]) -> dict[str, Raw]:
    """The question that the child process is asked: all arguments of all cases."""
    arrays: dict[str, Raw] = {}
    for k, case in enumerate(cases):
        values = (case.x, case.labels, case.r, case.W1, case.b1, case.W2, case.b2)
        arrays |= {f"{k}/{name}": value for name, value in zip(ARGUMENTS, values, strict=True)}
    text = json.dumps({"cases": len(cases), "activation": cases[0].activation})
    return arrays | {"header": np.frombuffer(text.encode(), np.uint8)}


def _answer(path: Path, question: Path) -> dict[str, Raw]:
    """The child's work: load the file, call it, and check the form of what it returns."""
    arrays = read_npz(question)
    header = json.loads(arrays.pop("header").tobytes())
    backward = _load(path)
    parameters = inspect.signature(backward).parameters.values()
    names = {p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY}
    extra = {"phi": PHI[header["activation"]]} if "phi" in names else {}
    answers: dict[str, Raw] = {}
    for case in range(header["cases"]):
        for call in range(CALLS):
            given = {name: arrays[f"{case}/{name}"] for name in ARGUMENTS}
            copies = {name: value.copy() for name, value in given.items()}
            by_name = names.issuperset(ARGUMENTS)  # in whatever order
            returned = (
                backward(**copies, **extra) if by_name else backward(*copies.values(), **extra)
            )
            for name, value in _checked(returned, given).items():
                answers[f"{case}/{call}/{name}"] = value
    return answers


def _load(path: Path) -> Callable[..., Any]:
    sys.path.insert(0, str(path.parent))
    backward = runpy.run_path(str(path), run_name="student").get("backward")
    if not callable(backward):
        raise CheckError("defines no function backward(x, y, r, W1, b1, W2, b2).")
    return backward  # type: ignore[no-any-return]


def _checked(returned: object, given: dict[str, Raw]) -> dict[str, Raw]:
    """The gradients by name; raises CheckError for what is none."""
    if returned is None:
        raise CheckError(
            "backward returned None. Is a return missing? It must return a dict of gradients."
        )
    if not isinstance(returned, dict):
        kind = type(returned).__name__
        raise CheckError(
            f"backward returned a {kind}, and must return a dict such as {{'W1': …, 'b1': …}}."
        )
    for key in returned:
        meant = NEARLY.fullmatch(str(key))
        if meant and key not in EQUATIONS:
            raise CheckError(
                f"backward returned {key!r}, which is not read. Return each gradient as z, W2, b2, a, W1, b1."
            )
    known = {name: returned[name] for name in EQUATIONS if name in returned}
    if not known:
        raise CheckError(
            f"backward returned none of {', '.join(EQUATIONS)}; it returned {list(returned)}."
        )
    a, z = given["r"].shape, (len(given["x"]), len(given["b2"]))
    shapes = {name: given[name].shape for name in ("W1", "b1", "W2", "b2")} | {"a": a, "z": z}
    return {name: _gradient(name, value, shapes[name]) for name, value in known.items()}


def _gradient(name: str, value: object, shape: tuple[int, ...]) -> Floats:
    if value is None:
        raise CheckError(
            f"backward returned None for {name!r}. Leave out what you have not derived."
        )
    try:
        array = np.array(value)  # a copy: the file may use its buffers again
    except (TypeError, ValueError) as error:
        raise CheckError(f"∂{name} is no array of numbers: {error}.") from error
    if array.dtype.name not in PRECISIONS:
        raise CheckError(
            f"∂{name} is of type {array.dtype}; only float32 and float64 can be checked."
        )
    if array.shape not in (shape, shape[::-1]):
        raise CheckError(
            f"∂{name} has the shape {array.shape}, and must have {shape}, that of {name} itself."
        )
    if bad := int(np.count_nonzero(~np.isfinite(array))):
        raise CheckError(
            f"∂{name} is not finite (NaN or infinite) in {bad:,} of {array.size:,} entries."
        )
    return array


def _told(path: Path, error: BaseException) -> str:
    """An exception in the student's file, with the file's own lines."""
    if isinstance(error, CheckError):
        return str(error)
    if isinstance(error, SyntaxError) and error.filename == str(path) and error.lineno:
        return f"is not Python: line {error.lineno}: {error.msg}."
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    lines = "".join(
        f"\n  line {frame.lineno}, in {frame.name}: {frame.line}" for frame in frames[-FRAMES:]
    )
    return f"stopped with {''.join(traceback.format_exception_only(error)).strip()}{lines}"


def main(path: str, question: str, answer: str, timeout: str) -> None:
    """The child process: write the gradients, or a sentence that says why there are none."""
    signal.setitimer(
        signal.ITIMER_REAL, float(timeout) + 1
    )  # ends it, should nobody be left to do so
    status, arrays = "", {}
    try:
        arrays = _answer(Path(path), Path(question))
    except (
        BaseException
    ) as error:  # SystemExit and KeyboardInterrupt too: all of it is the file's own doing
        status = _told(Path(path), error)
    write_npz(
        Path(answer), arrays | {"status": np.frombuffer(json.dumps(status).encode(), np.uint8)}
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
