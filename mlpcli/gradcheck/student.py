"""A student's backward pass, run in a child process, where a fault of the file can do no harm.

The file defines backward(x, y, r, W1, b1, W2, b2), which may have a parameter phi as well. It
returns a dict with some of the gradients z, a, W1, b1, W2, b2. The user asks for this file to be
run; mlpcli runs no other code of a user.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.errors import CheckError, UnreadableFileError
from mlpcli.gradcheck.complex_step import Case
from mlpcli.gradcheck.student_process import N_CALLS
from mlpcli.storage.reading import open_regular, read_npz
from mlpcli.storage.writing import write_npz

Calls: TypeAlias = list[dict[str, Raw]]  # the gradients by name, as the N_CALLS calls returned them


def run_backward(path: Path, cases: list[Case], timeout: float) -> list[Calls]:
    """The gradients that the file's backward returns for each case, in two calls a case.

    Each call gets fresh copies of the arrays. What the file prints goes to stderr. Raises
    CheckError if the file cannot be run, takes longer than `timeout` seconds in all, or returns
    what is not gradients.
    """
    _check_file(path)
    with tempfile.TemporaryDirectory() as folder:
        input_path = Path(folder) / "cases.npz"
        result_path = Path(folder) / "result.npz"
        write_npz(input_path, pack(cases))
        exit_code = _run(path, input_path, result_path, timeout)
        if not result_path.exists():
            raise CheckError(
                f"{path}: did not answer: it ended the process by itself (exit code {exit_code})."
            )
        arrays = read_npz(result_path)
    status = json.loads(arrays.pop("status").tobytes())
    if status:
        raise CheckError(f"{path}: {status}")
    return _unpack(arrays, len(cases))


def _check_file(path: Path) -> None:
    try:
        with open_regular(path):
            pass
    except UnreadableFileError as error:
        raise CheckError(
            f"{path}: {error.problem}. Name a Python file that defines backward."
        ) from error


def _run(path: Path, input_path: Path, result_path: Path, timeout: float) -> int:
    """Run the child process to its end, and return its exit code.

    It has a process group of its own, so that all processes that the file starts end with it.
    """
    module = [sys.executable, "-P", "-m", "mlpcli.gradcheck.student_process"]
    words = [str(path.absolute()), str(input_path), str(result_path), str(timeout)]
    stream = sys.__stderr__ or subprocess.DEVNULL
    child = subprocess.Popen(  # noqa: S603 - to run the user's own file is the purpose
        [*module, *words],
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=stream,
        start_new_session=True,
    )
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired as error:
        raise CheckError(
            f"{path}: backward had not answered after {timeout:g} seconds. "
            "Is there a loop that never ends? More time is given by --timeout."
        ) from error
    finally:
        with suppress(ProcessLookupError, PermissionError):  # the group has no process any more
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def pack(cases: list[Case]) -> dict[str, Raw]:
    """The arguments of all cases, as arrays for the child process."""
    arrays: dict[str, Raw] = {}
    for k, case in enumerate(cases):
        arrays[f"{k}/x"] = case.x
        arrays[f"{k}/y"] = case.labels
        arrays[f"{k}/r"] = case.r
        arrays[f"{k}/W1"] = case.W1
        arrays[f"{k}/b1"] = case.b1
        arrays[f"{k}/W2"] = case.W2
        arrays[f"{k}/b2"] = case.b2
    header = json.dumps({"cases": len(cases), "activation": cases[0].activation})
    arrays["header"] = np.frombuffer(header.encode(), np.uint8)
    return arrays


def _unpack(arrays: dict[str, Raw], n_cases: int) -> list[Calls]:
    """The gradients of each case and call, from arrays that are named case/call/gradient."""
    results: list[Calls] = [[{} for _ in range(N_CALLS)] for _ in range(n_cases)]
    for key, gradient in arrays.items():
        case, call, name = key.split("/")
        results[int(case)][int(call)][name] = gradient
    return results
