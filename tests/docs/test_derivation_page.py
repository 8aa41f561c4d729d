"""docs/derivation.md and mlpcli/model/network.py say the same, equation by equation."""

import ast
import re
from pathlib import Path

import pytest

from mlpcli.gradcheck.derivation import FORMULAS_WITH_WEIGHTS
from mlpcli.model.network import __doc__ as network_docstring

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
SOURCE = (ROOT / "mlpcli" / "model" / "network.py").read_text(encoding="utf-8")
FUNCTIONS = {
    node.name: node for node in ast.parse(SOURCE).body if isinstance(node, ast.FunctionDef)
}

# "`forward` in mlpcli/model/network.py:" and the block of code under it
QUOTATION = re.compile(r"^`(\w+)` in mlpcli/model/network\.py:\n\n```python\n(.*?)```", re.M | re.S)
QUOTED = {name: code.splitlines() for name, code in QUOTATION.findall(PAGE)}
EQUATIONS = {
    "forward": ("a", "h", "z"),
    "logits_gradient": ("∂z",),
    "second_layer_gradient": ("∂W2", "∂b2"),
    "hidden_gradient": ("∂a",),
    "first_layer_gradient": ("∂W1", "∂b1"),
}
OF_THE_LOSS = ("softmax", "loss_by_row", "mean_loss")
functions = pytest.mark.parametrize("function", QUOTED)


def statements(function: str) -> list[str]:
    """The lines of a function that are statements of their own, in order, without comments."""
    simple = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign)
    inside = [node for node in ast.walk(FUNCTIONS[function]) if isinstance(node, simple)]
    inside.sort(key=lambda node: node.lineno)
    docstring, *rest = (ast.get_source_segment(SOURCE, node) for node in inside)
    assert docstring is not None
    assert docstring.startswith('"""')
    return [statement for statement in rest if statement is not None]


def names_a_part(statement: str) -> bool:
    """Whether a statement computes nothing: it looks a function up or cuts a buffer."""
    return bool(re.fullmatch(r"(phi|slope) = ACTIVATIONS\[.*|decay = grad\.scratch\[.*", statement))


def test_every_function_with_an_equation_is_quoted() -> None:
    assert QUOTED.keys() == {*EQUATIONS, *OF_THE_LOSS, "add_weight_decay"}


def test_every_mention_of_the_file_is_a_link_or_a_quotation_of_a_function_that_exists() -> None:
    mentions = PAGE.count("mlpcli/model/network.py") - 2  # the link at the top names it twice
    assert mentions == len(QUOTED) == len(QUOTATION.findall(PAGE))
    assert QUOTED.keys() <= FUNCTIONS.keys()


@functions
def test_the_quoted_code_is_all_that_the_function_computes_in_its_order(function: str) -> None:
    computing = [line for line in statements(function) if not names_a_part(line)]
    assert QUOTED[function] == computing


def test_backward_takes_the_equations_in_the_pages_order() -> None:
    calls = [node for node in ast.walk(FUNCTIONS["backward"]) if isinstance(node, ast.Call)]
    calls.sort(key=lambda node: node.lineno)
    called = [ast.unparse(call.func) for call in calls]
    assert ["forward", *OF_THE_LOSS, *called] == list(QUOTED)


@pytest.mark.parametrize("function", EQUATIONS)
def test_a_functions_equations_stand_right_above_its_code(function: str) -> None:
    above = PAGE[: PAGE.index(f"\n`{function}` in mlpcli")].rstrip().split("\n\n")[-1]
    left_sides = re.findall(r"^    (\S+) = ", above, re.M)
    assert tuple(left_sides) == EQUATIONS[function]


@pytest.mark.parametrize("function", list(EQUATIONS)[1:])
def test_a_functions_docstring_has_its_equations(function: str) -> None:
    docstring = ast.get_docstring(FUNCTIONS[function]) or ""
    for left in EQUATIONS[function]:
        assert FORMULAS_WITH_WEIGHTS[left.removeprefix("∂")] in docstring


@pytest.mark.parametrize("formula", FORMULAS_WITH_WEIGHTS.values())
def test_each_formula_of_the_checker_is_on_the_page_and_in_network(formula: str) -> None:
    left, right = formula.split(" = ")
    assert re.search(rf"^    {re.escape(left)} = {re.escape(right)}( |$)", PAGE, re.MULTILINE)
    assert re.search(rf"{re.escape(left)} *= {re.escape(right)}", network_docstring or "")


@pytest.mark.parametrize("letter", ["a", "h", "z", "L"])
def test_each_equation_of_the_forward_pass_is_on_the_page_and_in_network(letter: str) -> None:
    (on_page,) = re.findall(rf"^    {letter} = (.*?)   ", PAGE, re.MULTILINE)
    equation = rf" {letter}  *= {re.escape(on_page)}(  |$)"
    assert re.search(equation, network_docstring or "", re.MULTILINE)
