"""Tables: what they must be before they are used, and their fingerprint."""

import hashlib
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlpcli.arrays import SWEEP, Raw
from mlpcli.datasets.labels import label_column
from mlpcli.datasets.table import (
    Table,
    as_uint8_if_lossless,
    checked_table,
    fingerprint,
    with_test,
)
from mlpcli.errors import DataError

X = np.arange(6.0).reshape(3, 2)
Y = np.array([0, 1, 0])


def table_of(x: Raw, labels: Raw) -> Table:
    return checked_table("data", x, labels)


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i8", "u8", "f2", "f4", "f8", ">f4", ">i2"])
def test_features_of_every_number_type_keep_type_and_values(dtype: str) -> None:
    table = table_of((X % 2).astype(dtype), Y)
    assert table.x.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(table.x, X % 2)


def test_features_are_laid_out_row_by_row_and_not_copied_where_they_are() -> None:
    assert table_of(np.asfortranarray(X), Y).x.flags.c_contiguous
    assert np.shares_memory(table_of(X, Y).x, X)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize <= 8, reason="no wider type on this machine")
def test_features_wider_than_float64_become_float64() -> None:
    assert table_of(X.astype(np.longdouble), Y).x.dtype == np.float64


def test_images_in_three_dimensions_keep_their_sides() -> None:
    x = np.arange(24).reshape(2, 3, 4)
    table = table_of(x, np.array([0, 1]))
    assert table.image == (3, 4)
    np.testing.assert_array_equal(table.x, x.reshape(2, 12))


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
    assert table_of(np.zeros((2, features), dtype), np.array([0, 1])).image == image


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
def test_features_that_are_no_table_of_numbers_are_refused(x: Raw, said: str) -> None:
    with pytest.raises(DataError) as caught:
        table_of(x, Y)
    assert str(caught.value).startswith(f"data: {said}")


PLACES = [[(0, 0)], [(1, 1), (2, 0)], [(4096, 1), (4999, 0), (4999, 1)], [(4095, 0)]]


def with_values(value: float, places: list[tuple[int, int]]) -> Raw:
    x = np.zeros((5000, 2))
    for place in places:
        x[place] = value
    return x


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("places", PLACES)
def test_infinite_values_are_counted_and_the_first_is_named(
    value: float, places: list[tuple[int, int]]
) -> None:
    x = with_values(value, places)
    x[0, 1] = np.nan
    row, column = places[0]
    with pytest.raises(DataError) as caught:
        table_of(x, np.zeros(5000, int))
    assert str(caught.value).startswith(
        f"data: {len(places)} feature values are infinite or too large; "
        f"the first is {value} in row {row:,}, column {column} (counted from 0)."
    )


@pytest.mark.parametrize("places", PLACES)
def test_missing_cells_are_counted_and_kept(places: list[tuple[int, int]]) -> None:
    x = with_values(np.nan, places)
    table = table_of(x, np.zeros(5000, int))
    assert table.notes == (f"data: {len(places)} of 10,000 cells are missing (NaN).",)
    np.testing.assert_array_equal(table.x, x)


def test_a_table_without_gaps_has_no_notes() -> None:
    assert table_of(X, Y).notes == ()


def test_a_half_precision_infinity_is_found() -> None:
    with pytest.raises(DataError, match="the first is inf in row 2, column 1"):
        table_of(np.array([[0, 1], [2, 3], [4, np.inf]], np.float16), Y)


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
def test_labels_are_whole_numbers_or_strings(labels: Raw, expected: list[object]) -> None:
    read = table_of(X, labels).labels
    assert read.tolist() == list(map(str, expected))
    assert read.names == tuple(sorted(set(map(str, expected))))
    assert read.indices.dtype == np.uint8


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
def test_labels_that_name_no_class_are_refused(labels: Raw, said: str) -> None:
    with pytest.raises(DataError) as caught:
        table_of(X, labels)
    assert str(caught.value).startswith(f"data: {said}")


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 255)))
def test_bytes_in_disguise_become_bytes(x: Raw) -> None:
    small = as_uint8_if_lossless(x)
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, x)


