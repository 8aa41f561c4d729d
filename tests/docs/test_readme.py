"""The README tells the truth: its commands run, its code scores, its tables are the program's own."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydantic_core import PydanticUndefined

from mlpcli import config
from mlpcli.commands import settings
from mlpcli.datasets import cache
from mlpcli.datasets.table import checked_table
from tests.support.command import Run, run_command

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = dict.fromkeys(("sh", "python"), "")
for language, block in re.findall(r"^```(sh|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
    BLOCKS[language] += block
COMMANDS = BLOCKS["sh"].splitlines()


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Path:
    """A folder as a reader has it: configurations, examples, a CSV file; and what OpenML would send, in the cache."""
    from sklearn.datasets import load_iris, load_wine

    folder = tmp_path_factory.mktemp("newcomer")
    for name in ("configs", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    iris, wine, stream = load_iris(), load_wine(), np.random.default_rng(0)
    lines = [
        ",".join([*map(str, row), iris.target_names[k]])
        for row, k in zip(iris.data, iris.target, strict=True)
    ]
    (folder / "iris.csv").write_text("\n".join(["a,b,c,d,species", *lines]), encoding="utf-8")
    digits = stream.integers(0, 256, (10_200, 784)).astype(np.uint8)
    cache.store("openml-mnist_784@1", checked_table("mnist", digits, np.arange(10_200) % 10))
    cache.store("openml-wine@1", checked_table("wine", wine.data, wine.target))
    yield folder
    (cache_folder / "openml-mnist_784@1.npz").unlink()
    (cache_folder / "openml-wine@1.npz").unlink()


@pytest.fixture(scope="module")
def session(newcomer: Path) -> "dict[str, subprocess.CompletedProcess[str]]":
    """Every command of the README, run one after the other as a reader would."""
    commands = [line for line in COMMANDS if line.startswith("mlpcli")]
    return {command: run_command(*shlex.split(command)[1:], cwd=newcomer) for command in commands}


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("mlpcli")])
def test_every_command_in_the_readme_runs(
    command: str, session: "dict[str, subprocess.CompletedProcess[str]]"
) -> None:
    done = session[command]
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("command", [line for line in COMMANDS if not line.startswith("mlpcli")])
def test_every_make_target_in_the_readme_is_one(command: str) -> None:
    assert command.startswith("make ")
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_first_two_commands_are_in_the_gate() -> None:
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert COMMANDS[:2] == ["make train", "make test"]
    assert set(COMMANDS[:2]) <= set(gate)


def test_the_code_in_the_readme_scores_a_model_as_eval_does(
    newcomer: Path, mlpcli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = np.random.default_rng(1)
    x, y = stream.normal(size=(300, 5)), stream.integers(0, 3, 300)
    np.savez(
        newcomer / "rows.npz", x=x + y[:, None], y=y, x_test=(x + y[:, None])[:99], y_test=y[:99]
    )
    for activation in ("tanh", "logistic", "relu"):
        out = ("--out", "runs/first", "--overwrite", "--epochs", "3")
        mlpcli(
            "train",
            "--data",
            "rows.npz",
            "--set",
            f"network.activation={activation}",
            *out,
            cwd=newcomer,
            check=True,
        )
        said = json.loads(mlpcli("eval", "runs/first", "--json", cwd=newcomer).stdout)
        monkeypatch.chdir(newcomer)
        names: dict[str, object] = {}
        exec(BLOCKS["python"], names)
        z = names["logits"]((x + y[:, None])[:99])  # type: ignore[operator]
        losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(99), y[:99]]
        assert said["accuracy"] == np.mean(z.argmax(axis=1) == y[:99])
        assert said["loss"] == pytest.approx(losses.mean(), rel=1e-5)


def test_the_table_of_keys_is_the_configurations_own() -> None:
    for key, field in config.every_key():
        default = "by rule" if key == "optimizer.lr" else json.dumps(field.default)
        row = f"| `{key}` | {config.allowed(field)} | {default} | {field.description} |"
        assert row in README, row
        assert field.default is not PydanticUndefined


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.name
)
def test_every_configuration_is_valid(path: Path) -> None:
    assert settings.load(path, {}, []).seed >= 0


def test_the_digits_configuration_says_what_the_defaults_are() -> None:
    assert settings.load(ROOT / "configs" / "digits.toml", {}, []) == settings.load(None, {}, [])
