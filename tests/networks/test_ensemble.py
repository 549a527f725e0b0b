"""An ensemble averages probabilities."""

import torch

from digits.networks.cnn import CNN
from digits.networks.ensemble import Ensemble
from digits.networks.mlp import MLP


def test_an_ensemble_answers_with_the_mean_probability(images: torch.Tensor) -> None:
    """The softmax of its logits is the mean of its members' probabilities."""
    torch.manual_seed(0)
    members = [MLP(8, 6), MLP(12, 5), CNN((3, 4, 5)).eval()]
    expected = torch.stack([member.probabilities(images) for member in members]).mean(0)
    ensemble = Ensemble(members)
    assert torch.allclose(ensemble.probabilities(images), expected, atol=1e-6)
    assert torch.allclose(ensemble(images).logsumexp(1), torch.zeros(32), atol=1e-5)


def test_an_ensemble_of_one_is_that_one(images: torch.Tensor) -> None:
    """An ensemble of one network has the probabilities of that network."""
    model = MLP(8, 6)
    assert torch.allclose(Ensemble([model]).probabilities(images), model.probabilities(images), atol=1e-6)


def test_logits_are_divided_by_the_temperature(images: torch.Tensor) -> None:
    """Temperature 2 halves the logits of every kind of network; a new network has temperature 1."""
    torch.manual_seed(0)
    for model in (MLP(8, 6), CNN((3, 4, 5)), Ensemble([MLP(8, 6), MLP(8, 6)])):
        cool = model.eval()(images)
        model.temperature.fill_(2)
        assert torch.allclose(model(images), cool / 2, atol=1e-6)
