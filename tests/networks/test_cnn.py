"""The CNN is the network that its description says."""

import math

import torch
import torch.nn.functional as F

from digits.networks.cnn import CNN
from digits.networks.mlp import MLP


def kernels_of(model: CNN) -> list[torch.Tensor]:
    """Return the kernels of the six convolutions in their order."""
    return [p for p in model.parameters() if p.ndim == 4]


def test_the_cnn_is_its_layers(images: torch.Tensor) -> None:
    """The CNN computes the same as its documented layers, written with other functions."""
    torch.manual_seed(0)
    model = CNN((4, 6, 8)).train()
    x = (images - 0.1307) / 0.3081
    layers = zip(kernels_of(model), (1, 2, 1, 1, 1, 1), (0, 0, 1, 0, 1, 0), strict=True)
    for number, (kernel, stride, padding) in enumerate(layers, start=1):
        x = F.conv2d(x, kernel, stride=stride, padding=padding)
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
        x = ((x - mean) / (variance + 1e-5).sqrt()).relu()
        if number == 4:
            x = x.unflatten(2, (5, 2)).unflatten(4, (5, 2)).amax((3, 5))
    expected = x.mean((2, 3)) @ model.output.weight.t() + model.output.bias
    assert torch.allclose(model(images), expected, atol=1e-4)


def test_the_cnn_is_small() -> None:
    """The default has 283,562 weights, below the 400,000 that were allowed."""
    assert sum(p.numel() for p in CNN().parameters()) == 283_562


def test_an_untrained_cnn_guesses(images: torch.Tensor) -> None:
    """The loss before training is near ln 10."""
    torch.manual_seed(0)
    losses = [F.cross_entropy(CNN((8, 16, 32))(images), torch.arange(32) % 10).item() for _ in range(5)]
    assert all(abs(loss - math.log(10)) < 0.25 for loss in losses)


def test_a_cnns_answer_does_not_depend_on_its_neighbours(images: torch.Tensor) -> None:
    """In evaluation mode, batch normalisation uses what it learned, not the batch."""
    model = CNN((4, 6, 8))
    model(images)  # in training mode: statistics to use
    model.eval()
    alone = torch.cat([model(images[i : i + 1]) for i in range(len(images))])
    assert torch.allclose(model(images), alone, atol=1e-5)


def test_the_cnns_memory_is_channels_last() -> None:
    """The kernels are stored with the channels innermost, as fast convolutions need them."""
    kernel = kernels_of(CNN())[2]
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert not kernel.is_contiguous()


def test_first_layers_are_pictures() -> None:
    """There is one image for each neuron: 28 x 28 for the MLP, 5 x 5 for the CNN."""
    mlp, cnn = MLP(7, 4), CNN((3, 4, 5))
    assert torch.equal(mlp.first_layer()[2].flatten(), mlp.hidden1.weight[2])
    assert torch.equal(cnn.first_layer()[2], kernels_of(cnn)[0][2, 0])
