"""Numbers, words, arrays and JSON values at the edge of what a file may hold."""

from typing import Any

import numpy as np

COUNTS = [0, 1, 2]
COUNTS += [2**bits - 1 for bits in (7, 8, 16, 32, 64)]
COUNTS += [2**bits for bits in (7, 8, 15, 24, 31, 63)]
COUNTS += [2**31 - 1]

NUMBERS = [
    "0",
    "-1",
    "1",
    "2",
    "255",
    "2147483648",
    "18446744073709551616",
    "0.5",
    "-0.0",
    "1e999",
    "-1e-999",
    "1e308",
    "4.9e-324",
    "nan",
    "inf",
    "1_0",
    "0x10",
    "1L",
    "٣",
    "True",
]
NUMBERS.append("9" * 5000)

WORDS = ["", " ", "\t", "\n", "\r\n", "\0", "\ufeff", "\ud800", "\\ud800", "\\", "é"]
WORDS += ['"', "'", '"""', ",", ";", "=", "#", "()", "[]", "{}"]
WORDS += ["null", "true", "<f8", "|O", "S0"]
WORDS += ["a" * 300, "(" * 300, "[" * 3000, "{'a':" * 300]

ARRAYS: list[Any] = [
    np.float64(1),
    np.zeros(0),
    np.zeros((1, 1, 1, 1)),
    np.zeros((3, 2), "f2"),
    np.zeros(4, ">f4"),
    np.full(3, np.nan),
    np.full((2, 2), np.inf),
    np.full(4, 1e300),
    np.array([2**63], "u8"),
    np.zeros(3, complex),
    np.array(["a", "é"]),
    np.array(["\ud800"]),
    np.array([b"\xff"]),
    np.array([None]),
    np.zeros(2, "M8[s]"),
]

JSON_VALUES: list[Any] = [None, True, 0, -1, 1.5, 2**63, 10**400, 1e308, float("nan")]
JSON_VALUES += ["", "\ud800", "relu", [], [[]], {}]

MEMBER_NAMES = ["../x.npy", "/x.npy", "", "x", "\0.npy", "é.npy"]
