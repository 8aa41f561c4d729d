"""network.py held against the truth: right as it is, and whatever is wrong in it named, the first equation first."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import ALL, Floats, Shape
from mlpcli.errors import CheckError
from mlpcli.gradcheck import kernels as gradcheck
from mlpcli.gradcheck.cases import small_case
from mlpcli.gradcheck.complex_step import EQUATIONS, Case
from mlpcli.gradcheck.kernels import Check, check_along, check_network
from mlpcli.gradcheck.verdict import TOLERANCE
from mlpcli.model import buffers, network
from tests.support.backward_passes import ACTIVATIONS

activations = pytest.mark.parametrize("activation", ACTIVATIONS)
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
sizes = pytest.mark.parametrize("size", ["small", "full"])
Kernel = Callable[..., Any]


def a_case(size: str, activation: str = "tanh", l2: float = 0.1) -> Case:
    """A small case, or one at a size where only directions are looked along."""
    if size == "small":
        return small_case("any", activation, 5, dropout=0.5, l2=l2)
    stream, (D, H, K), B = np.random.default_rng(6), Shape(61, 256, 10), 23
    W1, b1, W2, b2 = (
        stream.normal(scale=0.3, size=s).astype(np.float32) for s in ((D, H), H, (H, K), K)
    )
    x, r = stream.normal(size=(B, D)).astype(np.float32), 2.0 * stream.integers(0, 2, (B, H))
    labels = stream.permutation(np.arange(B) % K)
    exact = (w.astype(np.float64) for w in (W1, b1, W2, b2))
    return Case("full size", activation, x.astype(np.float64), labels, r, *exact, l2)


def check(case: Case, dtype: str = "float64") -> Check:
    """The check that suits the case's size."""
    small = case.W1.size < 100
    return (
        check_network(case, dtype) if small else check_along(case, dtype, np.random.default_rng(0))
    )


def blamed(done: Check) -> list[str]:
    return [row.name for row in done.equations if not row.passed]


def heirs(done: Check) -> list[str]:
    return [row.name for row in done.equations if row.inherits]


def said(done: Check) -> tuple[tuple[str, ...], str]:
    """The ids and the sentence on the first equation that is wrong."""
    diagnosis = next(row.diagnosis for row in done.equations if not row.passed)
    assert diagnosis
    return diagnosis.ids, diagnosis.sentence


# As it is


def random_case(seed: int) -> Case:
    stream = np.random.default_rng([seed, 1])
    activation = ACTIVATIONS[seed % 4]
    return small_case(
        f"seed {seed}",
        activation,
        seed,
        dropout=stream.choice([0, 0.2, 0.5, 0.7]),
        input_dropout=stream.choice([0, 0.2]),
        l2=stream.choice([0, 0.01, 0.1]),
        trained=stream.random() < 0.25,
        at_kink=activation == "relu" and stream.random() < 0.5,
        overflow=stream.random() < 0.1,
    )


