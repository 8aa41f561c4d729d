"""Schedules of the learning rate: factors on it, by the share of the steps that are done."""

import math


def constant(progress: float) -> float:
    """The learning rate stays as it is."""
    return 1.0


def linear(progress: float) -> float:
    """The learning rate falls on a straight line, to reach 0 when the last step is done."""
    return 1 - progress


def cosine(progress: float) -> float:
    """The learning rate falls along half a cosine, to reach 0 at the end (Loshchilov and Hutter 2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


SCHEDULES = {"constant": constant, "linear": linear, "cosine": cosine}


def rate(schedule: str, step: int, steps: int, warmup: int) -> float:
    """The factor on lr at `step` of `steps`, both counted from 0: a linear rise over `warmup`, then the schedule."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return SCHEDULES[schedule]((step - warmup) / max(1, steps - warmup))
