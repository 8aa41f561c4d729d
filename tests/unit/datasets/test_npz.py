"""An .npz file: what is read of it, and what is never believed, unpickled or allocated."""

import io
import os
import pickle
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlpcli.arrays import Raw
from mlpcli.datasets.npz import read, read_features
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.preprocessing.columns import Column
from mlpcli.storage import reading
from tests.support.formats import damaged, many, npy, npy_header, npz, put, some, table_or_error

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 0, 1])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that examples write over."""
    return tmp_path_factory.mktemp("npz") / "file.npz"


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def save_members(
    path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED
) -> Path:
    files = {f"{name}.npy": content for name, content in members.items()}
    return put(path, npz(files, compression))


def refused(path: Path) -> str:
    """What is said of arrays that cannot be learnt from."""
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def unreadable(path: Path) -> str:
    """What is said of a file that is no whole .npz file of plain arrays."""
    with pytest.raises(UnreadableFileError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_features_and_labels_are_read_as_numpy_writes_them(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "data.npz", x=X, y=Y)
    table = read(tmp_path / "data.npz")
    np.testing.assert_array_equal(table.x, X, strict=True)
    assert table.labels.tolist() == ["0", "1", "0", "1"]
    assert (table.image, table.test) == (None, None)


def test_test_rows_are_read_where_they_are_there(tmp_path: Path) -> None:
    table = read(save(tmp_path / "data.npz", x=X, y=Y, x_test=X[:2] + 1, y_test=Y[:2]))
    assert table.test is not None
    np.testing.assert_array_equal(table.test.x, X[:2] + 1)
    assert table.test.labels.tolist() == ["0", "1"]


def test_three_dimensions_are_images(tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    table = read(save(tmp_path / "data.npz", x=x, y=Y[:2]))
    assert (table.x.shape, table.image) == ((2, 12), (3, 4))


def test_columns_first_is_read_as_rows_first(tmp_path: Path) -> None:
    np.testing.assert_array_equal(
        read(save(tmp_path / "data.npz", x=np.asfortranarray(X), y=Y)).x, X
    )


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (Y.astype(np.uint8), [0, 1, 0, 1]),
        (Y.astype(bool), [0, 1, 0, 1]),
        (Y.astype(float), [0, 1, 0, 1]),
        (Y[:, np.newaxis], [0, 1, 0, 1]),
        (np.array(["no", "yes", "no", "yes"]), ["no", "yes", "no", "yes"]),
        (np.array([b"no", b"yes", b"no", b"yes"]), ["no", "yes", "no", "yes"]),
    ],
)
def test_labels_may_be_of_many_types(labels: Raw, expected: list[object], tmp_path: Path) -> None:
    assert read(save(tmp_path / "data.npz", x=X, y=labels)).labels.tolist() == list(
        map(str, expected)
    )


numbers = st.sampled_from(["u1", "i2", ">i4", "f4", "f8", ">f8", "?"])
features = numbers.flatmap(
    lambda kind: arrays(
        kind, array_shapes(min_dims=2, max_dims=3, max_side=5), elements=st.integers(0, 1)
    )
)


def _text(label: object) -> str:
    if isinstance(label, bool):
        return str(int(label))
    if isinstance(label, bytes):
        return label.decode()
    return str(label)


@some
@given(features, st.sampled_from(["i8", "U3", "S3", ">U2", "u2", "?"]), st.booleans())
def test_what_was_written_is_read(place: Path, x: Raw, kind: str, packed: bool) -> None:
    y = np.arange(len(x)).astype(kind)
    place.unlink(missing_ok=True)
    (np.savez_compressed if packed else np.savez)(place, x=x, y=y, x_test=x, y_test=y)
    for table in (read(place), read(place).test):
        assert table is not None
        np.testing.assert_array_equal(table.x, x.reshape(len(x), -1))
        assert table.labels.tolist() == [_text(label) for label in y.tolist()]


@many
@given(damaged(npz({"x.npy": npy(X), "y.npy": npy(Y)})))
def test_a_damaged_file_gives_a_table_or_a_sentence(place: Path, content: bytes) -> None:
    put(place, content)
    table_or_error(lambda: read(place), place)


@many
@given(damaged(npz({"x.npy": npy(X), "y.npy": npy(Y)}, zipfile.ZIP_DEFLATED)))
def test_a_damaged_packed_file_gives_a_table_or_a_sentence(place: Path, content: bytes) -> None:
    put(place, content)
    table_or_error(lambda: read(place), place)


@many
@given(damaged(npy(X)), damaged(npy(Y.astype("U1"))))
def test_damaged_arrays_in_a_whole_archive_give_a_table_or_a_sentence(
    place: Path, x: bytes, y: bytes
) -> None:
    for parts in ({"x": x, "y": npy(Y)}, {"x": npy(X), "y": y}):
        save_members(place, parts)
        table_or_error(lambda: read(place), place)


TYPES = """
    '<f8' | '|O' | 'S0' | 'U0' | 'V0' | '(2,3)f4' | '>U1' | '|b1' | 'nonsense' | 'i4,i4' |
    'M8[ns]' | 'a4' | '<f8 | 10L | [('a', '<f4'), ('b', '|O')] | [('a',)] | [] | () |
    ('<f8',) | None | {'a': 1}
