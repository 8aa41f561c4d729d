"""Learning rate schedules: factors on the learning rate, by the share of the steps taken."""

import math


def constant(progress: float) -> float:
    """1 from beginning to end."""
    return 1.0


def linear(progress: float) -> float:
    """A straight line from 1 to 0, which it reaches when the last step is done."""
    return 1 - progress


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0, which it reaches at the end (Loshchilov and Hutter 2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


SCHEDULES = {"constant": constant, "linear": linear, "cosine": cosine}


def rate(schedule: str, step: int, steps: int, warmup: int) -> float:
    """The factor on the learning rate at `step`, from 0, of `steps`.

    It rises on a straight line over the first `warmup` steps; the schedule takes the others.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, steps - warmup)
    return SCHEDULES[schedule](progress)
