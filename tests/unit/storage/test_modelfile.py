"""The model file: what it holds, that plain NumPy can use it, and that a damaged one is refused."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Raw, Shape
from mlpcli.commands import settings
from mlpcli.errors import ModelError
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.model.network import Network
from mlpcli.preprocessing.columns import Column
from mlpcli.preprocessing.encoding import Encoding, Inputs
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.storage.modelfile import ARRAYS, Model, load, save
from tests.support.command import SMALL, Command, write_csv

Arrays = dict[str, Raw]
D, H, K = 4, 3, 2


def a_model(activation: str = "relu", **header: Any) -> Model:
    rng = np.random.default_rng(0)
    network = Network(Shape(D, H, K), activation)
    network.theta[:] = rng.normal(size=len(network.theta))
    offset = rng.normal(size=D).astype(np.float32)
    scale = rng.uniform(1, 2, D).astype(np.float32)
    scaling = Scaling(offset, scale)
    return Model(network, scaling, {"classes": ["no", "yes"]} | header)


def arrays_of(path: Path) -> Arrays:
    """A model's arrays, as another program may write them: without a seal."""
    header = header_of(path)
    header.pop("sealed")
    with np.load(path) as held:
        return dict(held) | {"header": as_header(header)}


def header_of(path: Path) -> dict[str, Any]:
    with np.load(path) as held:
        header: dict[str, Any] = json.loads(held["header"].tobytes())
    return header


def as_header(document: Any) -> Raw:
    return np.frombuffer(json.dumps(document).encode(), np.uint8)


