"""What rows must be before they are used, and how classes and contents are named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlpcli.datasets import table as module
from mlpcli.datasets.table import (
    Table,
    classes_of,
    compact,
    encode,
    fingerprint,
    shortened,
    table,
    with_test,
)
from mlpcli.errors import DataError

X = np.arange(6.0).reshape(3, 2)
Y = np.array([0, 1, 0])


def rows_of(labels: object) -> Table:
    labels = np.array(labels)
    return table("data", np.zeros((len(labels), 1)), labels)


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i8", "u8", "f2", "f4", "f8", ">f4", ">i2"])
def test_features_of_every_number_type_keep_type_and_values(dtype: str) -> None:
    rows = table("data", (X % 2).astype(dtype), Y)
    assert rows.x.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(rows.x, X % 2)


def test_features_are_laid_out_row_by_row_and_not_copied_where_they_are() -> None:
    assert table("data", np.asfortranarray(X), Y).x.flags.c_contiguous
    assert np.shares_memory(table("data", X, Y).x, X)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize <= 8, reason="no wider type on this machine")
def test_features_wider_than_float64_become_float64() -> None:
    assert table("data", X.astype(np.longdouble), Y).x.dtype == np.float64


def test_images_in_three_dimensions_keep_their_sides() -> None:
    x = np.arange(24).reshape(2, 3, 4)
    rows = table("data", x, np.array([0, 1]))
    assert rows.image == (3, 4)
    np.testing.assert_array_equal(rows.x, x.reshape(2, 12))


@pytest.mark.parametrize(
    ("features", "dtype", "image"),
    [
        (256, np.uint8, (16, 16)),
        (64, np.uint8, None),
        (784, np.uint8, (28, 28)),
        (49, np.uint8, None),
        (65, np.uint8, None),
        (64, np.int64, None),
        (64, np.float32, None),
    ],
)
def test_a_square_number_of_bytes_is_taken_for_an_image(
    features: int, dtype: type, image: tuple[int, int] | None
) -> None:
    assert table("data", np.zeros((2, features), dtype), np.array([0, 1])).image == image


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros(3), "features have 1 dimensions"),
        (np.zeros((3, 1, 1, 1)), "features have 4 dimensions"),
        (np.zeros(()), "features have 0 dimensions"),
        (np.zeros((3, 0)), "has 3 rows and 0 features; both must be at least 1."),
        (np.zeros((0, 4)), "has 0 rows and 4 features; both must be at least 1."),
        (np.zeros((0, 4, 5)), "has 0 rows and 20 features"),
        (np.zeros((3, 4, 0)), "has 3 rows and 0 features"),
        (np.zeros((3, 2), complex), "features are of type complex128; they must be real numbers."),
        (np.zeros((3, 2), "U1"), "features are of type <U1"),
        (np.zeros((3, 2), "M8[s]"), "features are of type datetime64[s]"),
        (np.zeros((3, 2), object), "features are of type object"),
    ],
)
def test_features_that_are_no_table_of_numbers_are_refused(x: np.ndarray, said: str) -> None:
    with pytest.raises(DataError) as caught:
        table("data", x, Y)
    assert str(caught.value).startswith(f"data: {said}")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize(
    "places", [[(0, 0)], [(1, 1), (2, 0)], [(4096, 1), (4999, 0), (4999, 1)], [(4095, 0)]]
)
def test_bad_values_are_counted_and_the_first_is_named(
    value: float, places: list[tuple[int, int]]
) -> None:
    x = np.zeros((5000, 2))
    for place in places:
        x[place] = value
    row, column = places[0]
    with pytest.raises(DataError) as caught:
        table("data", x, np.zeros(5000, int))
    said = f"data: {len(places)} feature values are missing, infinite or too large; the first is {value} in row "
    assert str(caught.value).startswith(f"{said}{row:,}, column {column} (counted from 0).")


def test_a_half_precision_infinity_is_found() -> None:
    with pytest.raises(DataError, match="the first is inf in row 2, column 1"):
        table("data", np.array([[0, 1], [2, 3], [4, np.inf]], np.float16), Y)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([True, False, True]), [1, 0, 1]),
        (np.array([3, -1, 2], np.int8), [3, -1, 2]),
        (np.array([3, 1, 2], ">u2"), [3, 1, 2]),
        (np.array([2**64 - 1, 0, 2**63], np.uint64), [2**64 - 1, 0, 2**63]),
        (np.array([3.0, -0.0, 2.0]), [3, 0, 2]),
        (np.array([3.0, 1.0, 2.0], np.float16), [3, 1, 2]),
        (np.array([[1], [0], [2]]), [1, 0, 2]),
        (np.array(["cat", "dog ", "é"]), ["cat", "dog ", "é"]),
        (np.array(["cat", "dog", "eel"], ">U3"), ["cat", "dog", "eel"]),
        (np.array([b"cat", b"dog", "é".encode()]), ["cat", "dog", "é"]),
        (np.array([["a"], ["b"], ["c"]]), ["a", "b", "c"]),
    ],
)
def test_labels_are_whole_numbers_or_strings(labels: np.ndarray, expected: list[object]) -> None:
    read = table("data", X, labels).labels
    assert read.tolist() == expected
    assert read.dtype.kind in "iuU"
    assert read.dtype.isnative


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.zeros((3, 2)), "labels have 2 dimensions; there must be one label a row."),
        (np.array(1), "labels have 0 dimensions"),
        (np.zeros(2), "has 3 rows of features and 2 labels; each row needs one."),
        (np.zeros(0), "has 3 rows of features and 0 labels; each row needs one."),
        (np.zeros(3, complex), "labels are of type complex128; they must be integers or strings."),
        (np.zeros(3, object), "labels are of type object"),
        (
            np.array([1, 2, 0.5]),
            "the label in row 2 (counted from 0) is 0.5; labels must be whole numbers or strings",
        ),
        (np.array([1, np.nan, 0.5]), "the label in row 1 (counted from 0) is nan"),
        (np.array([np.inf, 1, 2]), "the label in row 0 (counted from 0) is inf"),
        (np.array([1, 2, 1e16]), "the label in row 2 (counted from 0) is 1e+16"),
        (np.array([b"a", b"b", b"\xff"]), "a label is not Unicode text."),
        (np.array(["a", "b", "\ud800"]), "a label is not Unicode text."),
        (np.frombuffer(b"\xff\xff\xff\x7f" * 3, "<U1"), "a label is not Unicode text."),
    ],
)
def test_labels_that_name_no_class_are_refused(labels: np.ndarray, said: str) -> None:
    with pytest.raises(DataError) as caught:
        table("data", X, labels)
    assert str(caught.value).startswith(f"data: {said}")


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 255)))
def test_bytes_in_disguise_become_bytes(x: np.ndarray) -> None:
    small = compact(x)
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, x)


@pytest.mark.parametrize("value", [-1, 256, 0.5, np.nan, np.inf])
def test_values_that_are_no_bytes_stay_as_they_are(value: float) -> None:
    x = np.zeros((module.SWEEP + 2, 2))
    x[-1, 1] = value
    assert compact(x) is x


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([10, 9, -1, 9], ("-1", "9", "10")),
        (["10", "9", "-1", "9"], ("-1", "9", "10")),
        (["b", "a", "c", "a"], ("a", "b", "c")),
        (["10", "9", "a", "9"], ("10", "9", "a")),
        ([True, False], ("0", "1")),
    ],
)
def test_classes_are_in_numerical_or_alphabetical_order(
    labels: list[object], classes: tuple[str, ...]
) -> None:
    rows = rows_of(labels)
    assert classes_of(rows) == classes
    names = [str(label) for label in rows.labels]
    assert [classes[k] for k in encode(rows, classes, "training")] == names


def test_one_class_only_is_refused_by_name() -> None:
    with pytest.raises(
        DataError, match=r"^data: has one class only \('cat'\); a classifier needs at least two"
    ):
        classes_of(rows_of(["cat", "cat"]))


def test_a_label_that_training_never_saw_is_named() -> None:
    with pytest.raises(
        DataError,
        match=r"^data: has the label 'eel', which the rows never saw\. The known classes are cat",
    ):
        encode(rows_of(["cat", "eel", "fox"]), ("cat", "dog"), "the rows")


def test_many_names_are_shortened_for_a_sentence() -> None:
    assert shortened(tuple("abcdefghij")) == "a, b, c, d, e, f, g, h, i, j"
    assert shortened(tuple("abcdefghijk")) == "a, b, c, d, e, f, g, h, i, j, … (11 in all)"


def test_the_fingerprint_tells_contents_apart_and_only_contents() -> None:
    rows, other = table("data", X, Y), table("data", X + 1, Y)
    tables = [
        (rows,),
        (other,),
        (table("data", X, 1 - Y),),
        (table("data", X, np.array(["0", "1", "00"])),),
        (table("data", X.astype(np.float32), Y),),
        (table("data", X[:2], Y[:2]),),
        (with_test(rows, other),),
        (with_test(rows, rows),),
        (rows, rows),
        (rows, with_test(rows, rows)),
    ]
    assert len({fingerprint(*each) for each in tables}) == len(tables)
    assert (
        fingerprint(table("elsewhere", X.copy(), Y.copy()))
        == fingerprint(rows)
        == fingerprint(rows, None)
    )
    assert fingerprint(table("data", X.astype(">f8"), Y.astype(np.int8))) == fingerprint(rows)


def test_test_rows_are_held_out_where_there_are_some() -> None:
    rows, other = table("data", X, Y), table("test", X + 1, Y)
    assert rows.held_out is rows
    assert with_test(rows, other).held_out is other


def test_test_rows_with_another_number_of_features_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"^test: has 1 features, and data has 2; both must have the same"
    ):
        with_test(table("data", X, Y), table("test", X[:, :1], Y))
