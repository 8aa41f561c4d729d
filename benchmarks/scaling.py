"""How mlpcli's epoch grows with rows, hidden units, minibatch and threads."""

import json
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.inputs import first_rows
from benchmarks.peers.protocol import Settings
from benchmarks.harness import Answer, rounds, started, tell

ROWS = (7_500, 15_000, 30_000, 60_000)
HIDDEN = (128, 256, 512, 1024, 2048)
BATCHES = (16, 32, 64, 128, 256, 512)
THREADS = (1, 2)


def measure(mnist: Path, folder: Path, count: int) -> list[Answer]:
    """One table for each thing that grows; 784-512-10, minibatches of 128 and 15,000 rows where nothing else is said.

    Each row has `what`, `value`, `rows` and the answer of mlpcli.
    """
    files = {rows: str(first_rows(mnist, rows, folder)) for rows in ROWS}
    usual = Settings(files[15_000], 512, 128, "momentum", 0.05)
    tables = {
        "rows": {rows: (replace(usual, source=file), {}) for rows, file in files.items()},
        "hidden units": {hidden: (replace(usual, hidden=hidden), {}) for hidden in HIDDEN},
        "rows in a minibatch": {B: (replace(usual, batch_size=B), {}) for B in BATCHES},
        "threads": {n: (usual, {"OPENBLAS_NUM_THREADS": str(n)}) for n in THREADS},
    }
    return [row for what, entries in tables.items() for row in _table(what, entries, folder, count)]


def _table(
    what: str, entries: dict[int, tuple[Settings, dict[str, str]]], folder: Path, count: int
) -> list[Answer]:
    tell(f"growth with {what}")
    told = [
        (
            str(value),
            "peers.mlpcli_",
            ("-", json.dumps(asdict(settings)), folder / f"growth-{what}-{value}"),
            more,
        )
        for value, (settings, more) in entries.items()
    ]
    with started(told) as contestants:
        results = rounds(contestants, count, 1)
    read = {
        value: int(Path(settings.source).stem.split("-")[1])
        for value, (settings, _) in entries.items()
    }
    return [
        {"what": what, "value": value, "rows": read[value], **results[str(value)]}
        for value in entries
    ]
