"""Second opinions on a true gradient, from plain real arithmetic: two methods that the complex step must agree with."""

from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import Floats
from mlpcli.errors import CheckError
from mlpcli.gradcheck.complex_step import Case, loss


@dataclass(frozen=True)
class CrossChecks:
    """What plain real arithmetic says of a true gradient; None where a kink stands in the way."""

    central_error: float | None
    taylor_slope: float | None


def cross_check(case: Case, truth: dict[str, Floats], rng: np.random.Generator) -> CrossChecks:
    """Central differences and the Taylor remainder's order along one direction.

    Raises CheckError where they contradict the complex step beyond their own error bounds: then
    the checker is wrong, and says nothing of any gradient.
    """
    v = {name: rng.normal(size=getattr(case, name).shape) for name in ("W1", "b1", "W2", "b2")}

    def moved(e: float) -> dict[str, Floats]:
        return {name: getattr(case, name) + e * step for name, step in v.items()}

    def at(e: float) -> float:
        return float(loss(case, **moved(e)))

    if case.activation == "relu" and _crosses_a_kink(case, [moved(e) for e in (-2e-4, 2e-4, 1e-3)]):
        return CrossChecks(None, None)
    slope = sum(float(np.vdot(truth[name], step)) for name, step in v.items())
    near, far = ((at(e) - at(-e)) / (2 * e) for e in (1e-4, 2e-4))
    bound = abs(far - near) + 1e-11 * (1 + abs(at(0)))
    rest = [abs(at(e) - at(0) - e * slope) for e in (1e-3, 1e-4)]
    order = float(np.log10(rest[0] / max(rest[1], 1e-300)))
    if abs(near - slope) > bound or not (order > 1.7 or rest[0] < 1e-12):
        raise CheckError(
            f"the checker contradicts itself on the case {case.name!r} ({case.activation}): complex step {slope:.12g}, "
            f"central difference {near:.12g}, order of the Taylor remainder {order:.2f}. No gradient is judged by it."
        )
    return CrossChecks(abs(near - slope), order)


def _crosses_a_kink(case: Case, places: list[dict[str, Floats]]) -> bool:
    active = case.a > 0
    return bool((case.a == 0).any()) or any(
        ((case.x @ at["W1"] + at["b1"] > 0) != active).any() for at in places
    )