"""
SHAPES = """
    (4, 3) | (4L, 3L) | (2, 2, 3) | (4,) | () | 4 | [4, 3] | (4, 3 | (-4, -3) | (True, 12) |
    (4.0, 3) | (4, '3') | (0, 99999999999999999999) | (9223372036854775807, 0) | (0, 10**30) |
    (1,) * 3
"""
LONG_SHAPES = [f"({'1, ' * 70})", f"({'9' * 4000}, {'9' * 4000})", f"({'9' * 5000}, 1)"]
headers = st.builds(
    "{{'descr': {}, 'fortran_order': {}, 'shape': {}}}\n".format,
    st.sampled_from(re.split(r"\s+\|\s+", TYPES.strip())),
    st.sampled_from(["False", "True", "1", "None"]),
    st.sampled_from(re.split(r"\s+\|\s+", SHAPES.strip()) + LONG_SHAPES),
) | st.text(st.characters(max_codepoint=255), max_size=80)


@many
@given(
    headers, st.sampled_from(["x", "y"]), st.sampled_from([b"", bytes(96), bytes(32), bytes(16)])
)
@example("(" * 5000, "x", b"")
@example("[" * 200 + "]" * 200, "x", b"")
@example("{'descr': '\\d', 'fortran_order': False, 'shape': ()}", "x", b"")
@example("{'descr': '''", "x", b"")
def test_any_header_gives_a_table_or_a_sentence(
    place: Path, header: str, name: str, data: bytes
) -> None:
    save_members(place, {"x": npy(X), "y": npy(Y), name: npy_header(header, data)})
    table_or_error(lambda: read(place), place)


class Bomb:
    """Unpickling this leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", [object, [("a", object)]])
@pytest.mark.parametrize("name", ["x", "y", "x_test", "more"])
def test_pickled_objects_are_refused_and_never_run(kind: Any, name: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    array = np.zeros(1, kind)
    array[0] = Bomb(trap) if kind is object else (Bomb(trap),)
    save(tmp_path / "data.npz", **({"x": X, "y": Y} | {name: array}))
    assert f"array {name!r} holds Python objects, which are never loaded" in unreadable(
        tmp_path / "data.npz"
    )
    assert not trap.exists()
    pickle.loads(pickle.dumps(array))
    assert trap.exists()  # it would have run


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": X}, ": has no array 'y'; it holds x. Save features as x and labels as y."),
        ({"y": Y}, ": has no array 'x'; it holds y."),
        ({}, ": has no array 'x'; it holds nothing."),
        ({"rows": X, "kinds": Y}, ": has no array 'x'; it holds kinds, rows."),
        (
            {"data": X},
            ": has no array 'target'; it holds data. Save features as data and labels as target.",
        ),
        ({"X_train": X}, ": has no array 'Y_train'; it holds X_train. Save features as X_train"),
        ({"test_labels": Y}, ": has no array 'test_x'; it holds test_labels."),
        ({"x": X, "y": Y, "x_test": X}, ": has no array 'y_test'; it holds x, x_test, y."),
        ({"x": X, "y": Y, "y_test": Y}, ": has no array 'x_test'; it holds x, y, y_test."),
        ({"x": X, "y": Y[:3]}, " (x, y): has 4 rows of features and 3 labels"),
        (
            {"x": X, "y": Y, "x_test": X, "y_test": Y[:3]},
            " (x_test, y_test): has 4 rows of features and 3 labels",
        ),
        (
            {"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y},
            " (x_test, y_test): has 2 features, and ",
        ),
        (
            {"x": np.where(X > 6, np.inf, X), "y": Y},
            " (x, y): 5 feature values are infinite or too large; ",
        ),
        ({"x": X + 1j, "y": Y}, " (x, y): features are of type complex128"),
        ({"x": X[:, 0], "y": Y}, " (x, y): features have 1 dimensions"),
        ({"x": X[:, :0], "y": Y}, " (x, y): has 4 rows and 0 features"),
        ({"x": X[:0], "y": Y[:0]}, " (x, y): has 0 rows and 3 features"),
        ({"x": np.zeros((0, 3, 4)), "y": Y[:0]}, " (x, y): has 0 rows and 12 features"),
        ({"x": X, "y": Y + 0.5}, " (x, y): the label in row 0 (counted from 0) is 0.5"),
        ({"x": X, "y": Y + 1j}, " (x, y): labels are of type complex128"),
        (
            {"x": X, "y": np.array([b"a", b"b", b"c", b"\xff"])},
            " (x, y): a label is not Unicode text",
        ),
    ],
)
def test_arrays_that_cannot_be_learnt_from_are_refused(
    arrays: dict[str, Any], said: str, tmp_path: Path
) -> None:
    assert refused(save(tmp_path / "data.npz", **arrays)).startswith(said)


def test_an_array_of_records_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "data.npz", x=np.zeros(4, "f4,f4"), y=Y)
    said = ": array 'x' is of type [('f0', '<f4'), ('f1', '<f4')], which is not"
    assert unreadable(path).startswith(said)


