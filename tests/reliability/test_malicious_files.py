"""Files made to do harm: the command ends with exit code 2 and one sentence, in little memory.

These are the cases that no loader's own tests have. For data, see tests/unit/datasets: test_idx.py
(claims, dimensions past 2^64, gzip files that end early or unpack without end, links, pipes,
folders), test_npz.py (claims, bombs, objects, names with paths, links, pipes, folders) and
test_csvfile.py (NUL bytes, encodings, links, pipes, folders); for models,
tests/unit/storage/test_modelfile.py (claims, objects, headers); for settings,
tests/unit/test_config.py.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlpcli.cli.app import app
from tests.support.command import SMALL, write_csv
from tests.support.formats import npz, put
from tests.support.loaders import LOADERS
from tests.support.malicious_files import (
    Edit,
    bomb,
    claims_more,
    has_paths,
    holds_objects,
    measure,
    overflows,
    packed_zeros,
    with_header,
)
from tests.support.mutations import Members, read_members, seal

MAX_MEMORY = 64 * 2**20  # bytes beyond the imports


def refusal(folder: Path, *words: str, file: str) -> str:
    """The message with which the command refuses a file: one line that names it.

    Checks that the exit code is 2 and that little memory was taken.
    """
    measured = measure(folder, list(words))
    message = measured.stderr.removesuffix("SystemExit(2)")
    assert measured.exit_code == 2, measured.stderr
    assert message.startswith("mlpcli: ")
    assert message.count("\n") == 1
    assert file in message
    assert measured.memory < MAX_MEMORY
    return message


# Data


def a_million_columns(path: Path) -> None:
    path.write_text(",".join(str(n % 10) for n in range(10**6)) + "\n", encoding="utf-8")


def a_million_names_and_no_row(path: Path) -> None:
    path.write_text("a," * 10**6 + "a\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (a_million_columns, "line 1 has 1,000,000 cells, and at most 131,072 are read"),
        (a_million_names_and_no_row, "line 1 has 1,000,001 cells, and at most 131,072 are read"),
    ],
)
def test_a_csv_line_of_a_million_columns_is_refused(
    make: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    make(tmp_path / "wide.csv")
    assert f"wide.csv: {message}" in refusal(
        tmp_path, "train", "--data", "wide.csv", "--out", "run", file="wide.csv"
    )


def test_a_bomb_of_members_that_share_their_bytes_is_refused_as_data(tmp_path: Path) -> None:
    (tmp_path / "bomb.npz").write_bytes(bomb())
    assert "bomb.npz: would need " in refusal(
        tmp_path, "train", "--data", "bomb.npz", "--out", "run", file="bomb.npz"
    )


@pytest.mark.parametrize("key", ["source", "validation", "test"])
def test_a_path_with_a_nul_byte_is_refused(key: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv")
    source = "" if key == "source" else 'source = "rows.csv"\n'
    (tmp_path / "s.toml").write_text(f'[data]\n{source}{key} = "a\\u0000b.csv"\n', encoding="utf-8")
    assert "embedded null byte" in refusal(
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


EDITS: dict[str, tuple[Edit, str]] = {
    "an array that claims more than there is": (
        claims_more,
        "claims 4,000,000,000 bytes of data",
    ),
    "dimensions past 2^64": (overflows, "bytes of data, and the file holds 96."),
    "objects": (holds_objects, "holds Python objects, which are never loaded"),
    "names with paths": (has_paths, "header"),
    "a header that is no JSON": (with_header(b"{'format': 1}"), "mlpcli"),
    "a header with a NUL byte": (with_header(b'{"format": "a\0b"}'), "mlpcli"),
    "a header in another encoding": (
        with_header('{"format": "é"}'.encode("latin-1")),
        "mlpcli",
    ),
    "a header nested deeply": (with_header(b"[" * 100_000), "mlpcli"),
    "a header that is a list": (with_header(b"[1, 2]"), "mlpcli"),
}


def zeros_for_theta() -> bytes:
    return packed_zeros({}, "theta")


every_edit = pytest.mark.parametrize(("edit", "message"), EDITS.values(), ids=EDITS)


def model_members(folder: Path) -> Members:
    """The members of a model without a seal, whose header claims none."""
    unsealed = LOADERS["model"].valid(folder)[1]
    return read_members(unsealed)


def refusal_of_model(folder: Path, content: bytes) -> str:
    put(folder / "model.npz", content)
    return refusal(folder, "eval", "model.npz", "--data", "digits", file="model.npz: ")


@every_edit
def test_a_malicious_model_is_refused(edit: Edit, message: str, tmp_path: Path) -> None:
    assert message in refusal_of_model(tmp_path, npz(edit(model_members(tmp_path), "W1")))


def test_bombs_are_refused_as_models(tmp_path: Path) -> None:
    assert "would need " in refusal_of_model(tmp_path, bomb())
    zeros = packed_zeros(model_members(tmp_path), "W1")
    assert "'W1' claims 96.0 MiB, more than the file can hold" in refusal_of_model(tmp_path, zeros)


def refusal_of_checkpoint(run: Path, folder: Path, content: bytes) -> str:
    shutil.copytree(run, folder / "run")
    put(folder / "run" / "checkpoint.npz", content)
    (folder / "run" / "checkpoint.1.npz").unlink(missing_ok=True)
    return refusal(folder, "train", "--resume", "run", file="run/checkpoint.npz: ")


@every_edit
def test_a_malicious_checkpoint_with_a_seal_is_refused(
    edit: Edit, message: str, stopped_run: Path, tmp_path: Path
) -> None:
    members = read_members((stopped_run / "checkpoint.npz").read_bytes())
    assert message in refusal_of_checkpoint(
        stopped_run, tmp_path, seal(npz(edit(members, "theta")))
    )


@pytest.mark.parametrize(
    ("make", "message"), [(bomb, "would need "), (zeros_for_theta, "'theta' claims 96.0 MiB")]
)
def test_bombs_with_a_seal_are_refused_as_checkpoints(
    make: Callable[[], bytes], message: str, stopped_run: Path, tmp_path: Path
) -> None:
    assert message in refusal_of_checkpoint(stopped_run, tmp_path, seal(make()))


NOT_FILES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder": Path.mkdir,
}
everything_but_a_file = pytest.mark.parametrize("make", NOT_FILES.values(), ids=NOT_FILES)


@everything_but_a_file
def test_a_model_that_is_not_a_file_is_refused(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    make(tmp_path / "model.npz")
    refusal(tmp_path, "eval", "model.npz", file="model.npz: ")


@everything_but_a_file
def test_a_checkpoint_that_is_not_a_file_is_refused(
    make: Callable[[Path], object], stopped_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(stopped_run, tmp_path / "run")
    for name in ("checkpoint.npz", "checkpoint.1.npz"):
        (tmp_path / "run" / name).unlink(missing_ok=True)
        make(tmp_path / "run" / name)
    refusal(tmp_path, "train", "--resume", "run", file="run/checkpoint.npz: ")
