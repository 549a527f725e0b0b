"""The optimizers give the same bits as those of torch.optim."""

from typing import Any

import pytest
import torch
from torch import Tensor

from digits.networks.optimizers import Optimizer

RATE = 0.01


def torchs(rule: str, weights: Tensor, options: dict[str, Any]) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer for one vector of weights."""
    kinds: dict[str, Any] = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
    }
    made: torch.optim.Optimizer = kinds[rule]([weights], lr=RATE, **{"weight_decay": 0.0, **options})
    return made


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("sgd", {}),
        ("sgd", {"momentum": 0.9, "weight_decay": 0.01}),
        ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        ("adam", {"weight_decay": 0.01}),
        ("adamw", {"weight_decay": 0.1}),
        ("rmsprop", {"weight_decay": 0.01}),
        ("rmsprop", {"momentum": 0.5}),
    ],
)
def test_steps_are_those_of_torch_optim(rule: Any, options: dict[str, Any]) -> None:
    """After each of 20 steps with random gradients, the weights equal PyTorch's bit for bit."""
    draws = torch.Generator().manual_seed(0)
    ours = torch.randn(50, generator=draws)
    theirs, gradient = ours.clone(), torch.zeros(50)
    theirs.grad = gradient
    optimizer, expected = Optimizer(rule, ours, gradient, **options), torchs(rule, theirs, options)
    for _ in range(20):
        gradient.copy_(torch.randn(50, generator=draws))
        optimizer.step(RATE)
        expected.step()
        assert torch.equal(ours, theirs)
