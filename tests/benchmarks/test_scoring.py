"""The benchmark of scoring measures mlpcli."""

from pathlib import Path

from benchmarks import scoring


def test_mlpcli_is_measured(tmp_path: Path) -> None:
    (case,) = scoring.measure({300: 2}, [scoring.OURS], tmp_path, n_rounds=1)
    assert case.n_rows == 300
    assert [len(seconds) for seconds in case.subjects["mlpcli"].seconds] == [2]
    assert list(tmp_path.iterdir()) == []
