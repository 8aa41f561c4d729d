"""network.py is right as it is, and a fault in it is found in the equation that has it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest

from mlpcli.arrays import ALL, Floats, Shape
from mlpcli.errors import CheckError
from mlpcli.gradcheck import kernels, network_check
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case
from mlpcli.gradcheck.network_check import Check, check_directions, check_entries
from mlpcli.gradcheck.verdict import TOLERANCE
from mlpcli.model import buffers, network
from tests.support.backward_passes import ACTIVATIONS, diagnosis_of, largest_error

activations = pytest.mark.parametrize("activation", ACTIVATIONS)
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
sizes = pytest.mark.parametrize("size", ["small", "full"])
names = pytest.mark.parametrize("name", EQUATIONS)
Kernel: TypeAlias = Callable[..., Any]

DOWNSTREAM = {"z": ["W2", "b2", "a", "W1", "b1"], "a": ["W1", "b1"]}
right_forward = network.forward
right_backward = network.backward
right_mean_loss = network.mean_loss
SMALL = 100  # entries of W1, up to which all entries are checked


def make_case(size: str, activation: str = "tanh", l2: float = 0.1) -> Case:
    """A small case, or one of a size at which only directions are checked."""
    if size == "small":
        return small_case("any", activation, 5, dropout=0.5, l2=l2)
    return full_case(activation, l2)


def weighted_case(size: str, activation: str = "tanh") -> Case:
    """The same with row weights, of which one is 0, and label smoothing."""
    case = make_case(size, activation)
    weights = np.linspace(0, 1.75, len(case.x)).astype(np.float32).astype(np.float64)
    return replace(case, weights=weights, smoothing=0.1)


def full_case(activation: str, l2: float) -> Case:
    rng = np.random.default_rng(6)
    D, H, K = Shape(61, 256, 10)
    B = 23

    def exact(values: Floats) -> Floats:
        return values.astype(np.float32).astype(np.float64)

    W1 = exact(rng.normal(scale=0.3, size=(D, H)))
    b1 = exact(rng.normal(scale=0.3, size=H))
    W2 = exact(rng.normal(scale=0.3, size=(H, K)))
    b2 = exact(rng.normal(scale=0.3, size=K))
    x = exact(rng.normal(size=(B, D)))
    r = 2.0 * rng.integers(0, 2, (B, H))
    labels = rng.permutation(np.arange(B) % K)
    return Case("full size", activation, x, labels, r, W1, b1, W2, b2, l2)


def check(case: Case, dtype: str = "float64") -> Check:
    """The check that suits the size of the case."""
    if case.W1.size < SMALL:
        return check_entries(case, dtype)
    return check_directions(case, dtype, np.random.default_rng(0))


def wrong_equations(done: Check) -> list[str]:
    return [verdict.name for verdict in done.equations if not verdict.passed]


def inheriting_equations(done: Check) -> list[str]:
    return [verdict.name for verdict in done.equations if verdict.inherits]


def first_diagnosis(done: Check) -> tuple[tuple[str, ...], str]:
    """The ids and the sentence on the first equation that is wrong."""
    wrong = [verdict for verdict in done.equations if not verdict.passed]
    return diagnosis_of(wrong[0])


# network.py as it is


def random_case(seed: int) -> Case:
    rng = np.random.default_rng([seed, 1])
    activation = ACTIVATIONS[seed % 4]
    trained = rng.random() < 0.25
    return small_case(
        f"seed {seed}",
        activation,
        seed,
        dropout=rng.choice([0, 0.2, 0.5, 0.7]),
        input_dropout=rng.choice([0, 0.2]),
        l2=rng.choice([0, 0.01, 0.1]),
        trained=trained,
        at_kink=activation == "relu" and rng.random() < 0.5,
        overflow=not trained and rng.random() < 0.1,
        weighted=rng.random() < 0.5,
        smoothing=rng.choice([0, 0.1, 0.5]),
    )


@pytest.mark.parametrize("hundred", range(10))
def test_a_right_gradient_is_never_called_wrong(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        case = random_case(seed)
        for dtype in TOLERANCE:
            done = check_entries(case, dtype)
            assert done.passed, (case, dtype)
            assert inheriting_equations(done) == []
            assert all(verdict.given for verdict in done.equations)
            limit = TOLERANCE[dtype] / 5
            assert all(largest_error(verdict) <= limit for verdict in done.equations)


@activations
@dtypes
@pytest.mark.parametrize("make", [make_case, weighted_case])
def test_a_right_gradient_at_full_size_is_right(
    make: Callable[[str, str], Case], activation: str, dtype: str
) -> None:
    done = check(make("full", activation), dtype)
    assert done.passed
    assert done.dtype == dtype
    assert wrong_equations(done) == inheriting_equations(done) == []
    entries = [verdict.entries for verdict in done.equations]
    assert entries == [230, 2560, 10, 23 * 256, 61 * 256, 256]
    limit = TOLERANCE[dtype] / 5
    assert all(largest_error(verdict) <= limit for verdict in done.equations)
    assert done.coverage.units == 23 * 256


@dtypes
def test_rounding_may_decide_the_side_of_a_kink(dtype: str) -> None:
    """a is 0 but for the rounding of x W1 + b1, which may differ between the precisions."""
    for seed in range(50):
        case = small_case("any", "relu", seed, dropout=0.5)
        x = np.full_like(case.x, 0.7)
        x[:, 0] = 1.1
        W1 = case.W1.copy()
        W1[:, 0] = [0.9, 0.1, 0.2, 0.3, 0.4]
        b1 = case.b1.copy()
        b1[0] = -(1.1 * 0.9 + 0.7 * (0.1 + 0.2 + 0.3 + 0.4))
        near = Case("near", "relu", x, case.labels, case.r, W1, b1, case.W2, case.b2)
        assert np.abs(near.a[:, 0]).max() < 1e-14
        assert check_entries(near, dtype).passed


def test_a_right_gradient_that_is_called_wrong_shows_a_fault_of_the_checker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network_check, "directional_derivative", lambda case, name, v: 7.0)
    with pytest.raises(
        CheckError, match=r"^the checker contradicts itself on the case 'full size': no gradient is"
    ):
        check(make_case("full"))


# Faults of one equation


def kernel_of(buffer: str) -> Kernel:
    """The function of network.py that fills this buffer of a gradient."""
    if buffer == "dz":
        return network.logits_gradient
    if buffer in ("dW2", "db2"):
        return network.second_layer_gradient
    if buffer == "da":
        return network.hidden_gradient
    return network.first_layer_gradient


def gradient_in(arguments: tuple[Any, ...]) -> buffers.Gradient:
    """The gradient's buffers among a kernel's arguments."""
    return next(argument for argument in arguments if isinstance(argument, buffers.Gradient))


def with_change(buffer: str, change: Callable[[Floats], Floats]) -> Kernel:
    """The kernel that fills this buffer, with the buffer changed afterwards."""
    kernel = kernel_of(buffer)

    def wrong(*arguments: Any) -> None:
        kernel(*arguments)
        values = getattr(gradient_in(arguments), buffer)
        values[...] = change(values)

    wrong.__name__ = kernel.__name__
    return wrong


def with_error(buffer: str, error: float = 1e-3) -> Kernel:
    """The kernel that fills this buffer, with an error added that grows from column to column."""
    return with_change(buffer, lambda g: g + error * (1 + np.arange(g.shape[-1])))


def replace_kernel(monkeypatch: pytest.MonkeyPatch, kernel: Kernel, name: str = "") -> None:
    """Replace a function of network.py wherever the check calls it."""
    for module in (network, kernels):
        monkeypatch.setattr(module, name or kernel.__name__, kernel)


@sizes
@dtypes
@activations
@names
def test_only_the_first_wrong_equation_is_called_wrong(
    name: str, activation: str, dtype: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_kernel(monkeypatch, with_error(f"d{name}"))
    done = check(make_case(size, activation), dtype)
    assert wrong_equations(done) == [name]
    assert inheriting_equations(done) == DOWNSTREAM.get(name, [])
    ids, _ = first_diagnosis(done)
    assert ids == ()
    assert not done.passed


@sizes
@pytest.mark.parametrize(
    ("buffer", "change", "id"),
    [
        ("dz", lambda g: g * -1, "wrong-sign"),
        ("dz", lambda g: g * len(g), "sum-instead-of-mean"),
        ("dW2", lambda g: g * 0, "zero-gradient"),
        ("da", lambda g: g * 2, "mask-applied-twice"),
        ("da", lambda g: g / 2, "unscaled-mask"),
    ],
)
def test_a_known_mistake_in_a_kernel_is_named(
    buffer: str,
    change: Callable[[Floats], Floats],
    id: str,
    size: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace_kernel(monkeypatch, with_change(buffer, change))
    case = make_case(size, l2=0.0)
    case.r[...] = 2.0 * (case.r > 0)
    done = check(case)
    assert wrong_equations(done) == [buffer.removeprefix("d")]
    ids, _ = first_diagnosis(done)
    assert ids == (id,)


@sizes
@names
def test_a_gradient_that_is_not_finite_or_was_never_written_is_wrong(
    name: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_kernel(monkeypatch, with_error(f"d{name}", np.nan))
    done = check(make_case(size))
    assert name in wrong_equations(done)
    _, sentence = first_diagnosis(done)
    assert sentence.endswith(" entries are not finite.")
    assert all(np.isfinite(largest_error(verdict)) for verdict in done.equations)


def test_not_all_columns_of_a_large_gradient_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = network.first_layer_gradient

    def wrong(x: Floats, grad: buffers.Gradient, active_columns: slice = ALL) -> None:
        right(x, grad, active_columns)
        grad.dW1[:, 3:10] += 1

    replace_kernel(monkeypatch, wrong, "first_layer_gradient")
    _, sentence = first_diagnosis(check(make_case("full")))
    assert sentence.endswith("427 of 15,616 entries are off, all in columns 3, 4, 5, 6, 7, ….")


# Faults of the weight decay


def decay_twice(net: network.Network, l2: float, grad: buffers.Gradient) -> None:
    grad.dW1 += 2 * l2 * net.W1
    grad.dW2 += 2 * l2 * net.W2


def decay_everything(net: network.Network, l2: float, grad: buffers.Gradient) -> None:
    grad.flat += l2 * net.theta


def decay_nothing(net: network.Network, l2: float, grad: buffers.Gradient) -> None:
    pass


@sizes
@pytest.mark.parametrize(
    ("kernel", "wrong", "id"),
    [
        (decay_twice, ["W2", "W1"], "double-weight-decay"),
        (decay_everything, ["b2", "b1"], "bias-weight-decay"),
        (decay_nothing, ["W2", "W1"], "missing-weight-decay"),
    ],
)
def test_wrong_weight_decay_is_named(
    kernel: Kernel, wrong: list[str], id: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_kernel(monkeypatch, kernel, "add_weight_decay")
    done = check(make_case(size))
    assert wrong_equations(done) == wrong
    ids, _ = first_diagnosis(done)
    assert ids == (id,)


# Faults of the row weights and the label smoothing


def with_other_targets(
    weights: Callable[[Floats], Floats | None], smoothing: Callable[[float], float]
) -> Kernel:
    """The kernel of ∂z, with other weights or another smoothing than those it is given."""
    right = network.logits_gradient

    def wrong(labels: Any, ws: Any, grad: Any, w: Floats, epsilon: float) -> None:
        right(labels, ws, grad, weights(w), smoothing(epsilon))

    return wrong


def as_it_is(value: Any) -> Any:
    return value


@sizes
@dtypes
@pytest.mark.parametrize(
    ("weights", "smoothing", "id"),
    [
        (lambda w: None, as_it_is, "missing-row-weights"),
        (lambda w: w**2, as_it_is, "row-weights-applied-twice"),
        (lambda w: w / w.mean(), as_it_is, "row-weights-over-their-sum"),
        (as_it_is, lambda epsilon: 0.0, "missing-label-smoothing"),
    ],
    ids=["missing", "twice", "over their sum", "one-hot"],
)
def test_wrong_row_weights_and_smoothing_are_named(
    weights: Callable[[Floats], Floats | None],
    smoothing: Callable[[float], float],
    id: str,
    size: str,
    dtype: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace_kernel(monkeypatch, with_other_targets(weights, smoothing), "logits_gradient")
    done = check(weighted_case(size), dtype)
    assert wrong_equations(done) == ["z"]
    assert inheriting_equations(done) == DOWNSTREAM["z"]
    ids, _ = first_diagnosis(done)
    assert ids == (id,)


@sizes
@pytest.mark.parametrize(
    ("left_out", "id"),
    [("weights", "missing-row-weights"), ("smoothing", "missing-label-smoothing")],
)
def test_what_backward_does_not_pass_on_is_named(
    left_out: str, id: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backward(*arguments: Any, **options: Any) -> None:
        del options[left_out]
        right_backward(*arguments, **options)

    replace_kernel(monkeypatch, backward)
    done = check(weighted_case(size))
    assert wrong_equations(done) == ["z"]
    ids, _ = first_diagnosis(done)
    assert ids == (id,)


@sizes
@dtypes
def test_a_reported_loss_without_the_weights_is_found(
    dtype: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mean_loss(labels: Any, ws: buffers.Workspace, weights: Floats) -> float:
        return right_mean_loss(labels, ws)

    replace_kernel(monkeypatch, mean_loss)
    done = check(weighted_case(size), dtype)
    assert wrong_equations(done) == ["z"]
    assert first_diagnosis(done)[1].startswith("∂z (3.2) is wrong: the loss that training reports")


# Faults of the forward pass, of the loss, and of what backward passes on

WRONG_INPUT = (
    "though its own equation is right: "
    "the forward pass, or an argument that backward passes on, is wrong."
)


def without_b1(net: network.Network) -> None:
    net.b1[...] = 0


def without_b2(net: network.Network) -> None:
    net.b2[...] = 0


def with_another_phi(net: network.Network) -> None:
    net.activation = "identity" if net.activation == "relu" else "relu"


@sizes
@dtypes
@activations
@pytest.mark.parametrize("change", [without_b1, without_b2, with_another_phi])
def test_a_wrong_forward_pass_is_told_from_a_wrong_equation(
    change: Callable[[network.Network], None],
    activation: str,
    dtype: str,
    size: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forward(net: network.Network, x: Floats, r: Floats, ws: buffers.Workspace) -> None:
        other = network.Network(net.shape, net.activation, net.theta.dtype)
        other.theta[...] = net.theta
        change(other)
        right_forward(other, x, r, ws)

    replace_kernel(monkeypatch, forward)
    done = check(make_case(size, activation), dtype)
    assert wrong_equations(done) == ["z"]
    assert set(inheriting_equations(done)) >= {"W2", "b2"}
    assert first_diagnosis(done) == ((), f"∂z (3.2) is wrong, {WRONG_INPUT}")


@sizes
def test_a_wrong_phi_kept_for_the_slope_is_found_where_it_is_used(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(net: network.Network, x: Floats, r: Floats, ws: buffers.Workspace) -> None:
        right_forward(net, x, r, ws)
        ws.s *= 0.9

    replace_kernel(monkeypatch, forward)
    done = check(make_case(size))
    assert wrong_equations(done) == ["a"]
    assert inheriting_equations(done) == ["W1", "b1"]
    _, sentence = first_diagnosis(done)
    assert sentence == f"∂a (3.4) is wrong, {WRONG_INPUT}"


@sizes
def test_a_mask_that_backward_does_not_pass_on_is_named(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backward(*arguments: Any, **options: Any) -> None:
        net, x, labels, _, ws, grad, l2 = arguments
        right_backward(net, x, labels, 1.0, ws, grad, l2, **options)

    replace_kernel(monkeypatch, backward)
    done = check(make_case(size))
    assert wrong_equations(done) == ["a"]
    assert inheriting_equations(done) == ["W1", "b1"]
    ids, _ = first_diagnosis(done)
    assert ids == ("missing-dropout-mask",)


@sizes
@dtypes
def test_a_reported_loss_that_is_not_the_one_differentiated_is_found(
    dtype: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mean_loss(labels: Any, ws: buffers.Workspace, weights: Floats | None) -> float:
        return right_mean_loss(labels, ws, weights) * 1.01

    replace_kernel(monkeypatch, mean_loss)
    done = check(make_case(size), dtype)
    assert wrong_equations(done) == ["z"]
    sentence = (
        "∂z (3.2) is wrong: the loss that training reports is not the one that is differentiated."
    )
    assert first_diagnosis(done) == ((), sentence)
