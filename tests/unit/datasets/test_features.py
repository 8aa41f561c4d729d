"""Rows to predict come from any source, and need no labels."""

from pathlib import Path

import numpy as np
import pytest

from mlpcli.datasets.features import is_csv, read
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column
from tests.support import formats

IMAGES = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("rows.csv", True),
        ("ROWS.TSV", True),
        ("rows.data.gz", True),
        ("rows.npz", False),
        ("digits", False),
        ("openml:a.csv", False),
    ],
)
def test_tables_of_text_are_known_by_their_ending(source: str, expected: bool) -> None:
    assert is_csv(source) == expected


def test_images_are_read_from_npz_idx_and_a_folder(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=IMAGES)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(formats.idx(IMAGES))
    for source in ("x.npz", "t10k-images-idx3-ubyte", "."):
        x = read(str(tmp_path / source), ReadingOptions(), print)
        np.testing.assert_array_equal(x, IMAGES.reshape(5, 16))


def test_parquet_is_read_by_the_names_of_columns(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"more": [1, 2], "tree": ["oak", "fir"], "size": [0.5, None]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    model = (Column("size", "number"), Column("tree", "category", ("ash", "oak")))
    x = read(str(tmp_path / "rows.parquet"), ReadingOptions(columns=model), print)
    np.testing.assert_array_equal(x, [[0.5, 1], [np.nan, -1]])


def test_a_source_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    for name in ("none.npz", "none.parquet", "none"):
        with pytest.raises(DataError, match="none"):
            read(str(tmp_path / name), ReadingOptions(), print)
