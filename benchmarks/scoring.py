"""Rows scored a second, 784-512-10: mlpcli on the uint8 rows, its peers on float32 rows that are ready."""

from pathlib import Path

from benchmarks.inputs import random_rows
from benchmarks.harness import Answer, rounds, started, tell

CONTESTANTS = {
    "mlpcli": "score.mlpcli_",
    "JAX": "score.jax_",
    "PyTorch": "score.torch_",
    "scikit-learn": "score.sklearn_",
}
ROWS = {10_000: 5, 1_000_000: 1}  # and how many passes a turn has


def measure(folder: Path, count: int, counts: dict[int, int] = ROWS) -> list[Answer]:
    """Each number of rows, everybody in turn."""
    results = []
    for rows, each in counts.items():
        tell(f"scoring {rows:,} rows")
        path = random_rows(rows, folder / f"rows-{rows}.npz")
        with started(
            [(name, module, (path,), {}) for name, module in CONTESTANTS.items()]
        ) as contestants:
            results.append({"rows": rows, "contestants": rounds(contestants, count, each)})
        path.unlink()
    return results