def test_the_first_bad_value_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "data.npz", x=np.where(X > 6, np.inf, X), y=Y)
    assert "the first is inf in row 2, column 1 (counted from 0)" in refused(path)


def test_missing_cells_are_counted_and_kept(tmp_path: Path) -> None:
    x = np.where(X > 6, np.nan, X)
    path = save(tmp_path / "data.npz", x=x, y=Y, x_test=x[:2], y_test=Y[:2])
    table = read(path)
    np.testing.assert_array_equal(table.x, x)
    assert table.notes == (f"{path} (x, y): 5 of 12 cells are missing (NaN).",)


def as_f8(shape: str) -> str:
    return f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n"


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (
            npy_header(as_f8("(4, 4)"), bytes(96)),
            "claims 128 bytes of data, and the file holds 96.",
        ),
        (npy_header(as_f8("(4, 2)"), bytes(96)), "claims 64 bytes of data, and the file holds 96."),
        (
            npy_header(as_f8("(4294967296, 4294967296)"), bytes(96)),
            "claims 147,573,952,589,676,412,928 bytes of data",
        ),
        (
            npy_header(as_f8("(-4, -3)"), bytes(96)),
            "claims a length that is not a number from 0 on.",
        ),
        (
            npy_header(as_f8("(True, 12)"), bytes(96)),
            "claims a length that is not a number from 0 on.",
        ),
        (npy_header(as_f8("(4, 3"), bytes(96)), "has no readable .npy header."),
        (npy_header("'" * 20_000), "has no readable .npy header."),
        (npy(X)[:20], "has no readable .npy header."),
        (b"\x93NUMPY\x03\x00" + npy(X)[8:], "has no readable .npy header."),
        (b"GIF89a", "has no readable .npy header."),
        (b"", "has no readable .npy header."),
    ],
)
def test_a_header_is_not_believed(x: bytes, said: str, tmp_path: Path) -> None:
    path = save_members(tmp_path / "data.npz", {"x": x, "y": npy(Y)})
    assert unreadable(path).startswith(f": array 'x' {said}")


def test_headers_of_python_2_are_read_without_a_warning(tmp_path: Path) -> None:
    x = npy_header(as_f8("(4L, 3L)"), X.tobytes())
    path = save_members(tmp_path / "data.npz", {"x": x, "y": npy(Y)})
    np.testing.assert_array_equal(read(path).x, X)


def test_a_long_header_of_version_2_is_read(tmp_path: Path) -> None:
    v2 = b"\x93NUMPY\x02\x00" + npy(X)[8:10] + b"\0\0" + npy(X)[10:]
    path = save_members(tmp_path / "data.npz", {"x": v2, "y": npy(Y)})
    np.testing.assert_array_equal(read(path).x, X)


