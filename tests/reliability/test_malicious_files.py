"""Files made to do harm, through the command: exit code 2, one sentence that names the file, and little memory.

What is here is what is missing elsewhere. For data, each loader's own tests have the rest: tests/datasets/test_idx.py
(claims, dimensions past 2^64, gzip files that end early or unpack without end, links, pipes, folders), test_npz.py
(claims, bombs, objects, names with paths, links, pipes, folders) and test_csvfile.py (NUL bytes, encodings, links,
pipes, folders); for models, tests/test_modelfile.py (claims, objects, headers); for settings, tests/test_config.py.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlpcli.cli.app import app
from tests.support import malicious_files as hostile
from tests.support.command import SMALL, write_csv
from tests.support.formats import npz, put
from tests.support.loaders import LOADERS
from tests.support.malicious_files import Spoil, measured
from tests.support.mutations import Members, read_members, seal

MOST = 64 * 2**20  # bytes beyond the imports


def refused(folder: Path, *words: str, file: str) -> str:
    """What the command says when it refuses a file: one line, naming it, with exit code 2 and little memory taken."""
    done = measured(folder, list(words))
    said = done.stderr.removesuffix("SystemExit(2)")
    assert done.exit_code == 2, done.stderr
    assert said.startswith("mlpcli: ")
    assert said.count("\n") == 1
    assert file in said
    assert done.memory < MOST
    return said


# Data


def a_million_columns(path: Path) -> None:
    path.write_text(",".join(str(n % 10) for n in range(10**6)) + "\n", encoding="utf-8")


def a_million_names_and_no_row(path: Path) -> None:
    path.write_text("a," * 10**6 + "a\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (a_million_columns, "has one class only"),
        (a_million_names_and_no_row, "has a header and no rows."),
    ],
)
def test_a_csv_line_of_a_million_columns_is_refused(
    make: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    make(tmp_path / "wide.csv")
    assert f"wide.csv: {said}" in refused(
        tmp_path, "train", "--data", "wide.csv", "--out", "run", file="wide.csv"
    )


def test_a_bomb_of_members_that_share_their_bytes_is_refused_as_data(tmp_path: Path) -> None:
    (tmp_path / "bomb.npz").write_bytes(hostile.bomb())
    assert "bomb.npz: would need " in refused(
        tmp_path, "train", "--data", "bomb.npz", "--out", "run", file="bomb.npz"
    )


@pytest.mark.parametrize("key", ["source", "validation", "test"])
def test_a_path_with_a_nul_byte_is_refused(key: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv")
    source = "" if key == "source" else 'source = "rows.csv"\n'
    (tmp_path / "s.toml").write_text(f'[data]\n{source}{key} = "a\\u0000b.csv"\n', encoding="utf-8")
    assert "embedded null byte" in refused(
        tmp_path, "train", "s.toml", "--out", "run", file="b.csv"
    )


# Models and checkpoints


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Path:
    """A run folder with a checkpoint; for copying only."""
    folder = tmp_path_factory.mktemp("stopped")
    rows = write_csv(folder / "rows.csv")
    words = ["train", "--data", str(rows), *SMALL, "--quiet", "--out", str(folder / "run")]
    assert CliRunner().invoke(app, words).exit_code == 0
    return folder / "run"


SPOILT: dict[str, tuple[Spoil, str]] = {
    "an array that claims more than there is": (
        hostile.claims_more,
        "claims 4,000,000,000 bytes of data",
    ),
    "dimensions past 2^64": (hostile.past_counting, "bytes of data, and the file holds 96."),
    "objects": (hostile.of_objects, "holds Python objects, which are never loaded"),
    "names with paths": (hostile.with_paths, "header"),
    "a header that is no JSON": (hostile.header_of(b"{'format': 1}"), "mlpcli"),
    "a header with a NUL byte": (hostile.header_of(b'{"format": "a\0b"}'), "mlpcli"),
    "a header in another encoding": (
        hostile.header_of('{"format": "é"}'.encode("latin-1")),
        "mlpcli",
    ),
    "a header nested deeply": (hostile.header_of(b"[" * 100_000), "mlpcli"),
    "a header that is a list": (hostile.header_of(b"[1, 2]"), "mlpcli"),
}


def zeros_for_theta() -> bytes:
    return hostile.zeros_packed({}, "theta")


every_spoilt = pytest.mark.parametrize(("spoil", "said"), SPOILT.values(), ids=SPOILT)


def model_members(folder: Path) -> Members:
    """The members of a model that has no seal, and says of none."""
    return read_members(LOADERS["model"].whole(folder)[1])


def refused_model(folder: Path, content: bytes) -> str:
    put(folder / "model.npz", content)
    return refused(folder, "eval", "model.npz", "--data", "digits", file="model.npz: ")


@every_spoilt
def test_a_hostile_model_is_refused(spoil: Spoil, said: str, tmp_path: Path) -> None:
    assert said in refused_model(tmp_path, npz(spoil(model_members(tmp_path), "W1")))


def test_bombs_are_refused_as_models(tmp_path: Path) -> None:
    assert "would need " in refused_model(tmp_path, hostile.bomb())
    zeros = hostile.zeros_packed(model_members(tmp_path), "W1")
    assert "'W1' claims 96.0 MiB, more than the file can hold" in refused_model(tmp_path, zeros)


def refused_checkpoint(run: Path, folder: Path, content: bytes) -> str:
    shutil.copytree(run, folder / "run")
    put(folder / "run" / "checkpoint.npz", content)
    (folder / "run" / "checkpoint.1.npz").unlink(missing_ok=True)
    return refused(folder, "train", "--resume", "run", file="run/checkpoint.npz: ")


@every_spoilt
def test_a_hostile_checkpoint_with_a_seal_is_refused(
    spoil: Spoil, said: str, stopped_run: Path, tmp_path: Path
) -> None:
    members = read_members((stopped_run / "checkpoint.npz").read_bytes())
    assert said in refused_checkpoint(stopped_run, tmp_path, seal(npz(spoil(members, "theta"))))


@pytest.mark.parametrize(
    ("make", "said"), [(hostile.bomb, "would need "), (zeros_for_theta, "'theta' claims 96.0 MiB")]
)
def test_bombs_with_a_seal_are_refused_as_checkpoints(
    make: Callable[[], bytes], said: str, stopped_run: Path, tmp_path: Path
) -> None:
    assert said in refused_checkpoint(stopped_run, tmp_path, seal(make()))


IN_ITS_PLACE: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder": Path.mkdir,
}
every_thing = pytest.mark.parametrize("make", IN_ITS_PLACE.values(), ids=IN_ITS_PLACE)


@every_thing
def test_a_model_that_is_no_file_is_refused(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "model.npz")
    refused(tmp_path, "eval", "model.npz", file="model.npz: ")


@every_thing
def test_a_checkpoint_that_is_no_file_is_refused(
    make: Callable[[Path], object], stopped_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(stopped_run, tmp_path / "run")
    for name in ("checkpoint.npz", "checkpoint.1.npz"):
        (tmp_path / "run" / name).unlink(missing_ok=True)
        make(tmp_path / "run" / name)
    refused(tmp_path, "train", "--resume", "run", file="run/checkpoint.npz: ")
