"""What `mlpcli gradcheck` checks: this package's own gradients, and a file's, as documents and verdicts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.commands import gradcheck as inspection
from mlpcli.commands import settings
from mlpcli.commands.gradcheck import inspect_file, inspect_network, summary
from mlpcli.errors import CheckError
from mlpcli.gradcheck import kernels as gradcheck
from mlpcli.gradcheck.complex_step import EQUATIONS
from mlpcli.gradcheck.selftest import Trial
from mlpcli.gradcheck.verdict import truth_of
from mlpcli.model import buffers, network
from mlpcli.model.activations import ACTIVATIONS
from tests.support.command import write_csv
from tests.support.student_files import MISTAKES, PLAIN

EXAMPLES = Path(__file__).parents[3] / "examples"
activations = pytest.mark.parametrize("activation", ACTIVATIONS)
SMALL_CASES = (
    "fresh weights",
    "dropout",
    "both dropouts, decay",
    "trained, dropout, decay",
    "logits past exp's range",
)


def inspected(*sets: str, activations: tuple[str, ...] = ("tanh",)) -> inspection.Inspection:
    return inspect_network(settings.load(None, {}, list(sets)), activations, lambda text: None)


# network.py


@activations
@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_this_packages_own_gradients_are_right(activation: str, seed: int) -> None:
    done = inspected(f"network.activation={activation}", f"seed={seed}", activations=(activation,))
    assert done.passed
    assert all(
        check.passed and not any(row.inherits for row in check.equations) for check in done.checks
    )
    assert (len(done.checks), len(done.cross_checks)) == (
        (16, 6) if activation == "relu" else (14, 5)
    )


def test_each_case_is_checked_in_both_precisions() -> None:
    checks = inspected(activations=("relu", "tanh")).checks
    kink = ("a unit at ReLU's kink",)
    real = (
        "64-256-10, 32 rows of digits, fresh weights",
        "64-256-10, 32 rows of digits, trained weights",
    )
    cases = [
        *(("relu", case) for case in SMALL_CASES + kink),
        *(("tanh", case) for case in SMALL_CASES),
    ]
    expected = [*cases, *(("relu", case) for case in real)]
    assert [(c.activation, c.case, c.dtype) for c in checks] == [
        (*e, d) for e in expected for d in ("float64", "float32")
    ]


def test_the_document_is_as_promised() -> None:
    document = json.loads(json.dumps(inspected().document(), allow_nan=False))
    assert {key: type(value) for key, value in document.items()} == {
        "schema": int,
        "passed": bool,
        "checks": list,
    }
    assert document["schema"] == 1
    for check in document["checks"]:
        assert {"activation", "dtype", "case", "passed", "equations"} <= set(check)
        assert [row["name"] for row in check["equations"]] == list(EQUATIONS)
        assert [row["homework"] for row in check["equations"]] == [
            "3.2",
            "3.3",
            "3.3",
            "3.4",
            "3.4",
            "3.4",
        ]


@pytest.mark.parametrize(
    "sets",
    [
        ("network.dropout=0", "network.input_dropout=0"),
        ("network.l2=0.1", "network.hidden=20"),
        ("network.hidden=5", "training.batch_size=1"),
        ("training.batch_size=5000",),
        ("training.epochs=1", "training.batch_size=600"),
    ],
)
def test_the_network_is_checked_at_any_size(sets: tuple[str, ...]) -> None:
    assert inspected(*sets).passed


def test_rows_of_ones_own_are_checked_with_every_class_among_them(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", [f"class {k}" for k in range(30)], rows=600)
    done = inspected(f"data.source={path}", "training.batch_size=4")
    assert done.passed
    assert done.checks[-1].coverage.all_classes == done.checks[-1].coverage.classes == 30
    assert done.checks[-1].case == f"3-256-30, 30 rows of {path}, trained weights"


def test_a_case_that_would_prove_nothing_is_refused() -> None:
    with pytest.raises(
        CheckError,
        match=r"^the case '64-4-10, .* has not a unit that is dropped, so it would prove",
    ):
        inspected("network.hidden=4", "network.dropout=0.001", "training.batch_size=10")


def test_training_that_comes_to_nothing_is_said_to() -> None:
    with pytest.raises(
        CheckError,
        match=r"^there are no trained weights to check gradients on\. Training diverged in",
    ):
        inspected("optimizer.lr=1e30", "optimizer.name=sgd")


def test_a_wrong_gradient_that_spoils_training_is_named_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(labels: Any, ws: buffers.Workspace, grad: buffers.Gradient) -> None:
        np.copyto(grad.dz, ws.p)
        grad.dz *= -1e30

    for module in (network, gradcheck):
        monkeypatch.setattr(module, "logits_gradient", wrong)
    done = inspected()
    assert not done.passed
    assert {row.name for check in done.checks for row in check.equations if not row.passed} == {"z"}
    assert {check.case for check in done.checks} == {
        *SMALL_CASES,
        "64-256-10, 32 rows of digits, fresh weights",
    }


def test_a_checker_in_doubt_judges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        inspection, "truth_of", lambda case: {name: 2 * g for name, g in truth_of(case).items()}
    )
    with pytest.raises(
        CheckError, match=r"^the checker contradicts itself on the case 'fresh weights' \(tanh\)"
    ):
        inspected()


# A file


@activations
def test_the_corrected_derivation_passes_for_relu_alone(activation: str) -> None:
    assert inspect_file(EXAMPLES / "homework_corrected.py", activation, 0, 30).passed == (
        activation == "relu"
    )


@activations
@pytest.mark.parametrize("seed", [0, 12])
def test_the_derivation_as_printed_passes_where_phi_has_no_slope_to_forget(
    activation: str, seed: int
) -> None:
    homework = inspect_file(EXAMPLES / "homework_as_printed.py", activation, seed, 30)
    rows = {row.name: row for row in homework.equations}
    assert homework.passed == (activation == "identity")
    assert all(rows[name].passed and not rows[name].inherits for name in ("z", "W2", "b2"))
    assert not rows["b1"].given
    if not homework.passed:
        assert not rows["a"].passed
        assert rows["a"].diagnosis
        assert rows["a"].diagnosis.ids == ("missing-activation-derivative",)
        assert (rows["W1"].passed, rows["W1"].inherits) == (True, True)


def test_the_document_on_a_file_is_as_promised() -> None:
    homework = inspect_file(EXAMPLES / "homework_as_printed.py", "relu", 0, 30)
    document = json.loads(json.dumps(homework.document(), allow_nan=False))
    assert list(document) == ["schema", "passed", "activation", "equations", "coverage"]
    assert (document["schema"], document["passed"], document["activation"]) == (1, False, "relu")
    assert [row["name"] for row in document["equations"]] == list(EQUATIONS)
    for row in document["equations"]:
        assert list(row)[:4] == ["name", "homework", "given", "passed"]
        assert row["given"] or set(map(type, list(row.values())[3:])) == {type(None)}
    assert all(
        covered["dropped"] < covered["units"] == 63 for covered in document["coverage"].values()
    )
    assert document["equations"][3]["diagnosis"]["sentence"] == (
        "∂a (3.4) is wrong; it looks as if φ′(a) is missing, as in the homework's printed 3.4."
    )


def test_cases_follow_from_the_seed(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text(PLAIN, encoding="utf-8")
    one, same, other = (inspect_file(path, "tanh", seed, 30).equations for seed in (1, 1, 2))
    assert one == same != other


def test_two_calls_that_differ_are_a_mask_drawn_anew(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text(MISTAKES["own mask"][0], encoding="utf-8")
    rows = {row.name: row for row in inspect_file(path, "relu", 0, 30).equations}
    assert rows["a"].diagnosis
    assert rows["a"].diagnosis.ids == ("fresh-mask",)
    assert (
        "two calls with the same arguments give different gradients" in rows["a"].diagnosis.sentence
    )
    assert [name for name, row in rows.items() if row.inherits] == ["W1", "b1"]


def test_a_gradient_that_is_given_now_and_then_is_by_chance(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text(PLAIN + "calls = []\n", encoding="utf-8")
    text = (
        PLAIN.replace("    return {", "    calls.append(1)\n    g = {")
        + "    return g if len(calls) % 2 else {'z': dz}\n"
    )
    path.write_text(text + "\ncalls = []\n", encoding="utf-8")
    rows = {row.name: row for row in inspect_file(path, "relu", 0, 30).equations}
    assert [name for name, row in rows.items() if not row.passed] == list(EQUATIONS[1:])


# The self-test's summary


def test_a_summary_counts_what_is_no_idle_mistake() -> None:
    trials = [
        Trial("relu", "one", False, True, True),
        Trial("relu", "two", False, True, False),
        Trial("relu", "three", False, False, False),
        Trial("relu", "four", True, False, False),
    ]
    document = summary(trials)
    assert (document["passed"], document["caught"], document["named"], document["of"]) == (
        False,
        2,
        1,
        3,
    )
    assert document["trials"][3] == {
        "activation": "relu",
        "id": "four",
        "idle": True,
        "caught": False,
        "named": False,
    }
    assert summary(trials[:1])["passed"]


def test_a_file_for_another_activation_is_told_which(tmp_path: Path) -> None:
    path = tmp_path / "backward.py"
    path.write_text(TANH, encoding="utf-8")
    rows = inspection.inspect_file(path, "relu", 0, 20).equations
    assert not rows[0].passed
    assert rows[0].diagnosis is not None
    assert (
        rows[0].diagnosis.sentence
        == "∂z (3.2) is wrong for φ = relu, but every gradient given is right for φ = tanh."
    )
    assert rows[0].diagnosis.hint == "if the file is written for that φ, say --activation tanh"
    assert inspection.inspect_file(path, "tanh", 0, 20).passed


TANH = """
import numpy as np

def backward(x, y, r, W1, b1, W2, b2):
    s = np.tanh(x @ W1 + b1)
    z = (s * r) @ W2 + b2
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dz = (p - np.eye(len(b2))[y]) / len(y)
    return {"z": dz, "b1": ((dz @ W2.T) * r * (1 - s**2)).sum(axis=0)}
"""
