"""IDX files: MNIST itself, every element type, and whatever else may lie in their place."""

import gzip
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mlpcli.arrays import Raw
from mlpcli.datasets.idx import read_features, read_folder, read_idx
from mlpcli.datasets.options import ReadingOptions
from mlpcli.errors import DataError, UnreadableFileError
from mlpcli.preprocessing.columns import Column
from mlpcli.storage import reading
from tests.support.formats import (
    IDX_CODES,
    damaged,
    idx,
    idx_folder,
    many,
    put,
    some,
    table_or_error,
)

X = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
PACKED = gzip.compress(idx(X), mtime=0)
Y = np.array([2, 0, 1], np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that examples write over."""
    return tmp_path_factory.mktemp("idx")


def test_mnist_has_its_rows_images_and_labels(mnist: Path) -> None:
    table = read_folder(mnist)
    assert table.test is not None
    assert (table.x.shape, table.test.x.shape) == ((60_000, 784), (10_000, 784))
    assert table.x.dtype == np.uint8
    assert table.image == (28, 28)
    assert table.labels[:5].tolist() == list("50419")
    assert table.test.labels[:5].tolist() == list("72104")
    assert np.bincount(table.labels.indices).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert round(float(table.x.mean()), 4) == 33.3184  # the mean pixel that everyone finds


@pytest.mark.parametrize("name", ["{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnists_names_are_found_plain_dotted_and_gzipped(
    name: str, ending: str, tmp_path: Path
) -> None:
    pack = gzip.compress if ending else bytes
    for part in ("train", "t10k"):
        (tmp_path / (name.format(part, "images", 3) + ending)).write_bytes(pack(idx(X)))
        (tmp_path / (name.format(part, "labels", 1) + ending)).write_bytes(pack(idx(Y)))
    table = read_folder(tmp_path)
    for subset in (table, table.test):
        assert subset is not None
        np.testing.assert_array_equal(subset.x, X.reshape(3, 64), strict=True)
        assert subset.labels.tolist() == ["2", "0", "1"]
        assert subset.image == (8, 8)


def test_a_folder_may_hold_training_rows_alone(tmp_path: Path) -> None:
    table = read_folder(idx_folder(tmp_path, train_images=idx(X), train_labels=idx(Y)))
    assert table.test is None


@pytest.mark.parametrize("kind", IDX_CODES)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_every_element_type_is_read(kind: str, ending: str, tmp_path: Path) -> None:
    array = np.array([[0, 1, 100], [7, 50, 3]], kind)
    path = tmp_path / ("file" + ending)
    path.write_bytes(gzip.compress(idx(array), mtime=0) if ending else idx(array))
    np.testing.assert_array_equal(read_idx(path), array, strict=True)


@some
@given(
    st.sampled_from(list(IDX_CODES)).flatmap(
        lambda kind: arrays(
            kind, array_shapes(max_dims=3, max_side=6), elements=st.integers(0, 127)
        )
    )
)
def test_what_was_written_is_read(place: Path, array: Raw) -> None:
    for name, content in {
        "file": idx(array),
        "file.gz": gzip.compress(idx(array), mtime=0),
    }.items():
        np.testing.assert_array_equal(read_idx(put(place / name, content)), array, strict=True)


@many
@given(damaged(idx(X)), st.booleans())
def test_damaged_images_give_a_table_or_a_sentence(
    place: Path, content: bytes, packed: bool
) -> None:
    folder = idx_folder(place / ("packed" if packed else "plain"), train_labels=idx(Y))
    name = "train-images-idx3-ubyte" + (".gz" if packed else "")
    put(folder / name, gzip.compress(content, mtime=0) if packed else content)
    table_or_error(lambda: read_folder(folder), folder)


@many
@given(
    damaged(idx(Y))
    | st.builds(lambda head, tail: idx(Y)[:2] + head + tail, st.binary(max_size=6), st.binary())
)
def test_damaged_labels_give_a_table_or_a_sentence(place: Path, content: bytes) -> None:
    folder = idx_folder(place / "labels", train_images=idx(X), train_labels=content)
    table_or_error(lambda: read_folder(folder), folder)


@many
@given(damaged(gzip.compress(idx(X), mtime=0)))
def test_a_damaged_gzip_file_gives_a_table_or_a_sentence(place: Path, content: bytes) -> None:
    folder = idx_folder(place / "gzip", train_labels=idx(Y))
    put(folder / "train-images-idx3-ubyte.gz", content)
    table_or_error(lambda: read_folder(folder), folder)


MAGIC = b"\x00\x00\x08\x03"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not an IDX file of one to three dimensions: it begins with nothing"),
        (b"\x00\x00\x08", "is not an IDX file of one to three dimensions: it begins with 00 00 08"),
        (
            b"\x89PNG\r\n\x1a\n",
            "is not an IDX file of one to three dimensions: it begins with 89 50 4e 47",
        ),
        (b"\x00\x00\x0a\x01\x00\x00\x00\x01\x00", "is not an IDX file of one to three dimensions"),
        (b"\x00\x00\x08\x00\x00", "is not an IDX file of one to three dimensions"),
        (
            b"\x00\x00\x08\xff" + b"\x00\x00\x00\x01" * 255 + b"\x00",
            "is not an IDX file of one to three dimensions",
        ),
        (MAGIC + b"\x00\x00\x00\x01\x00\x00", "ends within its header: the file is truncated"),
        (MAGIC + struct.pack(">3I", 0, 28, 28), "holds nothing: by its header it is 0 × 28 × 28"),
        (MAGIC + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1), "holds nothing"),
        (idx(X)[:-1], "ends after 191 of 192 bytes of data: the file is truncated"),
        (idx(X) + b"\x00", "is longer than its header says"),
        (
            MAGIC + struct.pack(">3I", 1000, 28, 28),
            "claims 765.6 KiB of data, more than the file can hold",
        ),
        (
            MAGIC + struct.pack(">3I", *[2**32 - 1] * 3),
            "claims 70368744128512.0 PiB of data, more than the file",
        ),
    ],
)
@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_what_is_no_whole_idx_file_is_refused(
    content: bytes, said: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    with pytest.raises(UnreadableFileError) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: {said}")


@pytest.mark.parametrize("content", [PACKED[:-9], PACKED[:5], PACKED + b"tail", idx(X), b"\x1f"])
def test_what_is_no_whole_gzip_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(
        UnreadableFileError, match=r"is not a whole gzip file \(.+\)\. Fetch it again"
    ):
        read_idx(path)


def test_a_flipped_bit_in_a_gzip_file_is_noticed(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(idx(X), compresslevel=0, mtime=0))
    content[100] ^= 1
    (tmp_path / "file.gz").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"is not a whole gzip file \(CRC check failed"):
        read_idx(tmp_path / "file.gz")


BIG = 2**24


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "file",
            MAGIC + struct.pack(">3I", *[2**32 - 1] * 3) + bytes(1000),
            "more than the file can hold",
        ),
        (
            "file.gz",
            gzip.compress(MAGIC + struct.pack(">3I", *[2**32 - 1] * 3), mtime=0),
            "more than the file can hold",
        ),
        (
            "file.gz",
            gzip.compress(MAGIC + struct.pack(">3I", 1, 1, BIG) + bytes(BIG), mtime=0),
            "would need 16.0 MiB of memory",
        ),
        ("file.gz", gzip.compress(idx(X) + bytes(BIG), mtime=0), "is longer than its header says"),
    ],
)
def test_a_claim_or_a_bomb_is_refused_before_memory_is_taken(
    name: str, content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "available_memory", lambda: BIG - 1)
    (tmp_path / name).write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError, match=said):
            read_idx(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < BIG / 8
    finally:
        tracemalloc.stop()


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "is not a regular file"),
        (Path.mkdir, "is a folder"),
        (make_loop, "is a symbolic link that leads back to itself"),
        (lambda path: path.symlink_to("nowhere"), "cannot be read: No such file or directory"),
        (Path.touch, "is not an IDX file of one to three dimensions: it begins with nothing"),
    ],
)
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"])
def test_what_lies_in_a_files_place_is_named(
    make: Any, said: str, name: str, tmp_path: Path
) -> None:
    idx_folder(tmp_path, train_labels=idx(Y), t10k_images=idx(X))
    if name.startswith("t10k"):
        idx_folder(tmp_path, train_images=idx(X))
    make(tmp_path / name)
    with pytest.raises(UnreadableFileError) as caught:
        read_folder(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / name}: {said}")


def test_a_folder_without_idx_files_is_told_what_it_must_hold(tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()
    with pytest.raises(
        DataError, match=r"has no train-images-idx3-ubyte \(plain or .gz\)"
    ) as caught:
        read_folder(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ")


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_images_without_their_labels_are_refused(part: str, tmp_path: Path) -> None:
    idx_folder(
        tmp_path, train_images=idx(X), train_labels=idx(Y), t10k_images=idx(X), t10k_labels=idx(Y)
    )
    (tmp_path / f"{part}-labels-idx1-ubyte").unlink()
    said = (
        f"has {part}-images-idx3-ubyte, but not the labels {part}-labels-idx1-ubyte that go with it"
    )
    with pytest.raises(DataError, match=said):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"train_labels": idx(Y[:2])}, "has 3 rows of features and 2 labels"),
        ({"train_labels": idx(X)}, "labels have 3 dimensions"),
        ({"train_images": idx(Y)}, "features have 1 dimensions"),
        ({"train_images": idx(np.full((3, 2, 2), np.inf, "f4"))}, "12 feature values are infinite"),
        ({"t10k_images": idx(X[:, :7])}, "t10k-images-idx3-ubyte: has 56 features, and .* has 64"),
    ],
)
def test_files_that_do_not_go_together_are_refused(
    parts: dict[str, bytes], said: str, tmp_path: Path
) -> None:
    whole = {
        "train_images": idx(X),
        "train_labels": idx(Y),
        "t10k_images": idx(X),
        "t10k_labels": idx(Y),
    }
    with pytest.raises(DataError, match=said):
        read_folder(idx_folder(tmp_path, **(whole | parts)))


# Other names


def emnist_folder(folder: Path, split: str, *subsets: str) -> Path:
    folder.mkdir(exist_ok=True)
    for subset in subsets:
        put(folder / f"emnist-{split}-{subset}-images-idx3-ubyte", idx(X))
        put(folder / f"emnist-{split}-{subset}-labels-idx1-ubyte", idx(Y))
    return folder


def test_test_rows_may_be_named_test(tmp_path: Path) -> None:
    parts = {"train_images": idx(X), "train_labels": idx(Y)}
    table = read_folder(
        idx_folder(tmp_path, **parts, test_images=idx(X[:2]), test_labels=idx(Y[:2]))
    )
    assert table.test is not None
    assert (table.n_rows, table.test.n_rows) == (3, 2)
    assert table.notes == ()


def test_test_rows_by_both_names_are_refused(tmp_path: Path) -> None:
    parts = {f"{part}_images": idx(X) for part in ("train", "t10k", "test")}
    parts |= {f"{part}_labels": idx(Y) for part in ("train", "t10k", "test")}
    with pytest.raises(DataError) as caught:
        read_folder(idx_folder(tmp_path, **parts))
    assert str(caught.value) == (
        f"{tmp_path}: has test rows twice: t10k-images-idx3-ubyte, test-images-idx3-ubyte. "
        "Keep one of them."
    )


def test_emnist_is_found_by_its_names_and_set_right(tmp_path: Path) -> None:
    table = read_folder(emnist_folder(tmp_path, "letters", "train", "test"))
    for part in (table, table.test):
        assert part is not None
        assert part.image == (8, 8)
        np.testing.assert_array_equal(part.x.reshape(3, 8, 8), X.transpose(0, 2, 1))
        assert part.labels.tolist() == ["2", "0", "1"]
    assert table.notes == (
        f"{tmp_path}: EMNIST's images are stored with rows and columns exchanged, "
        "and are set right.",
    )


def test_several_splits_of_emnist_are_refused_and_named(tmp_path: Path) -> None:
    for split in ("letters", "balanced"):
        emnist_folder(tmp_path, split, "train")
    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: has several splits of EMNIST: balanced, letters. "
        "Move the files of one into a folder of their own."
    )


def test_emnists_images_without_their_labels_are_refused(tmp_path: Path) -> None:
    emnist_folder(tmp_path, "digits", "train")
    (tmp_path / "emnist-digits-train-labels-idx1-ubyte").unlink()
    said = "but not the labels emnist-digits-train-labels-idx1-ubyte that go with it"
    with pytest.raises(DataError, match=said):
        read_folder(tmp_path)


def test_files_that_are_not_read_are_named_but_for_hidden_and_packed_ones(tmp_path: Path) -> None:
    idx_folder(tmp_path, train_images=idx(X), train_labels=idx(Y))
    for name in (".DS_Store", "train-images-idx3-ubyte.gz", "README", "a-mapping.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    make_loop(tmp_path / "loop")
    table = read_folder(tmp_path)
    assert table.notes == (f"{tmp_path}: these files are not read: README, a-mapping.txt.",)


def test_test_images_without_labels_are_refused_under_their_own_name(tmp_path: Path) -> None:
    idx_folder(tmp_path, train_images=idx(X), train_labels=idx(Y), test_images=idx(X))
    said = "has test-images-idx3-ubyte, but not the labels test-labels-idx1-ubyte that go with it"
    with pytest.raises(DataError, match=said):
        read_folder(tmp_path)


# Rows to predict


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_images_are_read_without_labels(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"photos{ending}"
    path.write_bytes(gzip.compress(idx(X)) if ending else idx(X))
    x = read_features(path, ReadingOptions())
    np.testing.assert_array_equal(x, X.reshape(3, 64), strict=True)


@pytest.mark.parametrize("part", ["train", "t10k", "test"])
def test_a_folders_only_images_are_read_with_labels_or_without(part: str, tmp_path: Path) -> None:
    idx_folder(tmp_path, **{f"{part}_images": idx(X), f"{part}_labels": idx(Y)})
    np.testing.assert_array_equal(read_features(tmp_path, ReadingOptions()), X.reshape(3, 64))


def test_emnists_images_are_set_right_by_the_name_of_their_file(tmp_path: Path) -> None:
    emnist_folder(tmp_path, "mnist", "test")
    for path in (tmp_path, tmp_path / "emnist-mnist-test-images-idx3-ubyte"):
        x = read_features(path, ReadingOptions())
        np.testing.assert_array_equal(x.reshape(3, 8, 8), X.transpose(0, 2, 1))


def test_several_files_of_images_and_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no train-images-idx3-ubyte \(plain or .gz\)"):
        read_features(tmp_path, ReadingOptions())
    parts = {"train_images": idx(X), "train_labels": idx(Y)}
    idx_folder(tmp_path, **parts, t10k_images=idx(X), t10k_labels=idx(Y))
    with pytest.raises(DataError) as caught:
        read_features(tmp_path, ReadingOptions())
    assert str(caught.value) == (
        f"{tmp_path}: has several files of images: train-images-idx3-ubyte, t10k-images-idx3-ubyte."
        " Name one of them."
    )


def test_images_of_another_size_than_the_models_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "photos", idx(X))
    options = ReadingOptions(columns=(Column("", "number"),) * 63 + (Column("", "ignored"),) * 2)
    with pytest.raises(DataError) as caught:
        read_features(tmp_path / "photos", options)
    assert str(caught.value).startswith(
        f"{tmp_path / 'photos'}: has 64 columns, and the model needs 63 or 65."
    )