def claim(content: bytes, length: int) -> bytes:
    """The archive with this length for its first member, in both of the places that give it."""
    first = zipfile.ZipFile(io.BytesIO(content)).infolist()[0]
    sizes = struct.pack("<2I", first.compress_size, first.file_size)
    assert content.count(sizes) == 2
    return content.replace(sizes, struct.pack("<2I", first.compress_size, length))


ZEROS = npz({"x.npy": npy(np.zeros((4, 2**18)))}, zipfile.ZIP_DEFLATED)
LIE = npz({"x.npy": npy_header(as_f8("(99999, 88)"), bytes(2**23))}, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    ("content", "memory", "said"),
    [
        (claim(ZEROS, 2**31), 2**40, "array 'x' claims 2.0 GiB, more than the file can hold"),
        (claim(ZEROS, 2**31), 2**30, "would need 2.0 GiB of memory, and 1.0 GiB is free"),
        (ZEROS, 2**22, "would need 8.0 MiB of memory, and 4.0 MiB is free"),
        (LIE, 2**40, "array 'x' claims 70,399,296 bytes of data, and the file holds 8,388,608"),
    ],
)
def test_a_claim_is_refused_before_memory_is_taken(
    content: bytes, memory: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "available_memory", lambda: memory)
    (tmp_path / "data.npz").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError, match=said):
            read(tmp_path / "data.npz")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


WHOLE = npz({"x.npy": npy(X), "y.npy": npy(Y)})
LARGE = npz({"x.npy": npy(np.zeros((4, 10_000))), "y.npy": npy(Y)})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "File is not a zip file"),
        (b"x,y\n1,2\n", "File is not a zip file"),
        (WHOLE[:-30], "File is not a zip file"),
        (WHOLE[: len(WHOLE) // 2], "File is not a zip file"),
        (flipped(WHOLE, WHOLE.index(X.tobytes()) + 20), "Bad CRC-32 for file 'x.npy'"),
        (flipped(LARGE, 100_000), "Bad CRC-32 for file 'x.npy'"),
        (flipped(WHOLE, WHOLE.index(b"fortran")), "Bad CRC-32 for file 'x.npy'"),
        (WHOLE.replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0"), "is encrypted"),
        (
            WHOLE.replace(b"x.npy", b"z.npy", 1),
            "File name in directory 'x.npy' and header b'z.npy' differ",
        ),
    ],
)
def test_a_broken_archive_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(content)
    sentence = unreadable(tmp_path / "data.npz")
    assert sentence.startswith(": is not a whole .npz file (")
    assert said in sentence


def test_data_that_ends_before_its_claimed_length_is_refused(tmp_path: Path) -> None:
    header = npy_header(as_f8("(4, 3)"))
    content = claim(npz({"x.npy": header + bytes(40), "y.npy": npy(Y)}), len(header) + 96)
    (tmp_path / "data.npz").write_bytes(content)
    assert unreadable(tmp_path / "data.npz").startswith(
        ": ends after 40 of 96 bytes of data: the file is truncated."
    )


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_way_of_packing_that_numpy_never_uses_is_refused(
    compression: int, tmp_path: Path
) -> None:
    path = save_members(tmp_path / "data.npz", {"x": npy(X), "y": npy(Y)}, compression)
    assert unreadable(path).startswith(": array 'x' is packed in a way that NumPy never uses.")


def test_names_with_paths_stay_inside_the_archive(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    members = {
        "x.npy": npy(X),
        "y.npy": npy(Y),
        "../escaped.npy": npy(Y),
        "/root/escaped.npy": npy(Y),
    }
    (folder / "data.npz").write_bytes(npz(members))
    assert read(folder / "data.npz").labels.tolist() == ["0", "1", "0", "1"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data.npz", "folder"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, ": cannot be read: No such file or directory."),
        (Path.mkdir, ": is a folder, where a file is needed."),
        (os.mkfifo, ": is not a regular file"),
        (
            lambda path: path.symlink_to(path.name),
            ": is a symbolic link that leads back to itself.",
        ),
    ],
)
def test_what_lies_in_the_files_place_is_named(make: Any, said: str, tmp_path: Path) -> None:
    make(tmp_path / "data.npz")
    assert unreadable(tmp_path / "data.npz").startswith(said)


# Names that people use


@pytest.mark.parametrize(
    "names",
    [
        *[("x", "y"), ("X", "y"), ("X", "Y"), ("data", "target"), ("data", "labels")],
        *[("features", "labels"), ("images", "labels"), ("arr_0", "arr_1"), ("Data", "TARGET")],
        *[("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels")],
        *[("xtrain", "ytrain"), ("trainX", "trainY"), ("train-x", "train-y")],
    ],
)
def test_features_and_labels_are_found_by_the_names_in_use(
    names: tuple[str, str], tmp_path: Path
) -> None:
    x, y = names
    path = save(tmp_path / "data.npz", **{x: X, y: Y})
    table = read(path)
    np.testing.assert_array_equal(table.x, X)
    assert table.labels.tolist() == ["0", "1", "0", "1"]
    assert (table.origin, table.notes) == (f"{path} ({x}, {y})", ())


@pytest.mark.parametrize(
    ("test", "validation"),
    [
        (("x_test", "y_test"), ("x_val", "y_val")),
        (("X_test", "y_test"), ("X_valid", "y_valid")),
        (("test_images", "test_labels"), ("validation_images", "validation_labels")),
        (("xtest", "ytest"), ("valX", "valY")),
    ],
)
@pytest.mark.parametrize("rows", [("x_train", "y_train"), ("x", "y")])
def test_test_and_validation_rows_are_read_where_they_are_there(
    rows: tuple[str, str], test: tuple[str, str], validation: tuple[str, str], tmp_path: Path
) -> None:
    pairs = {rows: X, test: X[:2] + 1, validation: X[:3] + 2}
    held = {names[0]: x for names, x in pairs.items()}
    held |= {names[1]: Y[: len(x)] for names, x in pairs.items()}
    table = read(save(tmp_path / "data.npz", **held))
    assert table.test is not None
    assert table.validation is not None
    for part, x in zip((table, table.test, table.validation), pairs.values(), strict=True):
        np.testing.assert_array_equal(part.x, x)
    assert table.notes == ()


def test_four_arrays_without_names_are_training_and_test_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X, Y, X[:2] + 1, Y[:2])
    table = read(tmp_path / "data.npz")
    assert table.test is not None
    np.testing.assert_array_equal(table.x, X)
    np.testing.assert_array_equal(table.test.x, X[:2] + 1)


