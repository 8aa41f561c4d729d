"""Predictions as text, line by line, or as arrays: what `mlpcli predict` writes.

CSV has the id columns, `prediction`, `confidence`, and p_<class> for each class in the model's
order. JSON Lines has the same in one object a row. A row without a prediction has empty cells, or
null. Numbers have six digits.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpcli.arrays import Labels, Raw

QUOTED = '",\r\n'  # signs that need quotes around the cell


@dataclass(frozen=True)
class Predictions:
    """The predictions of some rows (n): classes by number (n), and probabilities (n,K).

    A bad row, which was skipped, has no prediction. `ids` are the texts of each id column.
    """

    ids: tuple[list[str], ...]
    predicted: Labels
    probabilities: NDArray[np.float32]
    bad: NDArray[np.bool_]


def csv_header(id_names: Sequence[str], classes: Sequence[str], with_probabilities: bool) -> str:
    """The first line of a CSV file."""
    names = [*id_names, "prediction", "confidence"]
    if with_probabilities:
        names += [f"p_{name}" for name in classes]
    return ",".join(map(_cell, names)) + "\n"


def csv_lines(block: Predictions, classes: Sequence[str], with_probabilities: bool) -> str:
    """The lines of some rows."""
    names = [_cell(name) for name in classes]
    n_numbers = 1 + len(classes) * with_probabilities
    template = "%s" + ",%.6g" * n_numbers
    confidence = block.probabilities.max(axis=1, keepdims=True)
    numbers = confidence
    if with_probabilities:
        numbers = np.hstack([confidence, block.probabilities])
    pairs = zip(block.predicted.tolist(), numbers.tolist(), strict=True)
    lines = [template % (names[k], *row) for k, row in pairs]
    for row in np.flatnonzero(block.bad).tolist():
        lines[row] = "," * n_numbers
    for ids in reversed(block.ids):
        lines = [f"{_cell(text)},{line}" for text, line in zip(ids, lines, strict=True)]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    """The text as a CSV cell, in quotes if it needs them."""
    if any(sign in text for sign in QUOTED):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text


def json_lines(
    block: Predictions, id_names: Sequence[str], classes: Sequence[str], with_probabilities: bool
) -> str:
    """The same as JSON Lines."""
    return "".join(_json_lines(block, id_names, classes, with_probabilities))


def _json_lines(
    block: Predictions, id_names: Sequence[str], classes: Sequence[str], with_probabilities: bool
) -> Iterator[str]:
    rows = zip(block.predicted.tolist(), block.probabilities, block.bad.tolist(), strict=True)
    for row, (k, p, is_bad) in enumerate(rows):
        record: dict[str, object] = {
            name: ids[row] for name, ids in zip(id_names, block.ids, strict=True)
        }
        shares = [float(f"{share:.6g}") for share in p.tolist()]
        record["prediction"] = None if is_bad else classes[k]
        record["confidence"] = None if is_bad else shares[k]
        if with_probabilities:
            record["probabilities"] = None if is_bad else dict(zip(classes, shares, strict=True))
        yield json.dumps(record, ensure_ascii=False) + "\n"


def arrays(
    blocks: Sequence[Predictions],
    id_names: Sequence[str],
    classes: Sequence[str],
    with_probabilities: bool,
) -> dict[str, Raw]:
    """The same as arrays: `prediction` (n) as texts, `confidence` (n), `p` (n,K), `classes` (K).

    A row without a prediction has "" and NaN. Each id column is an array of its own.
    """
    probabilities = np.concatenate([block.probabilities for block in blocks])
    bad = np.concatenate([block.bad for block in blocks])
    predicted = np.concatenate([block.predicted for block in blocks])
    probabilities[bad] = np.nan
    found: dict[str, Raw] = {
        "prediction": np.where(bad, "", np.array(classes)[predicted]),
        "confidence": probabilities.max(axis=1),
        "classes": np.array(classes),
    }
    if with_probabilities:
        found["p"] = probabilities
    for place, name in enumerate(id_names):
        found[f"id_{name}"] = np.array([text for block in blocks for text in block.ids[place]])
    return found