def write_with(path: Path, **changes: Any) -> None:
    """Write the model again with other arrays, as another program may; None leaves one out."""
    arrays: dict[str, Any] = arrays_of(path) | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good model file."""
    save(tmp_path / "model.npz", a_model())
    return tmp_path / "model.npz"


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value)


# Written and read


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_model_comes_back_as_it_was(activation: str, tmp_path: Path) -> None:
    model = a_model(activation, note="[ü]", image=[2, 2])
    save(tmp_path / "m.npz", model)
    read = load(tmp_path / "m.npz")
    np.testing.assert_array_equal(read.network.theta, model.network.theta)
    np.testing.assert_array_equal(read.preprocessing.offset, model.preprocessing.offset)
    np.testing.assert_array_equal(read.preprocessing.scale, model.preprocessing.scale)
    assert (read.network.shape, read.network.activation) == (model.network.shape, activation)
    assert (read.classes, read.header["note"]) == (("no", "yes"), "[ü]")


def test_equal_models_are_equal_bytes_and_others_are_not(path: Path, tmp_path: Path) -> None:
    save(tmp_path / "again.npz", a_model())
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    save(tmp_path / "a.npz", a_model(note="a", image=None))
    save(tmp_path / "b.npz", a_model(image=None, note="a"))
    assert (
        (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes() != path.read_bytes()
    )


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2"])
def test_weights_of_any_float_type_can_be_read(dtype: str, path: Path) -> None:
    good, arrays = load(path).network.theta, arrays_of(path)
    write_with(path, **{name: arrays[name].astype(dtype) for name in ARRAYS})
    np.testing.assert_allclose(load(path).network.theta, good, rtol=1e-2)


def test_mixed_float_types_lose_nothing(path: Path) -> None:
    write_with(path, W2=np.full((H, K), 1e300))
    assert (load(path).network.W2 == 1e300).all()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ([2, 2], (2, 2)),
        ([1, 4], (1, 4)),
        (None, None),
        ([2, 3], None),
        ([-2, -2], None),
        ("22", None),
        ([4], None),
    ],
)
def test_rows_are_pictures_where_the_header_and_the_features_agree(
    image: Any, expected: tuple[int, int] | None, tmp_path: Path
) -> None:
    save(tmp_path / "m.npz", a_model(image=image))
    assert load(tmp_path / "m.npz").image == expected


# What a run writes


def test_the_arrays_have_the_shapes_and_types_that_are_promised(digits_run: Path) -> None:
    arrays = arrays_of(digits_run / "model.npz")
    shapes = {
        "W1": (64, 8),
        "b1": (8,),
        "W2": (8, 10),
        "b2": (10,),
        "offset": (64,),
        "scale": (64,),
    }
    assert {name: array.shape for name, array in arrays.items() if name != "header"} == shapes
    assert {arrays[name].dtype.kind for name in ARRAYS} == {"f"}
    assert arrays["header"].dtype == np.uint8


def test_the_header_says_all_that_it_promises(digits_run: Path) -> None:
    header = header_of(digits_run / "model.npz")
    result = json.loads((digits_run / "result.json").read_text(encoding="utf-8"))
    config = settings.load(digits_run / "config.toml", {}, [])
    assert (header["format"], header["version"]) == ("mlpcli-model", 2)
    assert (header["activation"], header["image"]) == ("relu", [8, 8])
    assert header["classes"] == [str(digit) for digit in range(10)]
    assert header["config"] == config.model_dump()
    assert header["data_sha256"] == result["data"]["sha256"]
    assert header["best_epoch"] == result["best_epoch"]
    for part in ("validation", "test"):
        keys = ("rows", "loss", "accuracy")
        assert header["scores"][part] == {key: result[part][key] for key in keys}
    assert header["versions"] == result["versions"]


def test_the_header_holds_absolute_data_paths_and_nothing_of_time_or_place(
    command: Command, tmp_path: Path
) -> None:
    write_csv(tmp_path / "rows.csv")
    write_csv(tmp_path / "more.csv")
    write_csv(tmp_path / "most.csv")
    sets = ("--set", "data.validation=more.csv", "--set", "data.test=./most.csv")
    assert command("train", "--data", "rows.csv", *SMALL, *sets, "--out", "the-run").exit_code == 0
    header = header_of(tmp_path / "the-run" / "model.npz")
    paths = [header["config"]["data"][key] for key in ("source", "validation", "test")]
    assert paths == [f"{tmp_path}/rows.csv", f"{tmp_path}/more.csv", f"{tmp_path}/most.csv"]
    known = {
        "format",
        "version",
        "activation",
        "smoothing",
        "sealed",
        "classes",
        "columns",
        "image",
        "config",
        "data_sha256",
    }
    assert set(header) == known | {"best_epoch", "scores", "versions"}
    assert "the-run" not in json.dumps(header)
    assert '"seconds"' not in json.dumps(header)


# Forty lines of NumPy, from the description of the file alone

Cells = list[list[str]]  # of all columns, the label's too; one without text is missing


def numpy_scores(path: Path, rows: Cells, truth: list[str]) -> tuple[float, float]:
    """The accuracy and the mean loss of a model file on these rows with these class names."""
    with np.load(path) as model:
        header = json.loads(model["header"].tobytes())
        x = numpy_inputs(header["columns"], rows, model["offset"], model["scale"])
        a = x @ model["W1"] + model["b1"]
        phi: dict[str, Callable[[Raw], Raw]] = {
            "relu": lambda a: np.maximum(a, 0),
            "tanh": np.tanh,
            "logistic": lambda a: 1 / (1 + np.exp(-a)),
            "identity": lambda a: a,
        }
        z = phi[header["activation"]](a) @ model["W2"] + model["b2"]
    z = z - z.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    smoothing = header["smoothing"]
    p = np.maximum((p - smoothing / p.shape[1]) / (1 - smoothing), smoothing / 10)
    log_p = np.log(p / p.sum(axis=1, keepdims=True))
    labels = np.array([header["classes"].index(name) for name in truth])
    loss = -log_p[np.arange(len(rows)), labels].mean()
    return float((log_p.argmax(axis=1) == labels).mean()), float(loss)


def numpy_inputs(columns: Any, rows: Cells, offset: Raw, scale: Raw) -> Raw:
    """The network's input x (N,D)."""
    if columns is None:
        return (np.array(rows, float)[:, : len(offset)] - offset) * scale
    x = np.zeros((len(rows), len(offset)))
    for row, cells in zip(x, rows, strict=True):
        for column, cell in zip(columns, cells, strict=True):
            for place, t in numpy_places(column, cell):
                row[place] = (t - offset[place]) * scale[place]
    return x


def numpy_places(column: dict[str, Any], cell: str) -> Iterator[tuple[int, float]]:
    """The places that a cell fills, and what with."""
    if cell == "":
        if "missing" in column:
            yield column["missing"], 1
    elif column["kind"] == "number":
        if "value" in column:
            yield column["value"], float(cell)
        for n, (left, right) in enumerate(pairwise(column.get("edges", []))):
            t = (float(cell) - left) / (right - left)
            yield column["bins"] + n, min(max(t, 0), 1)
    elif "places" in column:  # which a category that is constant has not
        yield column["places"][column["levels"].index(cell)], 1


def digits_rows(tmp_path: Path) -> tuple[str, Cells]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labelled = zip(bunch.data.tolist(), bunch.target.tolist(), strict=True)
    return "digits", [[*map(str, row), str(label)] for row, label in labelled]


