"""A header's columns come back as they were, and those that make no sense are refused."""

import json
from typing import Any

import numpy as np
import pytest

from mlpcli.preprocessing.columns import Column
from mlpcli.preprocessing.encoding import Encoding, Inputs
from mlpcli.preprocessing.scaling import Scaling
from mlpcli.storage.columnfile import described, parsed

COLUMNS = (
    Column("age", "number"),
    Column("id", "ignored"),
    Column("tree", "category", ("ash", "elm", "oak")),
    Column("kind", "label"),
)
INPUTS = (
    Inputs(value=0, edges=(1.0, 2.5, 4.0), bins=1, missing=3),
    Inputs(),
    Inputs(levels=(4, 5, -1), missing=6),
)
OFFSET, SCALE = np.arange(7.0), np.ones(7)


def encoded_records() -> list[dict[str, Any]]:
    """The columns as a header has them."""
    records = described(COLUMNS, Encoding(INPUTS, OFFSET, SCALE))
    copied: list[dict[str, Any]] = json.loads(json.dumps(records))
    return copied


def test_columns_and_their_encoding_come_back_as_they_were() -> None:
    columns, preprocessing = parsed(encoded_records(), OFFSET, SCALE)
    assert columns == COLUMNS
    assert isinstance(preprocessing, Encoding)
    assert preprocessing.inputs == INPUTS


def test_numbers_with_names_come_back_scaled() -> None:
    columns = (Column("a", "number"), Column("b", "number"), Column("kind", "label"))
    scaling = Scaling(np.zeros(2), np.ones(2))
    found, preprocessing = parsed(described(columns, scaling), scaling.offset, scaling.scale)
    assert found == columns
    assert isinstance(preprocessing, Scaling)


def test_numbers_without_names_have_no_columns() -> None:
    scaling = Scaling(np.zeros(2), np.ones(2))
    assert described((), scaling) is None
    assert parsed(None, scaling.offset, scaling.scale)[0] == ()


def test_the_names_of_version_1_are_numbers() -> None:
    columns, preprocessing = parsed(["a", "b"], np.zeros(2), np.ones(2))
    assert columns == (Column("a", "number"), Column("b", "number"))
    assert isinstance(preprocessing, Scaling)


def changed(place: int, **changes: Any) -> list[dict[str, Any]]:
    records = encoded_records()
    records[place] |= changes
    return records


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ("columns", "they are no list"),
        ([1], "1 is no table"),
        (changed(0, kind="letter"), "the kind 'letter'"),
        (changed(0, kind=["number"]), "the kind"),
        (changed(0, name=None), "the name None"),
        (changed(0, edges=[1.0, 1.0]), "are not numbers that rise"),
        (changed(0, edges=[1.0]), "has one edge"),
        (changed(0, edges=[1.0, None]), "are not numbers that rise"),
        (changed(0, bins=-1), "have no place"),
        (changed(0, value=7), "none of the 7 inputs"),
        (changed(0, value=5), "filled twice"),
        (changed(0, value=True), "True is no place"),
        (changed(2, levels=["ash", "ash", "oak"]), "not distinct texts"),
        (changed(2, places=[4, 5]), "has 2 places for its levels"),
        (changed(2, levels="ash"), "levels is no list"),
    ],
)
def test_columns_that_make_no_sense_are_refused(records: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parsed(records, OFFSET, SCALE)