UNCLEAR = [
    [X, Y, X],
    [X, X[:2], Y, Y[:2]],
    [Y, X],
    [X, Y, X, Y, X, Y],
    [X, Y[:3]],
]


@pytest.mark.parametrize("arrays", UNCLEAR, ids=lambda arrays: len(arrays))
def test_arrays_without_names_in_another_order_are_refused(
    arrays: list[Raw], tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", *arrays)
    names = ", ".join(f"arr_{index}" for index in range(len(arrays)))
    assert refused(tmp_path / "data.npz") == (
        f": has arrays without names, {names}, and it is not clear which of them are features and "
        "which are labels. Save them by name: numpy.savez(path, x=x, y=y)."
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            "data images target",
            ": has several arrays that can be features: data, images. Keep one of them in the f",
        ),
        (
            "x y labels",
            ": has several arrays that can be labels: labels, y. Keep one of them in the file.",
        ),
        ("X x y", ": has several arrays that can be features: X, x."),
        (
            "x y x_train y_train",
            ": has rows twice: x, y, x_train, y_train. Keep those to train on.",
        ),
        ("x y x_test y_test Y_test", ": has several arrays that can be labels: Y_test, y_test."),
        ("x_test y_test x_val y_val", ": has no array 'x'; it holds x_test, x_val, y_test, y_val."),
    ],
)
def test_names_that_leave_a_choice_are_refused(names: str, said: str, tmp_path: Path) -> None:
    held = {name: X if name[0] in "xXdi" else Y for name in names.split()}
    assert refused(save(tmp_path / "data.npz", **held)).startswith(said)


def test_arrays_that_are_not_read_are_named(tmp_path: Path) -> None:
    path = save(tmp_path / "data.npz", x=X, y=Y, weights=Y, names=np.array(["a"]), arr_0=X)
    assert read(path).notes == (f"{path}: these arrays are not read: arr_0, names, weights.",)


# Shapes


@pytest.mark.parametrize("shape", [(4, 2, 3, 1), (4, 1, 2, 3)])
def test_images_of_one_channel_are_images(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.uint8).reshape(shape)
    table = read(save(tmp_path / "data.npz", x=x, y=Y))
    assert (table.image, table.notes) == ((2, 3), ())
    np.testing.assert_array_equal(table.x, np.arange(24).reshape(4, 6))