def csv_rows(tmp_path: Path) -> tuple[str, Cells]:
    path = write_csv(tmp_path / "rows.csv", ("red", "green", "blue"), rows=90)
    lines = path.read_text(encoding="utf-8").replace('"', "").splitlines()
    return str(path), [line.split(",") for line in lines]


def mixed_rows(tmp_path: Path) -> tuple[str, Cells]:
    """Numbers and words, either with gaps, an id and a constant."""
    rng = np.random.default_rng(0)
    cells = []
    for n in range(120):
        age = "" if n % 7 == 0 else f"{rng.normal(n % 2, 0.5):.3f}"
        tree = "" if n % 11 == 0 else str(rng.choice(["ash", "elm", "oak"]))
        few = str(rng.integers(4))
        cells.append([str(n), age, tree, few, "same", ("no", "yes")[n % 2]])
    lines = ["number,age,tree,few,word,answer", *(",".join(row) for row in cells)]
    path = tmp_path / "mixed.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path), cells


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rows", [digits_rows, csv_rows, mixed_rows])
def test_plain_numpy_gets_the_scores_that_eval_prints(
    rows: Callable[[Path], tuple[str, Cells]],
    activation: str,
    command: Command,
    tmp_path: Path,
) -> None:
    source, cells = rows(tmp_path)
    settings = ("--set", f"network.activation={activation}", "--epochs", 4, "--hidden", 16)
    assert command("train", "--data", source, *settings, "--out", "run").exit_code == 0
    printed = json.loads(command("eval", "run", "--data", source, "--json").stdout)
    truth = [row[-1] for row in cells]
    accuracy, loss = numpy_scores(tmp_path / "run" / "model.npz", cells, truth)
    assert printed["rows"] == len(cells)
    assert printed["accuracy"] == accuracy
    assert printed["loss"] == pytest.approx(loss, rel=1e-5)


# Damaged, foreign or malicious


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    for content in (b"", b"PK", b"\x93NUMPY", b"W1 = 3\n" * 99):
        path.write_bytes(content)
        assert "is not a whole .npz file" in refused(path)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "m.npz")
    assert "is a folder" in refused(tmp_path)


@pytest.mark.parametrize("name", ARRAYS)
def test_a_missing_array_is_named(name: str, path: Path) -> None:
    write_with(path, **{name: None})
    assert f"has no array {name!r}" in refused(path)


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("W1", np.zeros(D * H), "W1 has 1 dimensions"),
        ("W1", np.float64(1), "W1 has 0 dimensions"),
        ("W1", np.zeros((0, H)), "0 features and 3 hidden units"),
        ("W1", np.zeros((D, 0)), "4 features and 0 hidden units"),
        ("W1", np.zeros((D, H), int), "W1 is int64 (4, 3), where floats (4, 3) are needed"),
        ("W1", np.zeros((D + 1, H)), "offset is float32 (4,), where floats (5,) are needed"),
        ("b1", np.zeros(H + 1), "b1 is float64 (4,), where floats (3,) are needed"),
        ("b1", np.zeros((H, 1)), "b1 is float64 (3, 1)"),
        ("b1", np.zeros(H, complex), "b1 is complex128 (3,)"),
        ("b1", np.array(["a"] * H), "b1 is <U1 (3,)"),
        ("W2", np.zeros((K, H)), "W2 is float64 (2, 3), where floats (3, 2) are needed"),
        ("b2", np.zeros(K + 1), "b2 is float64 (3,), where floats (2,) are needed"),
        ("offset", np.zeros((1, D)), "offset is float64 (1, 4)"),
        ("scale", np.zeros(D, bool), "scale is bool (4,)"),
        ("W1", np.full((D, H), np.nan), "W1 holds numbers that are not finite"),
        ("b2", np.full(K, np.inf), "b2 holds numbers that are not finite"),
        ("scale", np.full(D, -np.inf), "scale holds numbers that are not finite"),
        ("W2", np.full((H, K), None), "holds Python objects, which are never loaded"),
        ("header", np.full(3, None), "holds Python objects, which are never loaded"),
    ],
)
def test_a_wrong_array_is_named_with_what_is_needed(
    name: str, wrong: Raw, said: str, path: Path
) -> None:
    write_with(path, **{name: wrong})
    assert said in refused(path)