@pytest.mark.parametrize("hundred", range(10))
def test_a_right_gradient_is_never_called_wrong(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        case = random_case(seed)
        for dtype in TOLERANCE:
            done = check_network(case, dtype)
            assert done.passed, (case, dtype)
            assert heirs(done) == []
            assert all(
                row.given and row.max_relative_error <= TOLERANCE[dtype] / 5
                for row in done.equations
            )


@activations
@dtypes
def test_a_right_gradient_at_full_size_is_right(activation: str, dtype: str) -> None:
    done = check(a_case("full", activation), dtype)
    assert (done.passed, blamed(done), heirs(done), done.dtype) == (True, [], [], dtype)
    assert [row.entries for row in done.equations] == [230, 2560, 10, 23 * 256, 61 * 256, 256]
    assert all(row.max_relative_error <= TOLERANCE[dtype] / 5 for row in done.equations)
    assert done.coverage.units == 23 * 256


@dtypes
def test_rounding_may_choose_the_side_of_a_kink(dtype: str) -> None:
    """a is 0 but for the rounding of x W1 + b1, which may fall to either side in either precision."""
    for seed in range(50):
        case = small_case("any", "relu", seed, dropout=0.5)
        case.x[:, 0], case.W1[1:, 0] = 1.1, [0.1, 0.2, 0.3, 0.4]
        case.x[:, 1:] = 0.7
        case.W1[0, 0], case.b1[0] = 0.9, -(1.1 * 0.9 + 0.7 * (0.1 + 0.2 + 0.3 + 0.4))
        near = Case("near", "relu", case.x, case.labels, case.r, case.W1, case.b1, case.W2, case.b2)
        assert np.abs(near.a[:, 0]).max() < 1e-14
        assert check_network(near, dtype).passed


# As it might be


def plus(name: str, error: float = 1e-3) -> Kernel:
    """The kernel that fills this buffer, with an error added to what it wrote."""
    of = {"dz": "logits_gradient", "dW2": "second_layer_gradient", "db2": "second_layer_gradient"}
    kernel = getattr(
        network, of.get(name, "hidden_gradient" if name == "da" else "first_layer_gradient")
    )

    def wrong(*arguments: Any) -> None:
        kernel(*arguments)
        grad = next(argument for argument in arguments if isinstance(argument, buffers.Gradient))
        getattr(grad, name)[...] += error * (1 + np.arange(getattr(grad, name).shape[-1]))

    wrong.__name__ = kernel.__name__
    return wrong


def replaced(monkeypatch: pytest.MonkeyPatch, kernel: Kernel, name: str = "") -> None:
    """Put a function in the place of one of network.py's, wherever it is called from."""
    for module in (network, gradcheck):
        monkeypatch.setattr(module, name or kernel.__name__, kernel)


@sizes
@dtypes
@activations
@pytest.mark.parametrize("name", EQUATIONS)
def test_the_first_wrong_equation_is_named_and_none_that_follows_from_it(
    name: str, activation: str, dtype: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(monkeypatch, plus("d" + name))
    done = check(a_case(size, activation), dtype)
    assert blamed(done) == [name]
    assert heirs(done) == {"z": ["W2", "b2", "a", "W1", "b1"], "a": ["W1", "b1"]}.get(name, [])
    assert said(done)[0] == ()
    assert not done.passed


@sizes
@pytest.mark.parametrize(
    ("buffer", "spoil", "id"),
    [
        ("dz", lambda g: g * -1, "wrong-sign"),
        ("dz", lambda g: g * len(g), "sum-instead-of-mean"),
        ("dW2", lambda g: g * 0, "zero-gradient"),
        ("da", lambda g: g * 2, "mask-applied-twice"),
        ("da", lambda g: g / 2, "unscaled-mask"),
    ],
)
def test_a_wrong_kernel_is_given_its_mistakes_name(
    buffer: str,
    spoil: Callable[[Floats], Floats],
    id: str,
    size: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = plus(buffer, 0.0)

    def wrong(*arguments: Any) -> None:
        right(*arguments)
        getattr(arguments[-1], buffer)[...] = spoil(getattr(arguments[-1], buffer))

    replaced(monkeypatch, wrong, right.__name__)
    case = a_case(size, l2=0.0)
    case.r[...] = 2.0 * (case.r > 0)
    done = check(case)
    assert blamed(done) == [buffer[1:]]
    assert said(done)[0] == (id,)


def decayed_twice(net: network.Network, l2: float, grad: buffers.Gradient) -> None:
    grad.dW1 += 2 * l2 * net.W1
    grad.dW2 += 2 * l2 * net.W2


def decayed_everywhere(net: network.Network, l2: float, grad: buffers.Gradient) -> None:
    grad.flat += l2 * net.theta


@sizes
@pytest.mark.parametrize(
    ("kernel", "names", "id"),
    [
        (decayed_twice, ["W2", "W1"], "double-weight-decay"),
        (decayed_everywhere, ["b2", "b1"], "bias-weight-decay"),
        (lambda net, l2, grad: None, ["W2", "W1"], "missing-weight-decay"),
    ],
)
def test_wrong_weight_decay_is_given_its_name(
    kernel: Kernel, names: list[str], id: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(monkeypatch, kernel, "add_weight_decay")
    done = check(a_case(size))
    assert blamed(done) == names
    assert said(done)[0] == (id,)


def forward_with(change: Callable[[network.Network, buffers.Workspace], None]) -> Kernel:
    """The forward pass on other weights."""

    def forward(net: network.Network, x: Floats, r: Floats, ws: buffers.Workspace) -> None:
        other = network.Network(net.shape, net.activation, net.theta.dtype)
        other.theta[...] = net.theta
        change(other, ws)
        network_forward(other, x, r, ws)

    return forward


network_forward = network.forward
FORWARD_IS_TO_BLAME = "∂z (3.2) is wrong, though its own line is right: the forward pass, or what backward hands to it, is not."


def no_b1(net: network.Network, ws: buffers.Workspace) -> None:
    net.b1[...] = 0


def no_b2(net: network.Network, ws: buffers.Workspace) -> None:
    net.b2[...] = 0


def another_phi(net: network.Network, ws: buffers.Workspace) -> None:
    net.activation = "identity" if net.activation == "relu" else "relu"


@sizes
@dtypes
@activations
@pytest.mark.parametrize("change", [no_b1, no_b2, another_phi])
def test_a_wrong_forward_pass_is_said_to_be_one(
    change: Kernel, activation: str, dtype: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(monkeypatch, forward_with(change), "forward")
    done = check(a_case(size, activation), dtype)
    assert blamed(done) == ["z"]
    assert set(heirs(done)) >= {"W2", "b2"}
    assert said(done) == ((), FORWARD_IS_TO_BLAME)


@sizes
def test_phi_kept_wrongly_for_the_slope_alone_is_found_where_it_is_used(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(net: network.Network, x: Floats, r: Floats, ws: buffers.Workspace) -> None:
        network_forward(net, x, r, ws)
        ws.s *= 0.9

    replaced(monkeypatch, forward, "forward")
    done = check(a_case(size))
    assert blamed(done) == ["a"]
    assert heirs(done) == ["W1", "b1"]
    assert said(done)[1].startswith(
        "∂a (3.4) is wrong, though its own line is right: the forward pass, or "
    )


@sizes
def test_a_mask_that_backward_does_not_hand_on_is_named(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backward(*arguments: Any) -> None:
        net, x, labels, _, ws, grad, l2 = arguments
        network_backward(net, x, labels, 1.0, ws, grad, l2)

    network_backward = network.backward
    replaced(monkeypatch, backward)
    done = check(a_case(size))
    assert (blamed(done), heirs(done)) == (["a"], ["W1", "b1"])
    assert said(done)[0] == ("missing-dropout-mask",)


@sizes
@dtypes
def test_a_loss_that_is_not_the_one_differentiated_is_found_out(
    dtype: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean_loss = network.mean_loss
    replaced(monkeypatch, lambda labels, ws: mean_loss(labels, ws) * 1.01, "mean_loss")
    done = check(a_case(size), dtype)
    assert blamed(done) == ["z"]
    sentence = (
        "∂z (3.2) is wrong: the loss that training reports is not the one that is differentiated."
    )
    assert said(done) == ((), sentence)


@sizes
@pytest.mark.parametrize("name", EQUATIONS)
def test_a_gradient_that_is_not_finite_or_was_never_written_is_wrong(
    name: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(monkeypatch, plus("d" + name, np.nan))
    done = check(a_case(size))
    assert name in blamed(done)
    assert said(done)[1].endswith(" entries are not finite.")
    assert all(np.isfinite(row.max_relative_error) for row in done.equations)


def test_the_rows_and_columns_of_a_large_gradient_are_not_all_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = network.first_layer_gradient

    def wrong(x: Floats, grad: buffers.Gradient, used: slice = ALL) -> None:
        right(x, grad, used)
        grad.dW1[:, 3:10] += 1

    replaced(monkeypatch, wrong, "first_layer_gradient")
    assert said(check(a_case("full")))[1].endswith(
        "427 of 15,616 entries are off, all in columns 3, 4, 5, 6, 7, …."
    )


def test_a_kernel_that_is_right_and_called_wrong_is_blamed_on_the_checker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gradcheck, "slope_along", lambda case, name, v: 7.0)
    with pytest.raises(
        CheckError, match=r"^the checker contradicts itself on the case 'full size': no gradient is"
    ):
        check(a_case("full"))
