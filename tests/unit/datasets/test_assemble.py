"""From tables to a data set: its three parts, its scaling and its fingerprint."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Raw
from mlpcli.datasets.assemble import Sources, assemble, read_sources
from mlpcli.datasets.dataset import Dataset
from mlpcli.datasets.options import ReadingOptions
from mlpcli.datasets.rowweights import ClassWeight
from mlpcli.datasets.sources import read
from mlpcli.datasets.table import Table, checked_table, fingerprint, with_test
from mlpcli.errors import DataError
from mlpcli.preprocessing.columns import Column
from mlpcli.preprocessing.pipeline import Settings
from mlpcli.preprocessing.scaling import Scaling

N = 100
X = np.random.default_rng(0).normal(10, 3, (N, 4))
Y = np.arange(N) % 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in; data.npz has rows, parts.npz the same and ten test rows."""
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", x=X, y=Y)
    np.savez("parts.npz", x=X, y=Y, x_test=X[:10] + 50, y_test=Y[:10])
    return tmp_path


def loaded(
    source: str = "data.npz",
    seed: int = 0,
    *,
    validation: float | str = 0.1,
    test: float | str = 0.2,
    scaling: str = "auto",
    class_weight: ClassWeight = "none",
    **reading: Any,
) -> Dataset:
    """The data set of a source, with the defaults of the configuration."""
    sources = read_sources(source, ReadingOptions(**reading), validation, test, print)
    return assemble(
        sources,
        np.random.default_rng(seed),
        validation=validation if isinstance(validation, float) else 0.0,
        test=test if isinstance(test, float) else 0.0,
        settings=Settings(scaling, bins=0, rare=1),
        class_weight=class_weight,
    )


def scaling_of(data: Dataset) -> Scaling:
    assert isinstance(data.preprocessing, Scaling)
    return data.preprocessing