@pytest.mark.parametrize("value", [-1, 256, 0.5, np.nan, np.inf])
def test_values_that_are_no_bytes_stay_as_they_are(value: float) -> None:
    x = np.zeros((SWEEP + 2, 2))
    x[-1, 1] = value
    assert as_uint8_if_lossless(x) is x


def test_the_fingerprint_tells_contents_apart_and_only_contents() -> None:
    table, other = table_of(X, Y), table_of(X + 1, Y)
    tables = [
        (table,),
        (other,),
        (table_of(X, 1 - Y),),
        (table_of(X, np.array(["0", "1", "00"])),),
        (table_of(X.astype(np.float32), Y),),
        (table_of(X[:2], Y[:2]),),
        (with_test(table, other),),
        (with_test(table, table),),
        (table, table),
        (table, with_test(table, table)),
        (replace(table, validation=table),),
        (replace(table, test=table, validation=other),),
    ]
    assert len({fingerprint(*each) for each in tables}) == len(tables)
    assert fingerprint(checked_table("elsewhere", X.copy(), Y.copy())) == fingerprint(table)
    assert fingerprint(table_of(X.astype(">f8"), Y.astype(np.int8))) == fingerprint(table)


def test_the_fingerprint_of_a_table_is_the_same_in_every_version() -> None:
    table = with_test(table_of(X, np.array(["a", "é", "a"])), table_of(X + 1, Y))
    assert fingerprint(table, table_of(X - 1, Y)) == (
        "b4b2f1fb87551024a78841e978ac42a1015dab3c65b61da613dcc9f105bf72c8"
    )


def test_test_rows_are_held_out_if_there_are_some() -> None:
    table, other = table_of(X, Y), checked_table("test", X + 1, Y)
    assert table.held_out is table
    assert with_test(table, other).held_out is other


def test_test_rows_with_another_number_of_features_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"^test: has 1 features, and data has 2; both must have the same"
    ):
        with_test(table_of(X, Y), checked_table("test", X[:, :1], Y))


def test_one_long_label_among_many_costs_its_own_length() -> None:
    labels = ["b"] * 20_000
    labels[7] = "é" * 1000
    column = label_column(["b", labels[7]], (np.arange(20_000) == 7).astype(np.intp))
    x = np.zeros((20_000, 1), np.uint8)
    tracemalloc.start()
    try:
        short = fingerprint(checked_table("data", x, column))
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20 < 20_000 * 1000
    finally:
        tracemalloc.stop()
    encoded = np.char.encode(np.array(labels), "utf-8")
    digest = hashlib.sha256()
    for array in (x, encoded):
        digest.update(f"rows {array.dtype.str} {array.shape}".encode() + array.tobytes())
    assert short == digest.hexdigest()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.array(["a", "b" * 1001, "a"]), "the label in row 1 (counted from 0) has 1,001 charac"),
        (np.array([b"a", b"a", b"b" * 1001]), "the label in row 2 (counted from 0) has 1,001 char"),
        (np.arange(100_001), "has more than 100,000 different labels, too many to be classes."),
        (np.arange(100_001).astype("U6"), "has more than 100,000 different labels"),
    ],
)
def test_labels_too_long_or_too_many_are_refused(labels: Raw, said: str) -> None:
    with pytest.raises(DataError) as caught:
        checked_table("data", np.zeros((len(labels), 1)), labels)
    assert str(caught.value).startswith(f"data: {said}")


def test_some_rows_have_only_their_own_labels() -> None:
    labels = table_of(X, np.array(["a", "c", "b"])).labels[1:]
    assert (labels.names, labels.tolist()) == (("b", "c"), ["c", "b"])
