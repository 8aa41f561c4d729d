"""docs/derivation.md and the code say the same: its lines are where it says, its formulas are the checker's."""

import ast
import re
from pathlib import Path

import pytest

from mlpcli.gradcheck.derivation import FORMULAS
from mlpcli.model.network import __doc__ as network_docstring

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
SOURCE = (ROOT / "mlpcli" / "model" / "network.py").read_text(encoding="utf-8")
CODE = SOURCE.splitlines()
REFERENCES = re.findall(r"\[`([^`]+)`\]\(\.\./mlpcli/model/network\.py#L(\d+)\)", PAGE)


@pytest.mark.parametrize(("code", "line"), REFERENCES)
def test_each_line_of_code_stands_where_the_page_says(code: str, line: str) -> None:
    assert CODE[int(line) - 1].split("  #")[0].strip() == code


@pytest.mark.parametrize(
    "function",
    [
        "forward",
        "logits_gradient",
        "second_layer_gradient",
        "hidden_gradient",
        "first_layer_gradient",
    ],
)
def test_every_computing_statement_of_the_equations_is_on_the_page(function: str) -> None:
    (found,) = (
        n for n in ast.parse(SOURCE).body if isinstance(n, ast.FunctionDef) and n.name == function
    )
    steps = [n for n in found.body[1:] if isinstance(n, ast.Expr | ast.AugAssign)]
    assert steps
    assert {ast.get_source_segment(SOURCE, step) for step in steps} <= {
        code for code, _ in REFERENCES
    }


@pytest.mark.parametrize("formula", FORMULAS.values())
def test_each_formula_of_the_checker_is_on_the_page_and_in_network(formula: str) -> None:
    left, right = formula.split(" = ")
    assert re.search(rf"^    {re.escape(left)} = {re.escape(right)}( |$)", PAGE, re.MULTILINE)
    assert re.search(rf"{re.escape(left)} *= {re.escape(right)}", network_docstring or "")
