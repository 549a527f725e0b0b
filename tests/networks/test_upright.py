"""Removing the slant of digits, against a regression and SciPy's interpolation."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from digits.data.augmentation import affine_matrices, warp
from digits.networks.cnn import CNN
from digits.networks.mlp import MLP
from digits.networks.upright import upright


def lean(image: torch.Tensor) -> float:
    """Return the slant of an image, in pixels to the left for each pixel down, by linear regression."""
    ink = image.double().numpy().squeeze()
    y, x = np.indices(ink.shape)
    covariance = np.cov(np.stack([x.ravel(), y.ravel()]), aweights=ink.ravel(), ddof=0)
    return float(covariance[0, 1] / covariance[1, 1])


def strokes(angle: float) -> torch.Tensor:
    """Return a thick cross (1, 1, 28, 28) in the middle, slanted to the right by `angle` degrees."""
    image = torch.zeros(1, 1, 28, 28)
    image[..., 5:23, 12:16] = 1
    image[..., 12:16, 9:19] = 0.8
    zero, one = torch.zeros(1), torch.ones(1)
    matrix = affine_matrices(zero, one, one, torch.deg2rad(torch.tensor([angle])), zero, zero)
    y, x = torch.meshgrid(torch.arange(28) - 13.5, torch.arange(28) - 13.5, indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    return warp(image, (matrix @ places / 14).view(1, 2, 28, 28))


def test_upright_is_a_regression_and_scipys_interpolation(images: torch.Tensor) -> None:
    """Rows move by the slope of a linear regression, with the interpolation of SciPy's map_coordinates."""
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
    """The same strokes at any slant become the same upright image."""
    moved = upright(strokes(angle))
    assert abs(lean(moved)) < 0.01
    assert (moved - strokes(0)).abs().mean() < 0.02
    assert moved.sum().item() == pytest.approx(strokes(angle).sum().item(), rel=0.01)


def test_upright_of_nothing_and_of_lines() -> None:
    """Blank, one-pixel and level images stay; a diagonal moves by at most one pixel per row."""
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
    """A network with the view "upright" equals an "as-is" network given upright images; also in bfloat16."""
    torch.manual_seed(0)
    for kind in (lambda view: MLP(8, 6, view=view), lambda view: CNN((3, 4, 5), view=view).eval()):
        network, plain = kind("upright"), kind("as-is")
        plain.load_state_dict(network.state_dict())
        assert torch.equal(network(images), plain(upright(images)))
    wanted = upright(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(upright(images), wanted)
