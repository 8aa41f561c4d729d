"""One seed gives one model, in separate processes; `crash repeats 20` does more."""

import json
from pathlib import Path

from tests.support.cases import wide_case, write_wide_rows
from tests.support.processes import outcome, start_training, wait_for


def test_one_seed_gives_one_model_and_one_or_two_threads_about_the_same(tmp_path: Path) -> None:
    case = wide_case(write_wide_rows(tmp_path / "rows.npz"), "momentum", 6)
    outcomes, accuracies = [], []
    for threads in (2, 2, 2, 1):
        words = ("--overwrite", "--json", "--threads", threads)
        exited = wait_for(start_training(case, tmp_path / "run", *words))
        result = json.loads(exited.stdout)
        assert result["threads"] == threads
        accuracies.append(result["test"]["accuracy"])
        outcomes.append(outcome(tmp_path / "run"))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert abs(accuracies[2] - accuracies[3]) <= 0.02
