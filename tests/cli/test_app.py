"""The command line: streams, exit codes, and that nothing which goes wrong ends in a traceback."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlpcli import __version__
from mlpcli.commands import plan, settings
from mlpcli.commands import train as run
from mlpcli.errors import MlpcliError
from mlpcli.training.events import EpochDone, Event, StopReason
from mlpcli.training.observers import Signals
from tests.support.command import SMALL, Command, Run, write_csv


@pytest.fixture
def model(digits_run: Path) -> str:
    """The path of a trained model, as one types it."""
    return str(digits_run)


def test_the_version_is_shown(mlpcli: Run) -> None:
    done = mlpcli("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mlpcli {__version__}\n", "")


@pytest.mark.parametrize("ignored", [False, True])
def test_the_entry_point_is_the_same_command_and_leaves_ctrl_c_as_it_was(ignored: bool) -> None:
    program = (
        "import signal, sys\n"
        "from mlpcli.__main__ import main\n"
        "before, sys.argv = signal.getsignal(signal.SIGINT), ['mlpcli', '--version']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(signal.getsignal(signal.SIGINT) == before, before == signal.SIG_IGN)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL
        ),
    )
    assert (done.returncode, done.stdout) == (0, f"mlpcli {__version__}\nTrue {ignored}\n"), (
        done.stderr
    )


def test_a_run_from_the_first_command_to_the_last(mlpcli: Run, tmp_path: Path) -> None:
    trained = mlpcli("train", *SMALL)
    assert trained.returncode == 0, trained.stderr
    following = trained.stdout.splitlines()[-1].split()
    assert following[:3] == ["next", "mlpcli", "eval"]
    assert (tmp_path / following[3] / "model.npz").exists()
    scored = mlpcli(*following[2:])
    assert (scored.returncode, scored.stderr) == (0, "")
    accuracy = re.search(r"test .* ([\d.]+ %)  95 %", trained.stdout)
    assert accuracy
    assert f"accuracy  {accuracy[1]} of 359 rows" in scored.stdout


# Which stream


def test_results_go_to_stdout_and_progress_to_stderr(command: Command) -> None:
    done = command("train", *SMALL, "--out", "run")
    assert "best by validation loss" not in done.stderr
    assert "test " in done.stdout
    assert "parameters" in done.stderr
    assert "parameters" not in done.stdout
    assert re.findall(r"^ +(\d) +[\d.]+ +[\d.]+ +[\d.]+ %", done.stderr, re.MULTILINE) == ["1", "2"]


def test_json_is_one_document_and_nothing_else(command: Command, model: str) -> None:
    for words in (
        ("train", *SMALL, "--out", "run", "--json"),
        ("train", *SMALL, "--out", "dry", "--json", "--dry-run"),
        ("eval", model, "--json"),
        ("eval", model, "--json", "--min-accuracy", "1"),
    ):
        assert json.loads(command(*words).stdout)["schema"] == 1


def test_train_prints_as_json_what_it_writes(command: Command) -> None:
    done = command("train", *SMALL, "--out", "run", "--json")
    assert done.stdout == Path("run/result.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("train", "--hidden", "0"), 2),
        (("train", "--data", "nothing.csv"), 2),
        (("train", "nothing.toml"), 2),
        (("train", "--out", "."), 2),
        (("train", *SMALL, "--lr", "1e30", "--out", "run"), 3),
        (("eval", "nothing"), 2),
        (("eval", "MODEL", "--data", "nothing.npz"), 2),
        (("eval", "MODEL", "--data", "digits", "--split", "test"), 2),
    ],
)
def test_an_error_is_one_sentence_on_stderr_and_one_document_with_json(
    words: tuple[str, ...], code: int, command: Command, model: str, tmp_path: Path
) -> None:
    (tmp_path / "foreign").write_text("", encoding="utf-8")
    words = tuple(model if word == "MODEL" else word for word in words)
    plain, as_json = command(*words), command(*words, "--json", *["--overwrite"] * (code == 3))
    assert (plain.exit_code, plain.stdout) == (code, "")
    assert as_json.exit_code == code
    said = plain.stderr.splitlines()[-1]
    assert said.startswith("mlpcli: ")
    assert said.endswith((".", "?"))
    assert json.loads(as_json.stdout) == {"schema": 1, "error": said.removeprefix("mlpcli: ")}


def test_quiet_says_nothing_on_stderr(command: Command) -> None:
    loud, quiet = (
        command("train", *SMALL, "--out", "a"),
        command("train", *SMALL, "--out", "b", "--quiet"),
    )
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert [line for line in quiet.stdout.splitlines() if "test" in line] == [
        line for line in loud.stdout.splitlines() if "test" in line
    ]


def test_quiet_still_says_what_is_wrong(command: Command) -> None:
    assert command("train", "--hidden", "0", "--quiet").stderr.startswith(
        "mlpcli: --hidden: network.hidden = 0 is ref"
    )


# A dry run


def test_a_dry_run_shows_the_plan_and_writes_nothing(command: Command, tmp_path: Path) -> None:
    done = command("train", *SMALL, "--batch-size", "100", "--dry-run", "--out", "run")
    assert done.exit_code == 0
    assert re.search(r"parameters +610 · about [\d.]+ KiB of memory", done.stdout)
    assert re.search(r"training +2 epochs of 13 batches of 100 rows", done.stdout)
    assert re.search(r"rows +1,259 train · 179 validation · 359 test", done.stdout)
    assert os.listdir(tmp_path) == []


def test_a_dry_run_as_json_has_the_plan(command: Command, tmp_path: Path) -> None:
    document = json.loads(command("train", *SMALL, "--dry-run", "--json").stdout)
    assert (
        document["parameters"],
        document["batches"],
        document["config"]["training"]["epochs"],
    ) == (610, 40, 2)
    assert document["memory_bytes"] > 4 * 610
    assert os.listdir(tmp_path) == []


def test_a_dry_run_finds_what_a_run_would_refuse(command: Command, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("", encoding="utf-8")
    assert command("train", "--dry-run", "--out", "run").exit_code == 2
    assert command("train", "--dry-run", "--data", "nothing.csv").exit_code == 2


# Going on with a run


def stop_at_epoch(folder: Path, epoch: int, *sets: str) -> None:
    """Train on digits until that epoch is done, and stop as Ctrl-C does."""
    config = settings.load(None, {"training.epochs": 3, "network.hidden": 8}, list(sets))

    def observer(event: Event) -> StopReason | None:
        return "interrupted" if isinstance(event, EpochDone) and event.epoch == epoch else None

    run.execute(plan.prepare(config, folder, False, print), [observer])


def test_a_stopped_run_is_resumed_to_the_same_bytes(command: Command, tmp_path: Path) -> None:
    assert command("train", "--epochs", 3, "--hidden", 8, "--out", "whole").exit_code == 0
    stop_at_epoch(tmp_path / "run", 1)
    done = command("train", "--resume", "run")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"goes on +from epoch 2, batch 1 of 40", done.stderr)
    assert re.findall(r"^ +(\d) +[\d.]+ +[\d.]+ +[\d.]+ %", done.stderr, re.MULTILINE) == ["2", "3"]
    assert (
        "written  run/ config.toml metrics.jsonl checkpoint.npz model.npz result.json"
        in done.stdout
    )
    assert done.stdout.splitlines()[-1].split() == ["next", "mlpcli", "eval", "run"]
    assert Path("run/model.npz").read_bytes() == Path("whole/model.npz").read_bytes()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(("reason", "code"), [("interrupted", 130), ("terminated", 143)])
def test_a_run_that_is_stopped_says_by_its_exit_code_why_and_how_to_go_on(
    reason: StopReason, code: int, as_json: bool, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Signals, "__call__", lambda self, event: reason if isinstance(event, EpochDone) else None
    )
    done = command("train", *SMALL, "--out", "run", "--quiet", *["--json"] * as_json)
    assert done.exit_code == code
    assert re.search(
        r"^next +mlpcli train --resume run *$",
        done.stderr if as_json else done.stdout,
        re.MULTILINE,
    )
    if as_json:
        assert (json.loads(done.stdout)["stopped"], json.loads(done.stdout)["epochs"]) == (
            reason,
            1,
        )


def test_a_finished_run_says_so_and_ends_well(command: Command) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    before = Path("run/model.npz").read_bytes()
    Path("run/model.npz").unlink()
    done = command("train", "--resume", "run")
    assert done.exit_code == 0
    assert re.search(r"goes on +the run is finished: all 2 epochs are done", done.stderr)
    assert Path("run/model.npz").read_bytes() == before
    as_json = json.loads(command("train", "--resume", "run", "--json", "--quiet").stdout)
    assert (as_json["stopped"], as_json["epochs"]) == ("finished", 2)


def test_more_epochs_extend_a_finished_run_and_the_schedule_is_remarked_on(
    command: Command,
) -> None:
    assert command("train", *SMALL, "--out", "run").exit_code == 0
    done = command("train", "--resume", "run", "--set", "training.epochs=4")
    assert done.exit_code == 0
    assert "training.epochs is 4 and was 2: the cosine schedule depends on it" in done.stderr
    assert len(Path("run/metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    again = command("train", "--resume", "run", "--epochs", 5, "--json")
    assert json.loads(again.stdout)["epochs"] == 5


@pytest.mark.parametrize(
    "words", [("s.toml",), ("--out", "elsewhere"), ("--overwrite",), ("s.toml", "--out", "run")]
)
def test_a_run_that_goes_on_has_its_own_settings_and_folder(
    words: tuple[str, ...], command: Command, tmp_path: Path
) -> None:
    done = command("train", "--resume", "run", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "mlpcli: --resume takes all of that from the run: leave out CONFIG, --out and --overwr"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "nothing: is no run that can be resumed: it holds no config.toml."),
        (("x" * 300,), ": is no run that can be resumed: it holds no config.toml."),
        (("run", "--seed", 7), "seed is 0 in run and 7 here: that would be another run."),
        (
            ("run", "--hidden", 9),
            "network.hidden is 8 in run and 9 here: that would be another run.",
        ),
        (("run", "--optimizer", "adam"), "optimizer.name is 'momentum' in run and 'adam' here"),
        (("run", "--data", "nothing.csv"), "nothing.csv: cannot be found"),
    ],
)
def test_what_cannot_be_resumed_is_told_in_a_sentence(
    words: tuple[object, ...], said: str, command: Command, tmp_path: Path
) -> None:
    stop_at_epoch(tmp_path / "run", 1)
    before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir())
    done = command("train", "--resume", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr.splitlines()[-1]
    assert sorted((path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir()) == before


def test_a_dry_run_of_a_run_that_goes_on_writes_nothing(command: Command, tmp_path: Path) -> None:
    stop_at_epoch(tmp_path / "run", 2)
    before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir())
    document = json.loads(command("train", "--resume", "run", "--dry-run", "--json").stdout)
    assert (document["run"], document["config"]["training"]["epochs"]) == ("run", 3)
    assert sorted((path.name, path.read_bytes()) for path in (tmp_path / "run").iterdir()) == before


# Words


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (("--data", "rows.csv"), "data.source", "ROWS"),
        (("--hidden", "5"), "network.hidden", 5),
        (("--dropout", "0.25"), "network.dropout", 0.25),
        (("--dropout", "0"), "network.dropout", 0.0),
        (("--epochs", "7"), "training.epochs", 7),
        (("--batch-size", "9"), "training.batch_size", 9),
        (("--lr", "0.125"), "optimizer.lr", 0.125),
        (("--optimizer", "sgd"), "optimizer.name", "sgd"),
        (("--threads", "3"), "training.threads", 3),
        (("--threads", "0"), "training.threads", 0),
        (("--seed", "0"), "seed", 0),
        (("--seed", "12"), "seed", 12),
        (("--set", "network.l2=0.5"), "network.l2", 0.5),
        (("--epochs", "7", "--set", "training.epochs=8", "--set", "seed=1"), "training.epochs", 8),
    ],
)
def test_each_flag_sets_its_key_and_wins_over_the_file(
    words: tuple[str, ...], key: str, value: object, command: Command, tmp_path: Path
) -> None:
    write_csv(tmp_path / "rows.csv")
    (tmp_path / "s.toml").write_text(
        "seed = 3\n[network]\nhidden = 3\ndropout = 0.9\n", encoding="utf-8"
    )
    values = json.loads(command("train", "s.toml", *words, "--dry-run", "--json").stdout)[
        "config"
    ]
    for part in key.split("."):
        values = values[part]
    assert values == (str(tmp_path / "rows.csv") if value == "ROWS" else value)


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_a_data_set_where_a_configuration_should_be_gets_a_hint(
    name: str, command: Command
) -> None:
    done = command("train", name)
    assert done.exit_code == 2
    assert (
        f"{name}: there is no such configuration file. To train on a data set, write --data {name}"
        in done.stderr
    )


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--epochs", "many"),
        ("train", "--no-such-flag"),
        ("train", "a.toml", "b.toml"),
        ("eval",),
        ("eval", "run", "--split", "all"),
        ("nonsense",),
    ],
)
def test_a_wrong_word_is_a_usage_error(words: tuple[str, ...], command: Command) -> None:
    done = command(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: " in done.stderr


def test_every_error_knows_an_exit_code_that_is_promised() -> None:
    assert {kind.exit_code for kind in [MlpcliError, *MlpcliError.__subclasses__()]} == {2, 3}


# Off a terminal


@pytest.mark.parametrize(
    "words", [("train", *SMALL), ("eval", "MODEL"), ("--help",), ("eval", "--nonsense")]
)
def test_no_control_codes_off_a_terminal(words: tuple[str, ...], mlpcli: Run, model: str) -> None:
    done = mlpcli(
        *(model if word == "MODEL" else word for word in words),
        env=os.environ | {"TERM": "xterm-256color"},
    )
    assert not set("\x1b\r\b") & set(done.stdout + done.stderr)
    assert done.stdout + done.stderr


def test_any_encoding_of_the_streams_will_do(mlpcli: Run, tmp_path: Path) -> None:
    write_csv(tmp_path / "r.csv", ("ja", "né☃"), rows=60)
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = mlpcli("train", "--data", "r.csv", *SMALL, "--out", "ü", env=environment, text=False)
    assert done.returncode == 0, done.stderr
    printed = mlpcli("eval", "ü", env=environment, text=False)
    assert printed.returncode == 0, printed.stderr
    assert rb"n\xe9\u2603" in printed.stdout
    document = json.loads(mlpcli("eval", "ü", "--json", env=environment, text=False).stdout)
    assert document["per_class"][1]["name"] == "né☃"


@pytest.mark.parametrize(
    "kind",
    [["train", *SMALL, "--out", b"\xff"], ["eval", b"\xff"], ["train", "--data", b"\xff.csv"]],
)
def test_names_that_are_not_utf8_do_no_harm(kind: list[str | bytes], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlpcli", *kind], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == (0 if "--out" in kind else 2)
    assert b"Traceback" not in done.stderr


# Pipes that close and disks that are full

SHELL = {
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "both closed": ">&- 2>&-",
    "stdout full": ">/dev/full",
    "stderr full": "2>/dev/full",
}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("how", SHELL)
def test_a_stream_that_takes_nothing_ends_without_a_traceback(how: str, tmp_path: Path) -> None:
    line = f"{sys.executable} -m mlpcli train {' '.join(SMALL)} --out run {SHELL[how]}"
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == (2 if "full" in how else 0)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if how == "stdout full":
        assert done.stderr.endswith(
            "mlpcli: the output cannot be written: No space left on device.\n"
        )


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "words",
    [["train", *SMALL, "--out", "run"], ["train", *SMALL, "--out", "run", "--json"], ["eval"]],
)
def test_a_pipe_whose_reader_has_gone_ends_quietly(
    closed: str, words: list[str], model: str, tmp_path: Path
) -> None:
    words = [*words, model] if words == ["eval"] else words
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpcli", *words],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    stream, other = (
        (process.stdout, process.stderr) if closed == "stdout" else (process.stderr, process.stdout)
    )
    assert stream
    assert other
    stream.close()
    said = other.read()
    other.close()
    assert process.wait(timeout=60) == (0 if closed == "stderr" and words[0] == "eval" else 141)
    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_an_error_is_told_as_json_even_when_nobody_reads_stderr(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpcli", "eval", "nothing", "--json"],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    process.stderr.close()
    document = json.loads(process.stdout.read())
    process.stdout.close()
    assert process.wait(timeout=60) == 2
    assert "there is no such model" in document["error"]