@pytest.mark.parametrize(
    "header",
    [
        np.frombuffer(b"{", np.uint8),
        np.frombuffer(b"\xff\xfe\xfa", np.uint8),
        np.frombuffer(b"[" * 100_000, np.uint8),
        np.frombuffer(b'{"version": ' + b"9" * 9_999, np.uint8),
        np.zeros(0, np.uint8),
        np.zeros(3),
        as_header(None),
        as_header([1, 2]),
        as_header({}),
    ],
)
def test_a_header_that_cannot_be_read_is_refused(header: Raw, path: Path) -> None:
    write_with(path, header=header)
    assert "its header is missing or cannot be read" in refused(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 3}, "is a model of format version 3; this mlpcli reads the versions 1 to 2"),
        ({"version": 0}, "is a model of format version 0; this mlpcli reads the versions 1 to 2"),
        ({"version": "1"}, "is a model of format version '1'"),
        ({"format": "another"}, "does not say format, activation, classes"),
        ({"activation": "swish"}, "does not say format, activation, classes"),
        ({"activation": ["relu"]}, "does not say format, activation, classes"),
        ({"classes": []}, "does not say format, activation, classes"),
        ({"classes": [0, 1]}, "does not say format, activation, classes"),
        ({"classes": "ab"}, "does not say format, activation, classes"),
        ({"classes": None}, "does not say format, activation, classes"),
        ({"classes": ["a", "b", "c"]}, "W2 is float32 (3, 2), where floats (3, 3) are needed"),
    ],
)
def test_a_header_that_says_something_else_is_refused(
    change: dict[str, Any], said: str, path: Path
) -> None:
    write_with(path, header=as_header(header_of(path) | {"sealed": False} | change))
    assert said in refused(path)


def test_a_file_without_a_header_is_refused(path: Path) -> None:
    write_with(path, header=None)
    assert "its header is missing" in refused(path)


@pytest.mark.parametrize("shape", [(2**40, 2**20), (5, 3), (3, 3), (-1, 3)])
def test_an_array_that_claims_another_size_than_it_has_is_refused(
    shape: tuple[int, int], path: Path
) -> None:
    lie = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        lie, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    W1 = arrays_of(path)["W1"]
    write_with(path, W1=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("W1.npy", lie.getvalue() + W1.tobytes())
    assert "array 'W1'" in refused(path)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (list("abcd"), tuple("abcd")),
        ([1, 2, 3, 4], tuple("1234")),
        (list("abc"), ()),
        ("abcd", ()),
        (None, ()),
    ],
)
def test_columns_of_version_1_have_names_where_the_header_has_one_for_each_feature(
    columns: Any, expected: tuple[str, ...], path: Path
) -> None:
    header = header_of(path) | {"version": 1, "sealed": False, "columns": columns}
    write_with(path, header=as_header(header))
    assert load(path).columns == tuple(Column(name, "number") for name in expected)


def test_a_model_of_version_1_scores_as_one_of_today_without_columns(path: Path) -> None:
    now = load(path)
    header = header_of(path) | {"version": 1, "sealed": False}
    header.pop("columns")
    write_with(path, header=as_header(header))
    before = load(path)
    assert before.columns == ()
    assert isinstance(before.preprocessing, Scaling)
    np.testing.assert_array_equal(before.network.theta, now.network.theta)
    np.testing.assert_array_equal(before.preprocessing.offset, now.preprocessing.offset)
    np.testing.assert_array_equal(before.preprocessing.scale, now.preprocessing.scale)


@pytest.mark.parametrize("columns", ["abcd", [1, 2, 3, 4], [{}], {"name": "a", "kind": "number"}])
def test_columns_of_version_2_that_make_no_sense_are_refused(columns: Any, path: Path) -> None:
    write_with(path, header=as_header(header_of(path) | {"sealed": False, "columns": columns}))
    assert "the columns in its header are not usable" in refused(path)


def test_the_columns_of_a_table_come_back_with_their_encoding(tmp_path: Path) -> None:
    columns = (
        Column("age", "number"),
        Column("id", "ignored"),
        Column("tree", "category", ("ash", "elm")),
        Column("kind", "label"),
    )
    inputs = (Inputs(value=0, missing=1), Inputs(), Inputs(levels=(2, 3)))
    model = a_model()
    encoding = Encoding(inputs, model.preprocessing.offset, model.preprocessing.scale)
    save(tmp_path / "m.npz", replace(model, preprocessing=encoding, columns=columns))
    read = load(tmp_path / "m.npz")
    assert read.columns == columns
    assert read.feature_columns == columns[:3]
    assert isinstance(read.preprocessing, Encoding)
    assert read.preprocessing.inputs == inputs


def test_saving_leaves_the_model_s_own_header_as_it_was(tmp_path: Path) -> None:
    model = a_model()
    save(tmp_path / "m.npz", model)
    assert model.header == {"classes": ["no", "yes"]}
