"""The written-out backward pass against PyTorch's automatic differentiation."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from digits.networks import backpropagation
from digits.networks.loss import Loss
from digits.networks.mlp import MLP


def problem(hidden1: int, hidden2: int, batch: int, seed: int) -> tuple[MLP, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    model = MLP(hidden1, hidden2)
    for p in model.parameters():
        p.grad = torch.full_like(p, float("nan"))  # whatever stood there must not matter
    return model, torch.rand(batch, 1, 28, 28), torch.rand(batch, 10).softmax(dim=1)


def by_autograd(model: MLP, images: torch.Tensor, targets: torch.Tensor, scale: float) -> list[torch.Tensor]:
    model = model.double()
    logits = model(images.double())
    loss = F.cross_entropy(logits, targets.double(), reduction="sum") * scale
    return [logits.detach(), *torch.autograd.grad(loss, list(model.parameters()))]


def by_hand(model: MLP, images: torch.Tensor, targets: torch.Tensor, scale: float) -> list[torch.Tensor]:
    with torch.no_grad():
        logits = backpropagation.gradients(model, images, Loss(targets), scale)
    return [logits, *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@torch.no_grad()
def nearest_to_zero(model: MLP, images: torch.Tensor) -> float:
    """Return the smallest absolute value that enters a ReLU."""
    z1 = model.hidden1(model.normalise(images).flatten(1))
    z2 = model.hidden2(z1.relu())
    return float(torch.cat([z1.flatten(), z2.flatten()]).abs().min())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 100), st.integers(1, 80), st.integers(0, 99))
def test_gradients_equal_autograds(hidden1: int, hidden2: int, batch: int, seed: int) -> None:
    """For any sizes, logits and all six gradients agree with autograd in double precision to 1e-5."""
    model, images, targets = problem(hidden1, hidden2, batch, seed)
    assume(nearest_to_zero(model, images) > 1e-6)  # else rounding may decide whether a neuron is active
    got = by_hand(model, images, targets, 1 / batch)
    for ours, truth in zip(got, by_autograd(model, images, targets, 1 / batch), strict=True):
        assert torch.allclose(ours.double(), truth, atol=1e-5, rtol=1e-4)


def test_gradients_equal_finite_differences() -> None:
    """A small change of a weight changes the loss by the gradient times the change (central differences)."""
    model, images, targets = problem(12, 9, 16, seed=3)
    gradients = by_hand(model, images, targets, 1 / 16)[1:]
    model = model.double()

    def loss() -> float:
        logits = model(images.double())
        return F.cross_entropy(logits, targets.double()).item()

    with torch.no_grad():
        for p, gradient in zip(model.parameters(), gradients, strict=True):
            flat, i = p.view(-1), p.numel() // 2
            value = flat[i].item()
            flat[i] = value + 1e-6
            above = loss()
            flat[i] = value - 1e-6
            below = loss()
            flat[i] = value
            assert (above - below) / 2e-6 == pytest.approx(gradient.view(-1)[i].item(), abs=1e-5)


@pytest.mark.skipif(not backpropagation.ONEDNN, reason="this build of PyTorch has no oneDNN linear operator")
def test_both_matrix_libraries_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large layers give the same gradients with oneDNN's kernel and without it."""
    model, images, targets = problem(512, 256, 128, seed=5)
    fast = by_hand(model, images, targets, 1.0)
    monkeypatch.setattr(backpropagation, "ONEDNN", False)
    plain = by_hand(model, images, targets, 1.0)
    for a, b in zip(fast, plain, strict=True):
        assert torch.allclose(a, b, atol=1e-4, rtol=1e-4)


def test_a_parameter_without_grad_is_refused() -> None:
    """A parameter without a .grad tensor raises ValueError."""
    with torch.no_grad(), pytest.raises(ValueError, match=r"needs a \.grad"):
        backpropagation.gradients(MLP(4, 4), torch.rand(2, 1, 28, 28), Loss(torch.eye(10)[:2]), 1.0)
