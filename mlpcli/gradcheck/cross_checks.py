"""True gradients compared with two methods of real arithmetic, which must agree with them."""

from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.errors import CheckError
from mlpcli.gradcheck.complex_step import PARAMETERS, Case, loss

STEP = 1e-4  # of the central difference; the wider one takes two of it
WIDE_STEP = 2e-4
LONG_STEP = 1e-3  # the Taylor remainder is compared between this and STEP
MIN_ORDER = 1.7  # of the Taylor remainder, which is 2 but for rounding
ROUNDING = 1e-11  # relative error of a central difference of step STEP
NEGLIGIBLE = 1e-12  # a remainder so small has no order


@dataclass(frozen=True)
class CrossCheck:
    """How well real arithmetic agrees with the complex step; None where a kink is too near."""

    central_error: float | None  # |central difference − complex step|, along one direction
    taylor_order: float | None  # of the remainder of a first-order expansion; 2 is right


@dataclass(frozen=True)
class Line:
    """The parameters of a case along one direction."""

    case: Case
    direction: dict[str, Floats]

    def parameters(self, step: float) -> dict[str, Floats]:
        """The parameters after a step of this length in the direction."""
        return {
            name: getattr(self.case, name) + step * change
            for name, change in self.direction.items()
        }

    def loss(self, step: float) -> float:
        """The loss there."""
        return float(loss(self.case, **self.parameters(step)))

    def central_difference(self, step: float) -> float:
        """The slope of the loss at the case itself, from a step forwards and one backwards."""
        difference = self.loss(step) - self.loss(-step)
        return difference / (2 * step)

    def slope(self, gradients: dict[str, Floats]) -> float:
        """The slope that these gradients give."""
        slope = 0.0
        for name, change in self.direction.items():
            slope += float(np.vdot(gradients[name], change))
        return slope

    def remainder(self, step: float, slope: float) -> float:
        """The part of the loss's change that the slope does not account for."""
        change = self.loss(step) - self.loss(0)
        return abs(change - step * slope)

    def crosses_a_kink(self, steps: tuple[float, ...]) -> bool:
        """Whether ReLU's active set changes within these steps."""
        active = self.case.a > 0
        if (self.case.a == 0).any():
            return True
        for step in steps:
            moved = self.parameters(step)
            a = self.case.x @ moved["W1"] + moved["b1"]
            if ((a > 0) != active).any():
                return True
        return False


def cross_check(case: Case, gradients: dict[str, Floats], rng: np.random.Generator) -> CrossCheck:
    """Compare true gradients with central differences and a Taylor expansion along one direction.

    Raises CheckError if they differ by more than the methods' own error bounds: then the checker
    is wrong, and no gradient may be judged by it.
    """
    direction = {name: rng.normal(size=getattr(case, name).shape) for name in PARAMETERS}
    line = Line(case, direction)
    if case.activation == "relu" and line.crosses_a_kink((-WIDE_STEP, WIDE_STEP, LONG_STEP)):
        return CrossCheck(None, None)
    slope = line.slope(gradients)
    central = line.central_difference(STEP)
    central_error = abs(central - slope)
    truncation = abs(line.central_difference(WIDE_STEP) - central)
    rounding = ROUNDING * (1 + abs(line.loss(0)))
    long_remainder = line.remainder(LONG_STEP, slope)
    short_remainder = line.remainder(STEP, slope)
    ratio = long_remainder / max(short_remainder, 1e-300)
    order = float(np.log10(ratio))
    has_right_order = order > MIN_ORDER or long_remainder < NEGLIGIBLE
    if central_error > truncation + rounding or not has_right_order:
        raise CheckError(
            f"the checker contradicts itself on the case {case.name!r} ({case.activation}): "
            f"complex step {slope:.12g}, central difference {central:.12g}, "
            f"order of the Taylor remainder {order:.2f}. No gradient is judged by it."
        )
    return CrossCheck(central_error, order)
