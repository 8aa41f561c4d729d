"""Classes: their names in order, and labels as indices among them."""

import numpy as np
import pytest

from mlpcli.datasets.classes import class_names, encode
from mlpcli.datasets.table import Table, checked_table
from mlpcli.errors import DataError


def table_of(labels: list[object]) -> Table:
    return checked_table("data", np.zeros((len(labels), 1)), np.array(labels))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([10, 9, -1, 9], ("-1", "9", "10")),
        (["10", "9", "-1", "9"], ("-1", "9", "10")),
        (["b", "a", "c", "a"], ("a", "b", "c")),
        (["10", "9", "a", "9"], ("10", "9", "a")),
        ([True, False], ("0", "1")),
    ],
)
def test_classes_are_in_numerical_or_alphabetical_order(
    labels: list[object], classes: tuple[str, ...]
) -> None:
    table = table_of(labels)
    assert class_names(table) == classes
    assert [classes[k] for k in encode(table, classes, "training")] == table.labels.tolist()


def test_one_class_only_is_refused_by_name() -> None:
    with pytest.raises(
        DataError, match=r"^data: has one class only \('cat'\); a classifier needs at least two"
    ):
        class_names(table_of(["cat", "cat"]))


def test_a_label_that_training_never_saw_is_named() -> None:
    with pytest.raises(
        DataError,
        match=r"^data: has the label 'eel', which the rows never saw\. The known classes are cat",
    ):
        encode(table_of(["cat", "eel", "fox"]), ("cat", "dog"), "the rows")


@pytest.mark.parametrize(
    ("label", "advice"),
    [("cat.", "Write it as 'cat', as there."), ("Dog", "Write it as 'dog', as there."),
     ("eel", "Leave out such rows.")],
)  # fmt: skip
def test_a_label_that_training_never_saw_is_refused_with_what_to_do(
    label: str, advice: str
) -> None:
    with pytest.raises(DataError) as caught:
        encode(table_of(["cat", label]), ("cat", "dog"), "the rows")
    assert str(caught.value).endswith(f"The known classes are cat, dog. {advice}")
