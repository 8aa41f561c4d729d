"""What a run takes of the machine: processes, and memory."""

from itertools import pairwise

from mlpcli.arrays import Shape
from mlpcli.model.optimizers import RULES

PROCESS_MIN_WORK = 1_000_000  # multiplications in x W1 that pay for one process more
PROCESS_MIN_UNITS = 16  # hidden units of one process
SCORING_ROWS = 512  # rows that are scored together
ALIGNMENT = 16  # units; a process's share begins at a multiple of it where there are enough units


def process_count(shape: Shape, B: int, n_cores: int) -> int:
    """The number of processes to train in: one for each core, as far as a step's work pays for it.

    docs/performance.md has the measurements behind the two limits.
    """
    by_work = B * shape.D * shape.H // PROCESS_MIN_WORK
    by_units = shape.H // PROCESS_MIN_UNITS
    return max(1, min(n_cores, by_work, by_units))


def even_slices(length: int, count: int) -> list[slice]:
    """`count` slices that cover range(length) in order, as equal as they can be.

    They begin at multiples of 16 where there are at least 64 entries for each.
    """
    step = ALIGNMENT if 64 * count <= length else 1
    ends = [round(length * rank / count / step) * step for rank in range(count)]
    return [slice(start, end) for start, end in pairwise([*ends, length])]


def memory_needed(shape: Shape, B: int, n_validation: int, optimizer: str, n_cores: int) -> int:
    """The bytes of float32 that a run allocates beside the data.

    B is the rows in a minibatch, n_validation the number of validation rows. The buffers by row
    are those of training and validation, or those of the final scoring, whichever is more.
    """
    moments = RULES[optimizer][1]
    processes = process_count(shape, B, n_cores)
    # theta, gradient, best weights, moments; at least 5, since W1 and W2 are drawn in float64
    vectors = max(5, 3 + moments)
    if processes > 1:
        vectors += 1 + moments  # each process has its shard of theta and of the moments
    forward = 3 * shape.H + 3 * shape.K  # numbers by row of a forward pass, beside x
    validation = min(SCORING_ROWS, n_validation) * (2 * shape.D * processes + forward)
    training = B * (3 * shape.D * processes + 8 * shape.H + 3 * shape.K)
    scoring = SCORING_ROWS * (2 * shape.D + forward) * n_cores
    return 4 * (vectors * shape.parameters + max(training + validation, scoring))
