"""The network: shapes, normalisation inside, logits out."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import nn

from digits.data.augmentation import affine_matrices, warp
from digits.networks.cnn import CNN
from digits.networks.dropout import Dropout
from digits.networks.ensemble import Ensemble
from digits.networks.mlp import MLP
from digits.networks.upright import upright


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(1))


def test_it_is_the_textbook_network(images: torch.Tensor) -> None:
    """The same numbers come out of a plain nn.Sequential with the same weights."""
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
    """Mean and deviation are part of the state, so a loaded network normalises as it was trained to."""
    trained, loaded = MLP(8, 8, mean=0.3, std=0.2), MLP(8, 8)
    loaded.load_state_dict(trained.state_dict())
    assert torch.equal(loaded(images), trained(images))


# ------------------------------------------------------------------------------------------- upright


def lean(image: torch.Tensor) -> float:
    """Pixels to the left for each pixel down, by a regression over all ink."""
    ink = image.double().numpy().squeeze()
    y, x = np.indices(ink.shape)
    covariance = np.cov(np.stack([x.ravel(), y.ravel()]), aweights=ink.ravel(), ddof=0)
    return float(covariance[0, 1] / covariance[1, 1])


def strokes(angle: float) -> torch.Tensor:
    """A thick cross, (1, 1, 28, 28), its middle that of the image, leaning right by so many degrees."""
    image = torch.zeros(1, 1, 28, 28)
    image[..., 5:23, 12:16] = 1
    image[..., 12:16, 9:19] = 0.8
    zero, one = torch.zeros(1), torch.ones(1)
    matrix = affine_matrices(zero, one, one, torch.deg2rad(torch.tensor([angle])), zero, zero)
    y, x = torch.meshgrid(torch.arange(28) - 13.5, torch.arange(28) - 13.5, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    return warp(image, (matrix @ places / 14).view(1, 2, 28, 28))


def test_upright_is_a_regression_and_scipys_interpolation(images: torch.Tensor) -> None:
    """Rows move as the regression line of right on down says, between pixels as map_coordinates does."""
    for image in (*images[:3] ** 4, strokes(25)[0], strokes(-12)[0]):
        ink = image[0].double().numpy()
        y, x = np.indices(ink.shape)
        centre = (ink * y).sum() / ink.sum()
        wanted = ndimage.map_coordinates(
            ink, [y, x + lean(image) * (y - centre)], order=1, mode="grid-constant"
        )
        assert np.allclose(upright(image[None])[0, 0].numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("angle", [-30.0, -10.0, 0.0, 20.0, 40.0])
def test_what_leaned_stands(angle: float) -> None:
    """The same strokes at any slant end in the same place, with no lean left."""
    moved = upright(strokes(angle))
    assert abs(lean(moved)) < 0.01
    assert (moved - strokes(0)).abs().mean() < 0.02
    assert moved.sum().item() == pytest.approx(strokes(angle).sum().item(), rel=0.01)


def test_upright_of_nothing_and_of_lines() -> None:
    """Blank paper, one pixel and a level line stay; a diagonal moves by a pixel a row and no further."""
    blank, dot, level = torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 28, 28)
    dot[..., 3, 20] = level[..., 9, 4:20] = 1
    for image in (blank, dot, level):
        assert torch.allclose(upright(image), image, atol=1e-5)
    diagonal = torch.eye(28).view(1, 1, 28, 28)
    moved = upright(diagonal)[0, 0]
    assert torch.allclose(moved[:, 13:15].sum(1), torch.ones(28), atol=1e-4)
    flat = torch.zeros(1, 1, 28, 28)
    flat[..., 13, 4:14] = flat[..., 14, 14:24] = 1  # leans by ten pixels a row
    assert abs(lean(flat)) > 2
    assert torch.allclose(upright(flat)[..., 13, 4:14].sum(), torch.tensor(9.5), atol=0.01)


def test_a_networks_view_comes_before_everything_else(images: torch.Tensor) -> None:
    """An upright network says of an image what the same network says of it set upright; also in bfloat16."""
    torch.manual_seed(0)
    for kind in (lambda view: MLP(8, 6, view=view), lambda view: CNN((3, 4, 5), view=view).eval()):
        network, plain = kind("upright"), kind("as-is")
        plain.load_state_dict(network.state_dict())
        assert torch.equal(network(images), plain(upright(images)))
    wanted = upright(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(upright(images), wanted)


# ------------------------------------------------------------------------------------------- dropout


def test_dropout_is_inverted_dropout() -> None:
    """A share p of the numbers is 0, the others are 1 / (1 - p), and their mean is 1."""
    mask = Dropout(1000, 0.4).draw(500, torch.Generator().manual_seed(0))
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert (mask == 0).float().mean().item() == pytest.approx(0.4, abs=0.005)
    assert mask.mean().item() == pytest.approx(1.0, abs=0.01)


def test_dropout_acts_while_training_only() -> None:
    """In evaluation mode a mask that was drawn is not used."""
    layer, x = Dropout(10, 0.5), torch.rand(4, 10)
    layer.mask = layer.draw(4, torch.Generator().manual_seed(1))
    assert torch.equal(layer(x), x * layer.mask)
    assert torch.equal(layer.eval()(x), x)


def test_dropout_of_the_mlp_is_where_it_says(images: torch.Tensor) -> None:
    """With all pixels silenced only biases are left; with a hidden layer silenced, the output's."""
    model = MLP(8, 6, dropout=0.5, input_dropout=0.5)
    for layer, expected in ((model.dropout2, model.output.bias), (model.dropout0, None)):
        for each in (model.dropout0, model.dropout1, model.dropout2):
            each.mask = torch.ones(1, each.features)
        layer.mask = torch.zeros(1, layer.features)
        logits = model(images)
        assert torch.allclose(logits, logits[:1].expand_as(logits))
        if expected is not None:
            assert torch.allclose(logits[0], expected)