@pytest.mark.parametrize(
    ("shape", "image"), [((4, 5, 6, 3), (5, 18)), ((4, 3, 5, 6), (15, 6)), ((4, 5, 6, 4), (5, 24))]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_colours_are_features_of_their_own_and_that_is_said(
    shape: tuple[int, ...], image: tuple[int, int], order: Any, tmp_path: Path
) -> None:
    x = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    path = save(tmp_path / "data.npz", x=np.asarray(x, order=order), y=Y)
    table = read(path)
    assert table.image == image
    np.testing.assert_array_equal(table.x, x.reshape(4, -1))
    channels = 4 if shape[-1] == 4 else 3
    assert table.notes == (
        f"{path} (x, y): images have {channels} channels of colour; each value of each is a "
        "feature of its own, and the image is shown in grey with them side by side.",
    )


def test_other_numbers_of_channels_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "data.npz", x=np.zeros((4, 5, 6, 7)), y=Y)
    assert refused(path).startswith(" (x, y): features have 4 dimensions")


@pytest.mark.parametrize("kind", [bool, np.uint8, float])
def test_one_hot_labels_become_the_places_of_the_1(kind: type, tmp_path: Path) -> None:
    y: Raw = np.eye(3, dtype=kind)[[2, 0, 1, 2]]
    path = save(tmp_path / "data.npz", x=X, y=y)
    table = read(path)
    assert table.labels.tolist() == ["2", "0", "1", "2"]
    assert table.notes == (
        f"{path} (x, y): labels are one-hot; their classes are the places of the 1, from 0 on.",
    )


@pytest.mark.parametrize("y", [np.ones((4, 2)), np.zeros((4, 2)), np.full((4, 2), 0.5)])
def test_labels_in_several_columns_that_are_not_one_hot_are_refused(y: Raw, tmp_path: Path) -> None:
    path = save(tmp_path / "data.npz", x=X, y=y)
    assert refused(path).startswith(" (x, y): labels have 2 dimensions")


# Rows to predict


@pytest.mark.parametrize(
    "names", ["x", "X_test", "rows", "arr_0", "x y", "images names", "arr_0 arr_1"]
)
def test_features_are_read_without_labels(names: str, tmp_path: Path) -> None:
    first, *others = names.split()
    path = save(tmp_path / "data.npz", **({first: X} | dict.fromkeys(others, Y)))
    np.testing.assert_array_equal(read_features(path, ReadingOptions()), X, strict=True)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            "x y x_test",
            ": has several arrays of features: x, x_test. Keep one of them in a file.",
        ),
        ("a b", ": has no array 'x'; it holds a, b. Save features as x."),
        ("arr_0 arr_1 arr_2", ": has arrays without names, arr_0, arr_1, arr_2, and it"),
        ("y", " (y): features have 1 dimensions"),
    ],
)
def test_features_that_are_not_clear_are_refused(names: str, said: str, tmp_path: Path) -> None:
    held = {name: Y if name == "y" else X for name in names.split()}
    path = save(tmp_path / "data.npz", **held)
    with pytest.raises(DataError) as caught:
        read_features(path, ReadingOptions())
    assert str(caught.value).startswith(f"{path}{said}")


def test_a_file_without_arrays_has_no_features(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no array 'x'; it holds nothing\. Save features as x"):
        read_features(save(tmp_path / "data.npz"), ReadingOptions())


def test_features_may_lack_the_columns_that_the_model_ignores(tmp_path: Path) -> None:
    columns = (
        Column("", "number"),
        Column("", "ignored"),
        Column("", "number"),
        Column("", "label"),
    )
    options = ReadingOptions(columns=columns)
    whole = save(tmp_path / "whole.npz", x=X)
    part = save(tmp_path / "part.npz", x=X[:, [0, 2]].astype("f4"))
    np.testing.assert_array_equal(read_features(whole, options), X)
    x = read_features(part, options)
    np.testing.assert_array_equal(x, (X * [1, 0, 1]).astype("f4"), strict=True)
    with pytest.raises(DataError, match="has 4 columns, and the model needs 2 or 3"):
        read_features(save(tmp_path / "more.npz", x=np.zeros((2, 4))), options)
