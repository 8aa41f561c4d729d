"""The verdict on students' files: right in any style, mistakes named, chance and other φ found."""

import json
from pathlib import Path

import pytest

from mlpcli.errors import CheckError
from mlpcli.gradcheck.complex_step import EQUATIONS
from mlpcli.gradcheck.grading import FileReport, check_file, file_cases
from mlpcli.gradcheck.verdict import EquationVerdict
from mlpcli.model.activations import ACTIVATIONS
from tests.support import backward_passes
from tests.support.backward_passes import diagnosis_of
from tests.support.student_files import BY_PHI, MISTAKES, PLAIN, STYLES, TANH, replaced

EXAMPLES = Path(__file__).parents[3] / "examples"
AS_PRINTED = EXAMPLES / "homework_as_printed.py"
CORRECTED = EXAMPLES / "homework_corrected.py"
activations = pytest.mark.parametrize("activation", ACTIVATIONS)

GIVEN = {  # the gradients that a style returns, if not all
    "loops": ["W2", "b2", "W1", "b1"],
    "einsum, other names": ["W2", "b2", "a", "W1", "b1"],
}


def write(folder: Path, text: str) -> Path:
    path = folder / "backward.py"
    path.write_text(text, encoding="utf-8")
    return path


def by_name(report: FileReport) -> dict[str, EquationVerdict]:
    return {verdict.name: verdict for verdict in report.equations}


def wrong_equations(report: FileReport) -> list[str]:
    return backward_passes.wrong_equations(by_name(report))


def inheriting_equations(report: FileReport) -> list[str]:
    return backward_passes.inheriting_equations(by_name(report))


# Files in many styles


@pytest.mark.parametrize("style", STYLES)
def test_a_right_file_is_right_in_any_style(style: str, tmp_path: Path) -> None:
    report = check_file(write(tmp_path, STYLES[style]), "relu", 0, 30)
    assert report.passed
    assert wrong_equations(report) == []
    given = [verdict.name for verdict in report.equations if verdict.given]
    assert given == GIVEN.get(style, list(EQUATIONS))


@pytest.mark.parametrize("how", MISTAKES)
def test_a_mistake_is_named_in_any_style(how: str, tmp_path: Path) -> None:
    text, wrong, id = MISTAKES[how]
    report = check_file(write(tmp_path, text), "relu", 0, 30)
    assert not report.passed
    assert wrong_equations(report) == wrong
    for verdict in report.equations:
        assert verdict.diagnosis is None or id in verdict.diagnosis.ids


@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
def test_a_file_that_takes_phi_is_right_for_every_activation(
    activation: str, tmp_path: Path
) -> None:
    assert check_file(write(tmp_path, BY_PHI), activation, 0, 30).passed
    for_relu = check_file(write(tmp_path, PLAIN), activation, 0, 30)
    assert wrong_equations(for_relu) == ["z", "W2", "a"]


def test_the_seed_determines_the_cases(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    first = check_file(path, "tanh", 1, 30)
    again = check_file(path, "tanh", 1, 30)
    other = check_file(path, "tanh", 2, 30)
    assert first.equations == again.equations
    assert first.equations != other.equations


# The examples


@activations
def test_the_corrected_derivation_passes_for_relu_alone(activation: str) -> None:
    report = check_file(CORRECTED, activation, 0, 30)
    assert report.passed == (activation == "relu")


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
@pytest.mark.parametrize("seed", [0, 12])
def test_the_derivation_as_printed_lacks_the_slope(activation: str, seed: int) -> None:
    report = check_file(AS_PRINTED, activation, seed, 30)
    verdicts = by_name(report)
    assert not report.passed
    assert wrong_equations(report) == ["a"]
    assert inheriting_equations(report) == ["W1"]
    assert not verdicts["b1"].given
    ids, _ = diagnosis_of(verdicts["a"])
    assert ids == ("missing-activation-derivative",)


@pytest.mark.parametrize("seed", [0, 12])
def test_the_derivation_as_printed_is_right_if_the_slope_is_1(seed: int) -> None:
    report = check_file(AS_PRINTED, "identity", seed, 30)
    assert report.passed
    assert inheriting_equations(report) == []
    assert not by_name(report)["b1"].given


@activations
def test_a_file_is_given_no_weights_and_no_smoothing(activation: str) -> None:
    for case in file_cases(activation, 0):
        assert case.weights is None
        assert case.smoothing == 0


# The document


def test_the_document_has_the_promised_keys() -> None:
    report = check_file(AS_PRINTED, "relu", 0, 30)
    document = json.loads(json.dumps(report.document(), allow_nan=False))
    assert list(document) == ["schema", "passed", "activation", "equations", "coverage"]
    assert (document["schema"], document["passed"], document["activation"]) == (1, False, "relu")
    equations = document["equations"]
    assert [equation["name"] for equation in equations] == list(EQUATIONS)
    for equation in equations:
        keys = list(equation)
        assert keys[:4] == ["name", "homework", "given", "passed"]
        assert equation["given"] or all(equation[key] is None for key in keys[3:])
    sizes = [case.r.size for case in file_cases("relu", 0)]
    assert [coverage["units"] for coverage in document["coverage"].values()] == sizes
    assert all(each["dropped"] < each["units"] for each in document["coverage"].values())
    assert equations[3]["diagnosis"]["sentence"] == (
        "∂a (3.4) is wrong; it looks as if φ′(a) is missing, as in the homework's printed 3.4."
    )


# Equal calls that return different gradients


def test_a_mask_drawn_anew_in_each_call_is_found(tmp_path: Path) -> None:
    text, _, _ = MISTAKES["own mask"]
    report = check_file(write(tmp_path, text), "relu", 0, 30)
    ids, sentence = diagnosis_of(by_name(report)["a"])
    assert ids == ("fresh-mask",)
    assert "two calls with the same arguments give different gradients" in sentence
    assert inheriting_equations(report) == ["W1", "b1"]


def test_gradients_that_only_some_calls_return_are_refused(tmp_path: Path) -> None:
    text = replaced(PLAIN, ("    return {", "    calls.append(1)\n    g = {"))
    text += "    return g if len(calls) % 2 else {'z': dz}\n\ncalls = []\n"
    with pytest.raises(CheckError, match="in some calls and not in others"):
        check_file(write(tmp_path, text), "relu", 0, 30)


# Files for another activation


def test_a_file_for_another_activation_is_recognised(tmp_path: Path) -> None:
    path = write(tmp_path, TANH)
    diagnosis = by_name(check_file(path, "relu", 0, 20))["z"].diagnosis
    assert diagnosis is not None
    assert diagnosis.ids == ()
    assert diagnosis.sentence == (
        "∂z (3.2) is wrong for φ = relu, but every gradient given is right for φ = tanh."
    )
    assert diagnosis.hint == "if the file is written for that φ, say --activation tanh"
    assert check_file(path, "tanh", 0, 20).passed