# ----------------------------------------------------------------------------------------------- CNN


def kernels_of(model: CNN) -> list[torch.Tensor]:
    """The six convolutions' kernels, from the first to the last."""
    return [p for p in model.parameters() if p.ndim == 4]


def test_the_cnn_is_its_layers(images: torch.Tensor) -> None:
    """The same numbers come out of the layers of its description, written out with other functions."""
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
    """Kernels are laid out as the fast convolutions want them."""
    kernel = kernels_of(CNN())[2]
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert not kernel.is_contiguous()


def test_first_layers_are_pictures() -> None:
    """One picture a neuron: 28 x 28 for the mlp, the kernel's 5 x 5 for the cnn."""
    mlp, cnn = MLP(7, 4), CNN((3, 4, 5))
    assert torch.equal(mlp.first_layer()[2].flatten(), mlp.hidden1.weight[2])
    assert torch.equal(cnn.first_layer()[2], kernels_of(cnn)[0][2, 0])


# ------------------------------------------------------------------------------------------- ensemble


def test_an_ensemble_answers_with_the_mean_probability(images: torch.Tensor) -> None:
    """The softmax of its logits is the mean of its members' probabilities."""
    torch.manual_seed(0)
    members = [MLP(8, 6), MLP(12, 5), CNN((3, 4, 5)).eval()]
    expected = torch.stack([member.probabilities(images) for member in members]).mean(0)
    ensemble = Ensemble(members)
    assert torch.allclose(ensemble.probabilities(images), expected, atol=1e-6)
    assert torch.allclose(ensemble(images).logsumexp(1), torch.zeros(32), atol=1e-5)


def test_an_ensemble_of_one_is_that_one(images: torch.Tensor) -> None:
    """Alone, a network has the same probabilities as an ensemble of it."""
    model = MLP(8, 6)
    assert torch.allclose(Ensemble([model]).probabilities(images), model.probabilities(images), atol=1e-6)


def test_logits_are_divided_by_the_temperature(images: torch.Tensor) -> None:
    """Twice the temperature is half the logits, for every kind of network; a new one has temperature 1."""
    torch.manual_seed(0)
    for model in (MLP(8, 6), CNN((3, 4, 5)), Ensemble([MLP(8, 6), MLP(8, 6)])):
        cool = model.eval()(images)
        model.temperature.fill_(2)
        assert torch.allclose(model(images), cool / 2, atol=1e-6)
