"""Rows scored a second, 784-512-10: mlpcli on uint8 rows, its peers on float32 rows made before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import Subject, rounds, started
from benchmarks.inputs import write_random_rows
from benchmarks.peers.protocol import notify
from benchmarks.results import ScoringCase

OURS = Subject("mlpcli", "score.mlpcli_")
SUBJECTS = (
    OURS,
    Subject("JAX", "score.jax_", ("jax",)),
    Subject("PyTorch", "score.torch_", ("torch",)),
    Subject("scikit-learn", "score.sklearn_", ("sklearn",)),
)
PASSES = {10_000: 5, 1_000_000: 1}  # by the number of rows: the passes in a round


def measure(
    passes: Mapping[int, int], subjects: Sequence[Subject], folder: Path, n_rounds: int
) -> list[ScoringCase]:
    """Measure each number of rows in `n_rounds` rounds; the rows go into the folder meanwhile."""
    cases = []
    for n_rows, count in passes.items():
        notify(f"scoring {n_rows:,} rows")
        path = write_random_rows(n_rows, folder / f"rows-{n_rows}.npz")
        with started([replace(subject, arguments=(path,)) for subject in subjects]) as processes:
            cases.append(ScoringCase(n_rows, rounds(processes, n_rounds, count)))
        path.unlink()
    return cases
