"""The MLP is the textbook network, with normalisation inside."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from digits.networks.mlp import MLP


def test_it_is_the_textbook_network(images: torch.Tensor) -> None:
    """The MLP computes the same as an nn.Sequential with the same weights."""
    model = MLP(30, 20)
    textbook = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 10)
    )
    for ours, theirs in zip(model.parameters(), textbook.parameters(), strict=True):
        theirs.data.copy_(ours.data)
    expected = textbook((images - 0.1307) / 0.3081)
    assert torch.allclose(model(images), expected, atol=1e-6)


def test_the_default_has_the_missions_size() -> None:
    """784 inputs, hidden layers of 128 and 64, ten outputs: 109,386 weights."""
    shapes = [tuple(p.shape) for p in MLP().parameters()]
    assert shapes == [(128, 784), (128,), (64, 128), (64,), (10, 64), (10,)]
    assert sum(math.prod(shape) for shape in shapes) == 109_386


def test_an_untrained_network_guesses(images: torch.Tensor) -> None:
    """The loss before training is near ln 10, that of ten equal probabilities."""
    torch.manual_seed(0)
    losses = [F.cross_entropy(MLP()(images), torch.arange(32) % 10).item() for _ in range(5)]
    assert all(abs(loss - math.log(10)) < 0.12 for loss in losses)


def test_probabilities_are_the_softmax_of_the_logits(images: torch.Tensor) -> None:
    """Each row is positive, sums to one and keeps the order of the logits."""
    model = MLP().eval()
    probabilities = model.probabilities(images)
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(32))
    assert (probabilities > 0).all()
    assert torch.equal(probabilities.argmax(dim=1), model(images).argmax(dim=1))


def test_an_answer_does_not_depend_on_its_neighbours(images: torch.Tensor) -> None:
    """An image read alone and within a batch gets the same logits."""
    model = MLP().eval()
    alone = torch.cat([model(images[i : i + 1]) for i in range(len(images))])
    assert torch.allclose(model(images), alone, atol=1e-6)


def test_normalisation_travels_with_the_weights(images: torch.Tensor) -> None:
    """Mean and standard deviation are part of the state_dict, so a loaded network normalises alike."""
    trained, loaded = MLP(8, 8, mean=0.3, std=0.2), MLP(8, 8)
    loaded.load_state_dict(trained.state_dict())
    assert torch.equal(loaded(images), trained(images))


def test_dropout_of_the_mlp_is_where_it_says(images: torch.Tensor) -> None:
    """If all pixels are zeroed, or all of the second hidden layer, all images get the same logits."""
    model = MLP(8, 6, dropout=0.5, input_dropout=0.5)
    for layer, expected in ((model.dropout2, model.output.bias), (model.dropout0, None)):
        for each in (model.dropout0, model.dropout1, model.dropout2):
            each.mask = torch.ones(1, each.features)
        layer.mask = torch.zeros(1, layer.features)
        logits = model(images)
        assert torch.allclose(logits, logits[:1].expand_as(logits))
        if expected is not None:
            assert torch.allclose(logits[0], expected)
