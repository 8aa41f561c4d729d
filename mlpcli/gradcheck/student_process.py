"""The child process that runs a student's file: it calls backward, and checks what it returns.

    python -m mlpcli.gradcheck.student_process FILE.py CASES.npz RESULT.npz TIMEOUT

CASES.npz has the arguments of every call and RESULT.npz gets the gradients, or a sentence that says
why there are none.
"""

import inspect
import json
import re
import runpy
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlpcli.arrays import Raw
from mlpcli.errors import CheckError
from mlpcli.gradcheck.complex_step import EQUATIONS, PHI
from mlpcli.storage.reading import read_npz
from mlpcli.storage.writing import write_npz

LARGE_LOGITS = "large logits"  # the case in which a plain exp overflows
N_CALLS = 2  # for each case, since equal arguments must give equal gradients
ARGUMENTS = ("x", "y", "r", "W1", "b1", "W2", "b2")
DTYPES = ("float32", "float64")  # that a gradient may have
MAX_FRAMES = 5  # of a traceback that are shown, the innermost
# Keys that may be meant as one of z, W2, b2, a, W1, b1: "dW1", "grad_b2", "delta_z", "a_grad"
SIMILAR_KEY = re.compile(r"(d|∂|grad_?|delta_?)?_?(z|a|W1|b1|W2|b2)(_?grad)?", re.IGNORECASE)


def main(path: str, cases: str, result: str, timeout: str) -> None:
    """Run the file, and write the gradients and a status: "", or a sentence about the failure."""
    # A timer ends this process if its parent, which would end it earlier, was killed.
    signal.setitimer(signal.ITIMER_REAL, float(timeout) + 1)
    status = ""
    gradients: dict[str, Raw] = {}
    try:
        gradients = _gradients(Path(path), Path(cases))
    except BaseException as error:  # SystemExit and KeyboardInterrupt of the file too
        status = _describe(Path(path), error)
    encoded = json.dumps(status).encode()
    gradients["status"] = np.frombuffer(encoded, np.uint8)
    write_npz(Path(result), gradients)


def _gradients(path: Path, cases: Path) -> dict[str, Raw]:
    """The gradients that the file returns in all calls, by case/call/name."""
    arrays = read_npz(cases)
    header = json.loads(arrays.pop("header").tobytes())
    backward = _load(path)
    gradients = {}
    returned: dict[str, Raw] = {}
    for case, case_name in enumerate(header["cases"]):
        arguments = {name: arrays[f"{case}/{name}"] for name in ARGUMENTS}
        for call in range(N_CALLS):
            try:
                returned = _checked(_call(backward, arguments, header["activation"]), arguments)
                if case_name != LARGE_LOGITS:
                    _check_finite(returned)
            except ArithmeticError:  # such as OverflowError, which Python's own math raises
                if case_name != LARGE_LOGITS:
                    raise
                shapes = gradient_shapes(arguments)
                returned = {name: np.full(shapes[name], np.nan) for name in returned}
            for name, gradient in returned.items():
                gradients[f"{case}/{call}/{name}"] = gradient
    return gradients


def _load(path: Path) -> Callable[..., Any]:
    """The function backward of the file, which may import files that lie beside it."""
    sys.path.insert(0, str(path.parent))
    backward = runpy.run_path(str(path), run_name="student").get("backward")
    if not callable(backward):
        raise CheckError("defines no function backward(x, y, r, W1, b1, W2, b2).")
    return backward  # type: ignore[no-any-return]


def _call(backward: Callable[..., Any], arguments: dict[str, Raw], activation: str) -> object:
    """Call backward with copies of the arguments, by name if it has all names, else in order."""
    names = set()
    for parameter in inspect.signature(backward).parameters.values():
        if parameter.kind is not parameter.POSITIONAL_ONLY:
            names.add(parameter.name)
    copies = {name: value.copy() for name, value in arguments.items()}
    phi = {}
    if "phi" in names:
        phi["phi"] = PHI[activation]
    if names.issuperset(ARGUMENTS):
        return backward(**copies, **phi)
    return backward(*copies.values(), **phi)


def _checked(returned: object, arguments: dict[str, Raw]) -> dict[str, Raw]:
    """The gradients by name; raises CheckError if they are not gradients in form."""
    if returned is None:
        raise CheckError(
            "backward returned None. Is a return missing? It must return a dict of gradients."
        )
    if not isinstance(returned, dict):
        kind = type(returned).__name__
        raise CheckError(
            f"backward returned a {kind}, and must return a dict such as {{'W1': …, 'b1': …}}."
        )
    _check_keys(returned)
    shapes = gradient_shapes(arguments)
    known = [name for name in EQUATIONS if name in returned]
    return {name: _checked_array(name, returned[name], shapes[name]) for name in known}


def gradient_shapes(arguments: Mapping[str, Raw]) -> dict[str, tuple[int, ...]]:
    """The shape of each gradient, which is that of what it is the derivative by."""
    shapes = {name: arguments[name].shape for name in ("W1", "b1", "W2", "b2")}
    shapes["a"] = arguments["r"].shape
    shapes["z"] = (len(arguments["x"]), len(arguments["b2"]))
    return shapes


def _check_keys(returned: dict[Any, Any]) -> None:
    for key in returned:
        if SIMILAR_KEY.fullmatch(str(key)) and key not in EQUATIONS:
            raise CheckError(
                f"backward returned {key!r}, which is not read. "
                "Return each gradient as z, W2, b2, a, W1, b1."
            )
    if not returned.keys() & set(EQUATIONS):
        names = ", ".join(EQUATIONS)
        raise CheckError(f"backward returned none of {names}; it returned {list(returned)}.")


def _checked_array(name: str, value: object, shape: tuple[int, ...]) -> Raw:
    """A copy of the gradient as an array; raises CheckError for a wrong type or shape."""
    if value is None:
        raise CheckError(
            f"backward returned None for {name!r}. Leave out what you have not derived."
        )
    try:
        array = np.array(value)  # a copy: the file may reuse its buffers
    except (TypeError, ValueError) as error:
        raise CheckError(f"∂{name} is no array of numbers: {error}.") from error
    if array.dtype.name not in DTYPES:
        raise CheckError(
            f"∂{name} is of type {array.dtype}; only float32 and float64 can be checked."
        )
    if array.shape not in (shape, shape[::-1]):  # a transpose is a mistake that can be named
        raise CheckError(
            f"∂{name} has the shape {array.shape}, and must have {shape}, that of {name} itself."
        )
    return array


def _check_finite(gradients: dict[str, Raw]) -> None:
    for name, gradient in gradients.items():
        n_bad = int(np.count_nonzero(~np.isfinite(gradient)))
        if n_bad:
            raise CheckError(
                f"∂{name} is not finite (NaN or infinite) in {n_bad:,} of "
                f"{gradient.size:,} entries."
            )


def _describe(path: Path, error: BaseException) -> str:
    """A sentence about an exception in the student's file, with the lines of that file alone."""
    if isinstance(error, CheckError):
        return str(error)
    if isinstance(error, SyntaxError) and error.filename == str(path) and error.lineno:
        return f"is not Python: line {error.lineno}: {error.msg}."
    frames = traceback.extract_tb(error.__traceback__)
    of_file = [frame for frame in frames if frame.filename == str(path)]
    description = "".join(traceback.format_exception_only(error)).strip()
    lines = ""
    for frame in of_file[-MAX_FRAMES:]:
        lines += f"\n  line {frame.lineno}, in {frame.name}: {frame.line}"
    return f"stopped with {description}{lines}"


if __name__ == "__main__":
    main(*sys.argv[1:])
