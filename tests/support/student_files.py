"""Students' files: right ones in many styles, wrong ones, and files that cannot be checked."""


def replaced(text: str, *replacements: tuple[str, str]) -> str:
    """The text with each (old, new) replaced; every old string must occur."""
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


PLAIN = """
import numpy as np

def backward(x, y, r, W1, b1, W2, b2):
    B = len(x)
    a = x @ W1 + b1
    h = np.maximum(a, 0) * r
    z = h @ W2 + b2
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    dz = (p - np.eye(len(b2))[y]) / B
    da = dz @ W2.T * r * (a > 0)
    return {"z": dz, "W2": h.T @ dz, "b2": dz.sum(axis=0),
            "a": da, "W1": x.T @ da, "b1": da.sum(axis=0)}
"""
LOOPS = """
import math

import numpy as np

def backward(x, y, r, W1, b1, W2, b2):
    rows, inputs = x.shape
    hidden, classes = W2.shape
    dW1, db1 = np.zeros((inputs, hidden)), np.zeros(hidden)
    dW2, db2 = np.zeros((hidden, classes)), np.zeros(classes)
    for n in range(rows):
        a = [b1[j] + sum(x[n, d] * W1[d, j] for d in range(inputs)) for j in range(hidden)]
        h = [max(a[j], 0) * r[n, j] for j in range(hidden)]
        z = [b2[k] + sum(h[j] * W2[j, k] for j in range(hidden)) for k in range(classes)]
        p = [math.exp(v - max(z)) / sum(math.exp(u - max(z)) for u in z) for v in z]
        dz = [(p[k] - (k == y[n])) / rows for k in range(classes)]
        for j in range(hidden):
            da = r[n, j] * sum(W2[j, k] * dz[k] for k in range(classes)) if a[j] > 0 else 0.0
            for d in range(inputs):
                dW1[d, j] += x[n, d] * da
            db1[j] += da
            for k in range(classes):
                dW2[j, k] += h[j] * dz[k]
        for k in range(classes):
            db2[k] += dz[k]
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""
EINSUM = """
import numpy as np

def backward(X, labels, mask, W, bias, V, c):
    a = np.einsum("nd,dh->nh", X, W) + bias
    z = np.einsum("nh,nh,hk->nk", np.where(a > 0, a, 0), mask, V) + c
    e = np.exp(z - z.max(1)[:, None])
    g = e / e.sum(1)[:, None]
    g[range(len(labels)), labels] -= 1
    da = np.einsum("nk,hk,nh,nh->nh", g, V, mask, (a > 0).astype(float)) / len(X)
    dV = np.einsum("nh,nh,nk->hk", a * (a > 0), mask, g) / len(X)
    return {"W2": dV, "b2": g.mean(0), "a": da,
            "W1": np.einsum("nd,nh->dh", X, da), "b1": np.einsum("nh->h", da)}
"""
IN_PLACE = """
import numpy as np

def backward(x, y, r, W1, b1, W2, b2):
    a = x @ W1
    a += b1
    r *= a > 0
    a *= r
    z = a @ W2
    z += b2
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)
    for n, k in enumerate(y):
        z[n, k] -= 1
    z /= len(y)
    r *= z @ W2.T
    np.matmul(x.T, r, out=W1)
    np.matmul(a.T, z, out=W2)
    b1[:], b2[:] = r.sum(axis=0), z.sum(axis=0)
    x[:], y[:] = 0, 0
    return {"z": z, "a": r, "W1": W1, "b1": b1, "W2": W2, "b2": b2}
"""
SINGLE = PLAIN.replace(
    "    B = len(x)",
    "    B = len(x)\n    x, r, W1, b1, W2, b2 = map(np.float32, (x, r, W1, b1, W2, b2))",
).replace("np.eye(len(b2))", "np.eye(len(b2), dtype=np.float32)")
FORTRAN = replaced(
    PLAIN, ("return {", "return {k: np.asfortranarray(v) for k, v in {"), ("0)}", "0)}.items()}")
)
LISTS = replaced(
    PLAIN, ("return {", "return {k: v.tolist() for k, v in {"), ("0)}", "0)}.items()}")
)
BY_NAME = replaced(PLAIN, ("(x, y, r, W1, b1, W2, b2)", "(W1, b1, W2, b2, *, y, r, x)"))
POSITIONAL = replaced(PLAIN, ("(x, y, r, W1, b1, W2, b2)", "(x, y, r, W1, b1, W2, b2, /)"))
PACKED = replaced(
    PLAIN, ("(x, y, r, W1, b1, W2, b2):", "(*arguments):\n    x, y, r, W1, b1, W2, b2 = arguments")
)
AN_OBJECT = (
    replaced(PLAIN, ("def backward(x", "def gradients(self, x"))
    + """
