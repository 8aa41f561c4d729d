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
from mlpcli.gradcheck.complex_step import EQUATIONS, Case
from mlpcli.gradcheck.relay import wait_and_relay
from mlpcli.gradcheck.student_process import (
    DTYPES,
    LARGE_LOGITS,
    N_CALLS,
    gradient_shapes,
)
from mlpcli.storage.reading import open_regular, read_npz
from mlpcli.storage.writing import write_npz

Calls: TypeAlias = list[dict[str, Raw]]  # the gradients by name, as the N_CALLS calls returned them


def run_backward(path: Path, cases: list[Case], timeout: float) -> list[Calls]:
    """The gradients that the file's backward returns for each case, in two calls a case.

    Each call gets fresh copies of the arrays. What the file prints goes to stderr, escaped. Raises
    CheckError if the file cannot be run, takes longer than `timeout` seconds in all, or returns
    what is not gradients.
    """
    _check_file(path)
    with tempfile.TemporaryDirectory() as folder:
        input_path = Path(folder) / "cases.npz"
        result_path = Path(folder) / "result.npz"
        write_npz(input_path, pack(cases))
        exit_code = _run(path, input_path, result_path, timeout)
        if exit_code or not result_path.exists():
            raise CheckError(
                f"{path}: did not answer: it ended the process by itself (exit code {exit_code})."
            )
        return _read_answer(path, result_path, cases)


def _read_answer(path: Path, result_path: Path, cases: list[Case]) -> list[Calls]:
    """The gradients of every call, of which nothing is believed: the file may have written them.

    Raises CheckError with the child's sentence, or if this is no answer of the child's own.
    """
    try:
        arrays = read_npz(result_path)
        status = json.loads(arrays.pop("status").tobytes())
        if isinstance(status, str) and status:
            description, *frames = status.split("\n")
            raise CheckError(f"{path}: {description}", *frames)
        return _unpack(arrays, cases, path)
    except (UnreadableFileError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise CheckError(
            f"{path}: its answer is not what backward returned, so nothing can be said of it. "
            "Does the file write files, or change numpy or json?"
        ) from error


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
    module = [sys.executable, "-u", "-P", "-m", "mlpcli.gradcheck.student_process"]
    words = [str(path.absolute()), str(input_path), str(result_path), str(timeout)]
    child = subprocess.Popen(  # noqa: S603 - to run the user's own file is the purpose
        [*module, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return wait_and_relay(child, timeout)
    except subprocess.TimeoutExpired as error:
        raise CheckError(
            f"{path}: backward had not answered after {timeout:g} seconds. "
            "Is there a loop that never ends? More time is given by --timeout."
        ) from error
    finally:
        with suppress(ProcessLookupError, PermissionError):  # the group has no process any more
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout:
            child.stdout.close()


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
    names = [case.name for case in cases]
    header = {"cases": names, "activation": cases[0].activation}
    encoded = json.dumps(header).encode()
    arrays["header"] = np.frombuffer(encoded, np.uint8)
    return arrays


def _unpack(arrays: dict[str, Raw], cases: list[Case], path: Path) -> list[Calls]:
    """The gradients of each case and call, from arrays that are named case/call/gradient.

    Raises CheckError if calls return different gradients or none, and LookupError, TypeError or
    ValueError for an array that no call of backward can have returned.
    """
    results: list[Calls] = []
    for k, case in enumerate(cases):
        shapes = gradient_shapes(vars(case) | {"y": case.labels})
        calls = []
        for number in range(N_CALLS):
            prefix = f"{k}/{number}/"
            names = [name for name in EQUATIONS if prefix + name in arrays]
            gradients = {name: arrays.pop(prefix + name) for name in names}
            for name, gradient in gradients.items():
                _check_form(gradient, name, shapes[name], case.name != LARGE_LOGITS)
            calls.append(gradients)
        results.append(calls)
    if arrays:
        raise ValueError(f"{list(arrays)} are no gradients of a call")
    _check_same_names(results, path)
    return results


def _check_form(gradient: Raw, name: str, shape: tuple[int, ...], finite: bool) -> None:
    """Raise ValueError unless the gradient is one that passes the child's own checks."""
    right = gradient.dtype.name in DTYPES and gradient.shape in (shape, shape[::-1])
    if not right or (finite and not np.isfinite(gradient).all()):
        raise ValueError(f"∂{name} is {gradient.dtype} {gradient.shape}")


def _check_same_names(results: list[Calls], path: Path) -> None:
    """Raise an error unless every call returned the same gradients, and at least one."""
    calls = [call for case_calls in results for call in case_calls]
    names = set(calls[0])
    if not names:
        raise ValueError("no gradient")
    for call in calls:
        changed = sorted(names ^ set(call))
        if changed:
            raise CheckError(
                f"{path}: backward returned ∂{changed[0]} in some calls and not in others. "
                "Return the same gradients each time."
            )
