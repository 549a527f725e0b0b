"""The loss against PyTorch's, and its gradient against automatic differentiation."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.networks.loss import Loss, smoothed


def problem(batch: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return logits, a teacher's logits, both (batch, 10), and labels (batch,)."""
    draws = torch.Generator().manual_seed(seed)
    logits, teacher = (torch.randn(2, batch, 10, generator=draws, dtype=torch.float64) * 4).unbind()
    return logits, teacher, torch.randint(0, 10, (batch,), generator=draws)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_labels_are_pytorchs(smoothing: float) -> None:
    """Cross-entropy against smoothed targets is PyTorch's with label_smoothing."""
    logits, _, labels = problem(32, 0)
    targets = smoothed(torch.eye(10, dtype=torch.float64)[labels], smoothing)
    expected = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
    assert Loss(targets).summed(logits).item() == pytest.approx(expected.item(), rel=1e-12)


def test_no_smoothing_changes_no_bit() -> None:
    """Label smoothing of 0 leaves the targets unchanged."""
    targets = torch.eye(10)
    assert torch.equal(smoothed(targets, 0.0), targets)


def test_distillation_is_hintons() -> None:
    """With w = 1 the loss is T^2 times the Kullback-Leibler divergence from the teacher, up to a constant."""
    logits, teacher, labels = problem(16, 1)
    targets, t = torch.eye(10, dtype=torch.float64)[labels], 3.0
    soft = (teacher / t).softmax(1)
    entropy = -(soft * soft.log()).sum()
    divergence = F.kl_div((logits / t).log_softmax(1), soft, reduction="sum")
    found = Loss(targets, teacher, 1.0, t).summed(logits).item()
    assert found == pytest.approx((t * t * (divergence + entropy)).item(), rel=1e-12)


def test_the_weight_mixes_both_losses() -> None:
    """With w = 1/2 the loss is the mean of the loss without a teacher and the distillation loss."""
    logits, teacher, labels = problem(16, 2)
    targets = torch.eye(10, dtype=torch.float64)[labels]
    alone, taught = Loss(targets).summed(logits), Loss(targets, teacher, 1.0, 2.0).summed(logits)
    both = Loss(targets, teacher, 0.5, 2.0).summed(logits)
    assert both.item() == pytest.approx(((alone + taught) / 2).item(), rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(0, 99), st.floats(0, 1), st.floats(0.5, 8), st.booleans())
def test_the_gradient_is_autograds(
    batch: int, seed: int, weight: float, temperature: float, taught: bool
) -> None:
    """`Loss.gradient` equals autograd's for any teacher, weight and temperature."""
    logits, teacher, labels = problem(batch, seed)
    targets = smoothed(torch.eye(10, dtype=torch.float64)[labels], 0.1)
    loss = Loss(targets, teacher if taught else None, weight, temperature)
    logits.requires_grad_()
    (expected,) = torch.autograd.grad(loss.summed(logits), logits)
    assert torch.allclose(loss.gradient(logits.detach()), expected, rtol=1e-10, atol=1e-12)
