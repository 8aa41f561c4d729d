"""`mlpcli gradcheck` checks this package's own gradients on small cases and on real rows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.commands import gradcheck, settings
from mlpcli.commands.gradcheck import NetworkReport, check_network
from mlpcli.errors import CheckError
from mlpcli.gradcheck import kernels
from mlpcli.gradcheck.complex_step import EQUATIONS, HOMEWORK, Case, true_gradients
from mlpcli.model import buffers, network
from mlpcli.model.activations import ACTIVATIONS
from mlpcli.training.recipes import TABLES
from tests.support.command import write_csv

SMALL_CASES = (
    "fresh weights",
    "dropout",
    "both dropouts, decay",
    "trained, dropout, decay",
    "logits past exp's range",
    "row weights",
    "label smoothing",
    "trained, weights, smoothing, decay",
)
AT_KINK = "a unit at ReLU's kink"
FRESH = "64-256-10, 32 rows of digits, fresh weights"
TRAINED = "64-256-10, 32 rows of digits, trained weights"


def report_on(*overrides: str, activations: tuple[str, ...] = ("tanh",)) -> NetworkReport:
    """The report on digits with some settings overridden."""
    config = settings.load(None, {}, list(overrides))
    return check_network(config, activations, lambda text: None)


# What is checked


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_this_packages_own_gradients_are_right(activation: str, seed: int) -> None:
    overrides = (f"network.activation={activation}", f"seed={seed}")
    report = report_on(*overrides, activations=(activation,))
    assert report.passed
    for check in report.checks:
        assert check.passed
        assert not any(verdict.inherits for verdict in check.equations)
    n_small = 9 if activation == "relu" else 8
    assert len(report.cross_checks) == n_small
    assert len(report.checks) == 2 * n_small + 4


def test_each_case_is_checked_in_float64_and_float32() -> None:
    checks = report_on(activations=("relu", "tanh")).checks
    relu = [("relu", case) for case in (*SMALL_CASES, AT_KINK)]
    tanh = [("tanh", case) for case in SMALL_CASES]
    digits = [("relu", case) for case in (FRESH, TRAINED)]
    expected = []
    for activation, case in relu + tanh + digits:
        expected += [(activation, case, dtype) for dtype in ("float64", "float32")]
    assert [(check.activation, check.case, check.dtype) for check in checks] == expected


@pytest.mark.parametrize(
    "overrides",
    [
        ("network.dropout=0", "network.input_dropout=0"),
        ("network.l2=0.1", "network.hidden=20"),
        ("network.hidden=5", "training.batch_size=1"),
        ("training.batch_size=5000",),
        ("training.epochs=1", "training.batch_size=600"),
    ],
)
def test_the_network_is_checked_at_any_size(overrides: tuple[str, ...]) -> None:
    assert report_on(*overrides).passed


def test_a_row_of_every_class_is_in_the_minibatch(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", [f"class {k}" for k in range(30)], rows=600)
    report = report_on(f"data.source={path}", "training.batch_size=4")
    assert report.passed
    last = report.checks[-1]
    assert last.coverage.all_classes == last.coverage.classes == 30
    D = 3 * (1 + TABLES["data.bins"])  # each number itself, and its bins
    H = TABLES["network.hidden"]
    assert last.case == f"{D}-{H}-30, 30 rows of {path}, trained weights"


# Checks that cannot be made


def test_a_case_that_does_not_cover_everything_is_refused() -> None:
    with pytest.raises(
        CheckError,
        match=r"^the case '64-4-10, .* has not a unit that is dropped, so it would prove",
    ):
        report_on("network.hidden=4", "network.dropout=0.001", "training.batch_size=10")


def test_training_that_diverges_is_reported() -> None:
    with pytest.raises(
        CheckError,
        match=r"^there are no trained weights to check gradients on\. Training diverged in",
    ):
        report_on("optimizer.lr=1e30", "optimizer.name=sgd")


def test_a_wrong_gradient_is_named_even_if_training_diverges_because_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(
        labels: Any, ws: buffers.Workspace, grad: buffers.Gradient, w: Any, epsilon: float
    ) -> None:
        np.copyto(grad.dz, ws.p)
        grad.dz *= -1e30

    for module in (network, kernels):
        monkeypatch.setattr(module, "logits_gradient", wrong)
    report = report_on()
    assert not report.passed
    assert {check.case for check in report.checks} == {*SMALL_CASES, FRESH}
    for check in report.checks:
        wrong_equations = [verdict.name for verdict in check.equations if not verdict.passed]
        assert wrong_equations == ["z"]


def test_a_checker_that_contradicts_itself_judges_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def doubled(case: Case) -> dict[str, Any]:
        return {name: 2 * gradient for name, gradient in true_gradients(case).items()}

    monkeypatch.setattr(gradcheck, "true_gradients", doubled)
    with pytest.raises(
        CheckError, match=r"^the checker contradicts itself on the case 'fresh weights' \(tanh\)"
    ):
        report_on()


# The document


def test_the_document_has_the_promised_keys() -> None:
    document = json.loads(json.dumps(report_on().document(), allow_nan=False))
    types = {key: type(value) for key, value in document.items()}
    assert types == {"schema": int, "passed": bool, "checks": list}
    assert document["schema"] == 1
    for check in document["checks"]:
        assert {"activation", "dtype", "case", "passed", "equations"} <= set(check)
        equations = [(equation["name"], equation["homework"]) for equation in check["equations"]]
        assert equations == [(name, HOMEWORK[name]) for name in EQUATIONS]


def test_a_network_that_memory_cannot_hold_is_refused_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gradcheck, "available_memory", lambda: 2**30)
    config = settings.load(None, {"network.hidden": 2**21})
    with pytest.raises(CheckError, match=r"64-2097152-10 needs [\d.]+ GiB of memory, and 1\.0 GiB"):
        check_network(config, ("relu",), print)
