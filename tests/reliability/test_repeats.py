"""One seed, one model, in processes of their own; `python -m tests.reliability.crash repeats 20` does more."""

import json
from pathlib import Path

from tests.support.processes import ended, outcome, train, wide, write_wide_rows


def test_one_seed_gives_one_model_and_one_or_two_threads_about_the_same(tmp_path: Path) -> None:
    case = wide(write_wide_rows(tmp_path / "rows.npz"), "momentum", 6)
    outcomes, accuracies = [], []
    for threads in (2, 2, 2, 1):
        done = ended(train(case, tmp_path / "run", "--overwrite", "--json", "--threads", threads))
        result = json.loads(done.stdout)
        assert result["threads"] == threads
        accuracies.append(result["test"]["accuracy"])
        outcomes.append(outcome(tmp_path / "run"))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert abs(accuracies[2] - accuracies[3]) <= 0.02