def refused(source: str, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        loaded(source, **settings)
    return str(caught.value)


def test_by_default_a_fifth_is_for_testing_and_a_tenth_for_validation() -> None:
    data = loaded()
    assert {name: len(rows) for name, rows in data.parts.items()} == {
        "train": 72,
        "validation": 8,
        "test": 20,
    }
    assert sorted(np.concatenate([rows.index for rows in data.parts.values()])) == list(range(N))
    assert data.source == "data.npz"
    assert data.classes == ("0", "1", "2", "3")
    assert (data.features, data.n_rows) == (4, N)


def test_the_three_parts_are_places_in_one_table() -> None:
    data = loaded()
    assert data.train.x is data.validation.x is data.test.x
    assert data.train.labels is data.validation.labels is data.test.labels
    np.testing.assert_array_equal(data.train.x, X)
    np.testing.assert_array_equal(data.train.labels, Y)


def test_the_same_seed_gives_the_same_parts_and_another_seed_others() -> None:
    one, same, other = loaded(seed=1), loaded(seed=1), loaded(seed=2)
    for name, rows in one.parts.items():
        np.testing.assert_array_equal(rows.index, same.parts[name].index)
        assert rows.index.tolist() != other.parts[name].index.tolist()


def test_another_validation_fraction_leaves_the_test_rows_alone() -> None:
    np.testing.assert_array_equal(
        loaded(validation=0.3).test.index, loaded(validation=0.1).test.index
    )


def test_the_sources_own_test_rows_win_over_a_fraction() -> None:
    data = loaded("parts.npz", test=0.5)
    np.testing.assert_array_equal(data.test.x[data.test.index], X[:10] + 50)
    assert data.test.labels[data.test.index].tolist() == Y[:10].tolist()
    assert (len(data.train), len(data.validation)) == (92, 8)


def test_the_users_own_test_rows_win_over_the_sources() -> None:
    np.savez("own.npz", x=X[:5] - 50, y=Y[:5])
    data = loaded("parts.npz", test="own.npz")
    np.testing.assert_array_equal(data.test.x, X[:5] - 50)
    assert len(data.train) + len(data.validation) == N


def test_test_rows_of_the_users_own_are_the_test_part_where_that_source_has_one() -> None:
    np.testing.assert_array_equal(loaded(test="parts.npz").test.x, X[:10] + 50)


def test_validation_rows_of_the_users_own_leave_the_others_to_training() -> None:
    np.savez("own.npz", x=X[:7] - 50, y=Y[:7])
    data = loaded(validation="own.npz")
    np.testing.assert_array_equal(data.validation.x, X[:7] - 50)
    assert (len(data.train), len(data.test)) == (80, 20)
    data = loaded("parts.npz", validation="own.npz")
    assert {name: len(rows) for name, rows in data.parts.items()} == {
        "train": N,
        "validation": 7,
        "test": 10,
    }


@pytest.mark.parametrize("part", ["test", "validation"])
def test_rows_of_the_users_own_must_have_the_same_number_of_features(part: str) -> None:
    np.savez("own.npz", x=X[:, :3], y=Y)
    said = "own.npz (x, y): has 3 features, and data.npz (x, y) has 4; both must have the same."
    assert refused("data.npz", **{part: "own.npz"}) == said


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_label_that_training_never_saw_is_refused(part: str) -> None:
    np.savez("own.npz", x=X, y=Y + 1)
    said = (
        "own.npz (x, y): has the label '4', which the training rows of data.npz (x, y) never saw."
    )
    assert refused("data.npz", **{part: "own.npz"}).startswith(said)


@pytest.mark.parametrize("part", ["test", "validation"])
def test_rows_of_the_users_own_that_have_no_label_are_said(part: str) -> None:
    rows = [f"{k * 7 % 11}.5,{k % 3}.25,{'xy'[k % 2]}" for k in range(40)]
    Path("rows.csv").write_text("\n".join(["a,b,kind", *rows, ""]))
    Path("own.csv").write_text("b,a,kind\n1,2,x\n3,4,\n5,6,y\n")
    own: dict[str, Any] = {part: "own.csv"}
    data = loaded("rows.csv", **own)
    assert len(data.parts[part]) == 2
    assert (
        f"data.{part}: own.csv: 1 of 3 rows have no label in column 3 (kind), and are left out."
        in data.notes
    )


def test_test_rows_need_not_have_every_label() -> None:
    np.savez("own.npz", x=X[:1], y=Y[:1])
    assert len(loaded(test="own.npz").test) == 1


def test_one_class_only_is_refused() -> None:
    np.savez("one.npz", x=X, y=np.full(N, 7))
    assert (
        refused("one.npz")
        == "one.npz (x, y): has one class only ('7'); a classifier needs at least two."
    )


def test_a_class_with_too_few_rows_to_split_is_refused() -> None:
    np.savez("few.npz", x=X, y=np.where(np.arange(N) < 2, 7, Y))
    assert refused("few.npz").startswith(
        "these classes have too few rows to be split into training and other rows: '7' (2). "
    )


def test_a_class_of_a_negligible_number_of_rows_is_trained_on_and_that_is_said() -> None:
    y = np.arange(1000) % 4
    y[5] = 7
    np.savez("few.npz", x=np.random.default_rng(0).normal(size=(1000, 4)), y=y)
    data = loaded("few.npz")
    n_rows = {name: int((rows.labels[rows.index] == 4).sum()) for name, rows in data.parts.items()}
    assert n_rows == {"train": 1, "validation": 0, "test": 0}
    assert "These classes have too few rows to be split, and are trained on alone: 7." in data.notes
    assert loaded().notes == ()


def test_without_a_validation_share_there_are_no_validation_rows() -> None:
    data = loaded(validation=0.0)
    assert {name: len(rows) for name, rows in data.parts.items()} == {
        "train": 80,
        "validation": 0,
        "test": 20,
    }
    np.testing.assert_array_equal(data.test.index, loaded().test.index)
    assert data.sha256 == loaded().sha256


def test_columns_that_teach_nothing_are_refused() -> None:
    Path("same.csv").write_text("a,b,kind\n" + "one,2,x\none,2,y\n" * 20)
    assert refused("same.csv") == "same.csv: no column is left to learn from: all are constant."


# Weights


def test_weights_have_mean_1_over_the_training_rows() -> None:
    table = checked_table("arrays", X, Y)
    weights = np.arange(1.0, N + 1)
    data = assembled(replace(table, weights=weights))
    for rows in data.parts.values():
        assert rows.own_weights is not None
        ratio = rows.own_weights / weights[rows.index]
        np.testing.assert_allclose(ratio, 1 / weights[data.train.index].mean(), rtol=1e-6)
    assert data.train.own_weights is not None
    assert data.train.own_weights.mean() == pytest.approx(1, rel=1e-6)


def test_weights_that_are_all_alike_are_none() -> None:
    table = checked_table("arrays", X, Y)
    data = assembled(replace(table, weights=np.full(N, 3.0)))
    assert [rows.weights for rows in data.parts.values()] == [None] * 3
    assert loaded(class_weight="balanced").train.weights is None  # of as many rows each


def test_balanced_classes_weigh_the_same() -> None:
    y = np.where(np.arange(N) < 80, 0, Y)
    np.savez("uneven.npz", x=X, y=y)
    data = loaded("uneven.npz", class_weight="balanced")
    assert data.train.own_weights is not None
    labels = data.train.labels[data.train.index]
    sums = np.bincount(labels, weights=data.train.own_weights)
    np.testing.assert_allclose(sums, len(labels) / 4, rtol=1e-6)


def test_classes_weigh_as_they_are_told_and_others_1() -> None:
    data = loaded(class_weight={"0": 3.0, "2": 0.0})
    assert data.train.own_weights is not None
    labels = data.train.labels[data.train.index]
    expected = np.array([3, 1, 0, 1])[labels]
    np.testing.assert_allclose(data.train.own_weights, expected / expected.mean(), rtol=1e-6)
    assert refused("data.npz", class_weight={"9": 2.0}) == (
        "training.class_weight names 9, and the classes are 0, 1, 2, 3."
    )
    said = "the weights of the train rows are all 0, so they count for nothing."
    assert refused("data.npz", class_weight=dict.fromkeys("0123", 0.0)) == said


@pytest.mark.parametrize("kind", ["none", "unit", "standard"])
def test_scaling_is_learnt_on_the_training_rows_alone(kind: str) -> None:
    data = loaded(scaling=kind)
    rows = X[data.train.index]
    offset, spread = {
        "none": (0, 1),
        "unit": (rows.min(axis=0), np.ptp(rows, axis=0)),
        "standard": (rows.mean(axis=0), rows.std(axis=0)),
    }[kind]
    assert data.scaling_kind == kind
    np.testing.assert_allclose(scaling_of(data).offset, np.broadcast_to(offset, 4))
    np.testing.assert_allclose(scaling_of(data).scale, np.broadcast_to(1 / np.asarray(spread), 4))


def test_images_are_scaled_to_1_all_pixels_together_and_other_data_each_feature_by_itself() -> None:
    pixels = np.random.default_rng(0).integers(0, 201, (N, 8, 8)).astype(np.uint8)
    pixels[:, 0, 0] = 5
    np.savez("images.npz", x=pixels, y=Y)
    data = loaded("images.npz")
    assert data.train.x.dtype == np.uint8
    assert (data.image, data.scaling_kind) == ((8, 8), "unit")
    np.testing.assert_allclose(scaling_of(data).scale, np.full(64, 1 / 200), rtol=1e-6)
    assert (loaded().image, loaded().scaling_kind) == (None, "standard")


def test_the_hash_covers_all_rows_that_are_used() -> None:
    np.savez("own.npz", x=X[:7] - 50, y=Y[:7])
    loads = [
        loaded(),
        loaded("parts.npz"),
        loaded(validation="own.npz"),
        loaded(test="own.npz"),
        loaded("parts.npz", validation="own.npz"),
    ]
    assert len({data.sha256 for data in loads}) == len(loads)
    expected = fingerprint(read("data.npz", ReadingOptions(), print))
    assert loaded().sha256 == expected
    assert loaded(seed=1, validation=0.3).sha256 == expected


def test_digits_load_with_their_classes_in_order() -> None:
    data = loaded("digits")
    assert data.classes == tuple("0123456789")
    assert (data.n_rows, data.image, data.features) == (1797, (8, 8), 64)
    shares = [np.bincount(rows.labels[rows.index]) / len(rows) for rows in data.parts.values()]
    np.testing.assert_allclose(shares, np.broadcast_to(shares[0], (3, 10)), atol=0.01)


def test_real_mnist_is_split_and_scaled(mnist: Path) -> None:
    data = loaded(str(mnist))
    assert (len(data.test), data.n_rows) == (10_000, 70_000)
    assert abs(len(data.validation) - 6_000) <= 5  # a tenth of each of the ten classes, rounded
    assert (data.image, data.scaling_kind) == ((28, 28), "unit")
    np.testing.assert_allclose(scaling_of(data).scale, np.full(784, 1 / 255), rtol=1e-6)


def test_the_target_is_that_of_the_users_own_rows_too() -> None:
    text = "kind,a\n" + "0,1.5\n1,2\n" * 20
    for name in ("rows.csv", "own.csv", "other.csv"):
        Path(name).write_text(text)
    data = loaded("rows.csv", target="kind", test="own.csv", validation="other.csv")
    assert {name: len(rows) for name, rows in data.parts.items()} == {
        "train": 40,
        "validation": 40,
        "test": 40,
    }


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_path_for_a_part_is_refused_like_a_source(part: str) -> None:
    assert refused("data.npz", **{part: "nowhere.npz"}).startswith(
        f"data.{part}: nowhere.npz: cannot be found"
    )


@pytest.mark.parametrize(
    "parts",
    [
        {"test": "./data.npz"},
        {"validation": "data.npz"},
        {"test": "own.npz", "validation": "../own.npz"},
    ],
)
def test_a_part_that_has_no_rows_of_its_own_is_refused(parts: dict[str, str], folder: Path) -> None:
    np.savez("own.npz", x=X[:9], y=Y[:9])
    parts = {key: value.replace("..", str(folder)) for key, value in parts.items()}
    assert "Each must have rows of its own." in refused("data.npz", **parts)


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    said = "data.test = 0.5 and data.validation = 0.6 leave no rows to train on."
    assert refused("data.npz", validation=0.6, test=0.5) == said


def test_columns_are_known_by_their_names_where_files_have_them() -> None:
    Path("rows.csv").write_text("a,b,kind\n" + "1.5,20,x\n2.5,40,y\n" * 20)
    Path("test.csv").write_text("b,kind,a\n20,x,1.5\n40,y,2.5\n")
    Path("bare.csv").write_text("1.5,20,x\n2.5,40,y\n")
    for test in ("test.csv", "bare.csv"):
        data = loaded("rows.csv", target="kind" if test == "test.csv" else "", test=test)
        assert data.test.x.tolist() == [[1.5, 20], [2.5, 40]]
        assert data.columns == (
            Column("a", "number"),
            Column("b", "number"),
            Column("kind", "label"),
        )
    Path("test.csv").write_text("c,b,kind\n1,2,x\n3,4,y\n")
    said = refused("rows.csv", test="test.csv")
    assert said.startswith("data.test: test.csv: lacks columns")
    assert said.endswith(": a. Its own are c, b, kind.")


def test_columns_of_one_name_are_refused_since_none_can_be_told_from_the_other() -> None:
    Path("rows.csv").write_text("a,a,kind\n" + "1.5,20,x\n2.5,40,y\n" * 20)
    assert refused("rows.csv").startswith("rows.csv: has 2 columns named 'a': columns 1 and 2.")


# From arrays, without a file


def a_table(x: Raw = X, y: Raw = Y) -> Table:
    return checked_table("arrays", x, y)


def assembled(table: Table, validation: float | Table = 0.1, test: float | Table = 0.2) -> Dataset:
    sources = Sources(
        "arrays",
        table,
        validation if isinstance(validation, Table) else None,
        test if isinstance(test, Table) else None,
    )
    return assemble(
        sources,
        np.random.default_rng(0),
        validation=validation if isinstance(validation, float) else 0.0,
        test=test if isinstance(test, float) else 0.0,
        settings=Settings("auto", bins=0, rare=1),
    )


def test_arrays_give_the_data_set_that_a_file_of_them_gives() -> None:
    from_arrays, from_file = assembled(a_table()), loaded("data.npz")
    for name, rows in from_file.parts.items():
        np.testing.assert_array_equal(from_arrays.parts[name].index, rows.index)
        np.testing.assert_array_equal(from_arrays.parts[name].x, rows.x)
    np.testing.assert_array_equal(scaling_of(from_arrays).offset, scaling_of(from_file).offset)
    assert from_arrays.sha256 == from_file.sha256
    assert from_arrays.classes == from_file.classes
    assert (from_arrays.source, from_arrays.scaling_kind) == ("arrays", "standard")


def test_tables_may_be_the_validation_and_the_test_rows() -> None:
    data = assembled(
        a_table(),
        validation=a_table(X[:8] - 1, Y[:8]),
        test=a_table(X[:9] + 1, Y[:9]),
    )
    assert len(data.train) == N
    np.testing.assert_array_equal(data.validation.x, X[:8] - 1)
    np.testing.assert_array_equal(data.test.x, X[:9] + 1)


def test_of_a_table_with_test_rows_of_its_own_those_are_the_test_rows() -> None:
    test = with_test(a_table(), a_table(X[:9] + 1, Y[:9]))
    assert len(assembled(a_table(), test=test).test) == 9


@pytest.mark.parametrize("part", ["test", "validation"])
def test_tables_with_other_features_or_labels_are_refused(part: str) -> None:
    with pytest.raises(DataError, match="has 3 features, and arrays has 4"):
        assembled(a_table(), **{part: a_table(X[:, :3])})
    with pytest.raises(DataError, match="has the label '4', which the training rows of arrays"):
        assembled(a_table(), **{part: a_table(X, Y + 1)})


def test_fractions_that_leave_nothing_to_train_on_are_refused_for_arrays_too() -> None:
    with pytest.raises(DataError, match="leave no rows to train on"):
        assembled(a_table(), validation=0.5, test=0.5)
