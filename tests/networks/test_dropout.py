"""Dropout with given masks."""

import pytest
import torch

from digits.networks.dropout import Dropout


def test_dropout_is_inverted_dropout() -> None:
    """A fraction p of the mask is 0, the rest is 1 / (1 - p), and the mean is 1."""
    mask = Dropout(1000, 0.4).draw(500, torch.Generator().manual_seed(0))
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert (mask == 0).float().mean().item() == pytest.approx(0.4, abs=0.005)
    assert mask.mean().item() == pytest.approx(1.0, abs=0.01)


def test_dropout_acts_while_training_only() -> None:
    """In evaluation mode the mask is not used."""
    layer, x = Dropout(10, 0.5), torch.rand(4, 10)
    layer.mask = layer.draw(4, torch.Generator().manual_seed(1))
    assert torch.equal(layer(x), x * layer.mask)
    assert torch.equal(layer.eval()(x), x)
