"""The code of docs/files.md scores a model of any columns as load_model does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli import load_model
from mlpcli.commands.plan import prepare
from mlpcli.commands.settings import load
from mlpcli.commands.train import execute
from tests.support.pages import ROOT, blocks

PAGE = ROOT / "docs" / "files.md"
ROWS: list[list[Any]] = [
    [1, "oak", 0.5, None],
    [2, None, -1.0, 3.5],
    [3, "a tree that nobody knows", 2.0, 1.0],
    [4, "ash", 0.0, 40.0],
]


@pytest.fixture
def in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with runs/first, a model of ids, words, numbers and gaps."""
    rng = np.random.default_rng(0)
    lines = ["id,tree,size,age,kind"]
    for row in range(1, 121):
        tree = rng.choice(["ash", "elm", "oak", ""])
        size, age = rng.normal(size=2).round(3)
        gap = "" if row % 9 == 0 else age
        lines.append(f"{row},{tree},{size},{gap},{'yes' if size > 0 else 'no'}")
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = {"data.source": "rows.csv", "training.epochs": 5}
    execute(prepare(load(None, settings), Path("runs/first"), False, print))


@pytest.mark.usefixtures("in_a_run")
def test_words_gaps_and_ids_are_scored_by_the_code_of_the_page() -> None:
    (code,) = blocks(PAGE, "python")
    names: dict[str, Any] = {}
    exec(code, names)
    expected = load_model("runs/first").predict_proba(np.array(ROWS, object))
    np.testing.assert_allclose(names["probabilities"](ROWS), expected, rtol=1e-4)
