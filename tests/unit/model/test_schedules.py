"""The schedules and the warm-up, against the oracle and known values."""

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli import config
from mlpcli.model.schedules import SCHEDULES, rate
from tests.support import reference


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("cosine", [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]),
    ],
)
def test_a_schedule_takes_its_known_values(schedule: str, factors: list[float]) -> None:
    assert [rate(schedule, step, 4, warmup=0) for step in range(4)] == pytest.approx(factors)


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_warm_up_rises_in_equal_steps_and_then_the_schedule_begins(schedule: str) -> None:
    factors = [rate(schedule, step, 9, warmup=4) for step in range(9)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[4:] == pytest.approx([rate(schedule, step, 5, warmup=0) for step in range(5)])


def test_the_cosine_schedule_equals_the_reference() -> None:
    factors = [rate("cosine", step, 50, warmup=7) for step in range(50)]
    expected = [reference.cosine_after_warmup(step, 50, 7) for step in range(50)]
    assert factors == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, derandomize=True)
@given(data=st.data(), schedule=st.sampled_from(list(SCHEDULES)), steps=st.integers(1, 1000))
def test_no_step_goes_backwards_or_faster_than_lr(data: Any, schedule: str, steps: int) -> None:
    warmup = data.draw(st.integers(0, 2000))
    step = data.draw(st.integers(0, steps - 1))
    assert 0 < rate(schedule, step, steps, warmup) <= 1


def test_the_configuration_takes_every_schedule_and_no_other() -> None:
    assert get_args(config.Optimizer.model_fields["schedule"].annotation) == tuple(SCHEDULES)