backward = type("Net", (), {"__call__": gradients})()
"""
)
BUFFERS = (
    replaced(PLAIN, ("return {", "new = {"))
    + """
    for name in new:
        key = name, new[name].shape
        kept.setdefault(key, np.empty_like(new[name]))[...] = new[name]
    return {name: kept[name, new[name].shape] for name in new}

kept = {}
"""
)
MIXED = replaced(PLAIN, ("* (a > 0)\n", "* (a > 0)\n    da = da.astype(np.float32)\n"))
BY_PHI = replaced(
    PLAIN,
    ("b2):", "b2, phi):"),
    ("np.maximum(a, 0)", "phi(a)"),
    ("(a > 0)", "phi(a + 1e-20j).imag / 1e-20"),
)
TANH = """
import numpy as np

def backward(x, y, r, W1, b1, W2, b2):
    s = np.tanh(x @ W1 + b1)
    z = (s * r) @ W2 + b2
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dz = (p - np.eye(len(b2))[y]) / len(y)
    return {"z": dz, "b1": ((dz @ W2.T) * r * (1 - s**2)).sum(axis=0)}
"""
STYLES = {
    "plain": PLAIN,
    "loops": LOOPS,
    "einsum, other names": EINSUM,
    "in place": IN_PLACE,
    "float32": SINGLE,
    "Fortran order": FORTRAN,
    "lists": LISTS,
    "by name, in another order": BY_NAME,
    "by position alone": POSITIONAL,
    "all in one": PACKED,
    "an object": AN_OBJECT,
    "buffers used again": BUFFERS,
    "one gradient in float32": MIXED,
    "φ as a parameter": BY_PHI,
}
OWN_MASK = ("W2.T * r", "W2.T * (np.random.rand(*r.shape) > 0.5)")
SEEDED_MASK = ("W2.T * r", "W2.T * 2 * np.random.default_rng(0).integers(0, 2, r.shape)")
# A text, the equations that are wrong, and the id of the mistake.
MISTAKES: dict[str, tuple[str, list[str], str]] = {
    "loops, last row": (replaced(LOOPS, ("dW2[j, k] +=", "dW2[j, k] =")), ["W2"], "one-row-only"),
    "loops, no mask": (
        replaced(LOOPS, ("da = r[n, j] * ", "da = ")),
        ["W1", "b1"],
        "missing-dropout-mask",
    ),
    "loops, sum": (
        replaced(LOOPS, (" / rows ", " ")),
        ["W2", "b2", "W1", "b1"],
        "sum-instead-of-mean",
    ),
    "einsum, no φ′": (
        replaced(EINSUM, ("(a > 0).astype(float)", "a**0")),
        ["a"],
        "missing-activation-derivative",
    ),
    "einsum, mean twice": (
        replaced(EINSUM, ("g.mean(0)", "g.mean(0) / len(X)")),
        ["b2"],
        "mean-twice",
    ),
    "in place, sign": (replaced(IN_PLACE, ("z /= len(y)", "z /= -len(y)")), ["z"], "wrong-sign"),
    "in place, label": (replaced(IN_PLACE, ("z[n, k] -= 1", "pass")), ["z"], "missing-label"),
    "float32, mask twice": (
        replaced(SINGLE, ("* r * (a", "* r * r * (a")),
        ["a"],
        "mask-applied-twice",
    ),
    "float32, no φ′": (
        replaced(SINGLE, (" * (a > 0)", "")),
        ["a"],
        "missing-activation-derivative",
    ),
    "Fortran, transposed": (replaced(FORTRAN, ("h.T @ dz", "dz.T @ h")), ["W2"], "transposed"),
    "lists, unscaled": (replaced(LISTS, ("* r * (a", "* (r > 0) * (a")), ["a"], "unscaled-mask"),
    "own mask, always the same": (replaced(PLAIN, SEEDED_MASK), ["a"], "fresh-mask"),
    "own mask": (replaced(PLAIN, OWN_MASK), ["a"], "fresh-mask"),
    "own mask, without a": (
        replaced(PLAIN, OWN_MASK, ('"a": da, ', "")),
        ["W1", "b1"],
        "fresh-mask",
    ),
    "own mask, forward too": (
        replaced(PLAIN, ("    B =", "    r = 2.0 * (np.random.rand(*r.shape) > 0.5)\n    B =")),
        ["z", "W2", "a"],
        "fresh-mask",
    ),
}


RETURNING = "import numpy as np\ndef backward(x, y, r, W1, b1, W2, b2):\n    return "
# A text, and a part of the message about it.
FAULTS = {
    "syntax": ("def backward(:\n", "is not Python: line 1: invalid syntax."),
    "indentation": (
        "def backward():\nreturn 1\n",
        "is not Python: line 2: expected an indented block",
    ),
    "no function": ("x = 1\n", "defines no function backward(x, y, r, W1, b1, W2, b2)."),
    "no function but a number": (
        "backward = 1\n",
        "defines no function backward(x, y, r, W1, b1, W2, b2).",
    ),
    "None": (RETURNING + "None\n", "backward returned None. Is a return missing?"),
    "a tuple": (RETURNING + "W1, b1\n", "backward returned a tuple, and must return a dict"),
    "unknown keys": (
        RETURNING + "{'loss': W1, 7: x}\n",
        "none of z, W2, b2, a, W1, b1; it returned ['loss', 7].",
    ),
    "a key that misses by a little": (
        RETURNING + "{'W1': W1, 'db2': b2}\n",
        "returned 'db2', which is not read.",
    ),
    "an empty dict": (RETURNING + "{}\n", "it returned []."),
    "None inside": (
        RETURNING + "{'W1': None}\n",
        "backward returned None for 'W1'. Leave out what you have not",
    ),
    "NaN": (
        RETURNING + "{'W1': W1 * np.nan}\n",
        "∂W1 is not finite (NaN or infinite) in 45 of 45 entries.",
    ),
    "infinity": (
        RETURNING + "{'b2': b2 + [np.inf, 0, 0, 0]}\n",
        "is not finite (NaN or infinite) in 1 of 4 entries.",
    ),
    "shape": (
        RETURNING + "{'a': x}\n",
        "∂a has the shape (7, 5), and must have (7, 9), that of a itself.",
    ),
    "a row for a bias": (
        RETURNING + "{'b1': b1[None]}\n",
        "∂b1 has the shape (1, 9), and must have (9,)",
    ),
    "a number": (RETURNING + "{'W1': 1.5}\n", "∂W1 has the shape (), and must have (5, 9)"),
    "integers": (
        RETURNING + "{'W1': W1.astype(int)}\n",
        "∂W1 is of type int64; only float32 and float64 can be",
    ),
    "complex": (
        RETURNING + "{'W1': W1 + 0j}\n",
        "∂W1 is of type complex128; only float32 and float64 can be",
    ),
    "half": (
        RETURNING + "{'W1': np.float16(W1)}\n",
        "∂W1 is of type float16; only float32 and float64 can be",
    ),
    "objects": (
        RETURNING + "{'W1': W1.astype(object)}\n",
        "∂W1 is of type object; only float32 and float64 can be",
    ),
    "a word": (
        RETURNING + "{'W1': 'W1'}\n",
        "∂W1 is of type <U2; only float32 and float64 can be checked.",
    ),
    "ragged": (
        RETURNING + "{'W1': [[1.0], [1.0, 2.0]]}\n",
        "∂W1 is no array of numbers: setting an array element",
    ),
    "too few parameters": (
        "def backward(x, y):\n    return {}\n",
        "stopped with TypeError: backward() takes 2",
    ),
    "exit": (
        "import sys\nsys.exit(3)\n",
        "stopped with SystemExit: 3\n  line 2, in <module>: sys.exit(3)",
    ),
    "hard exit": (
        "import os\nos._exit(5)\n",
        "did not answer: it ended the process by itself (exit code 5).",
    ),
    "a signal": (
        "import os\nos.kill(os.getpid(), 9)\n",
        "it ended the process by itself (exit code -9).",
    ),
    "input": (
        "input()\n",
        "stopped with EOFError: EOF when reading a line\n  line 1, in <module>: input()",
    ),
    "an interrupt": (
        "raise KeyboardInterrupt\n",
        "stopped with KeyboardInterrupt\n  line 1, in <module>",
    ),
    "no import": (
        "import mlpcli_nowhere\n",
        "stopped with ModuleNotFoundError: No module named 'mlpcli_nowhere'",
    ),
    "numpy's own": (
        "import numpy as np\nnp.linalg.inv(np.ones((2, 2)))\n",
        "LinAlgError: Singular matrix\n  line",
    ),
    "no message": (
        "def backward(*a):\n    assert False\n",
        "AssertionError\n  line 2, in backward: assert False",
    ),
    "a message that fails": (
        "class Error(Exception):\n    def __str__(self):\n        raise self\nraise Error\n",
        "Error: <exception str() failed>\n  line 4, in <module>: raise Error",
    ),
}
