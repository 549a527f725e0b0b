"""Images outside [0, 1] are refused at every door of a network, with what was found and what is expected."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.saved_network import KINDS, saved

import digits
from digits.data.dataset import Digits
from digits.errors import ImageError
from digits.evaluation.logits import compute_logits
from digits.networks.numpy_inference import Classifier

INK = torch.linspace(0, 255, 784).to(torch.uint8).view(1, 1, 28, 28).repeat(3, 1, 1, 1)  # (3, 1, 28, 28)
WRONG = {  # what people give by mistake -> the range in the message
    "bytes": (INK, "from 0 to 255"),
    "0 to 255": (INK.float(), "from 0 to 255"),
    "-1 to 1": (INK / 127.5 - 1, "from -1 to 1"),
    "normalised": ((INK / 255 - 0.1307) / 0.3081, "from -0.4242"),
    "one pixel too bright": (torch.where(INK == 255, 1.002, INK / 255), "from 0 to 1.002"),
    "NaN": (torch.where(INK == 7, torch.nan, INK / 255), "from nan to nan"),
    "infinite": (torch.where(INK == 7, torch.inf, INK / 255), "from 0 to inf"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", WRONG)
def test_another_range_is_refused(wrong: str, kind: str, tmp_path: Path) -> None:
    """Probabilities and logits, with PyTorch and NumPy, single networks and ensembles, upright or not."""
    path, (images, found) = saved(kind, tmp_path), WRONG[wrong]
    network, classifier = digits.load(path), Classifier.load(path)
    doors: list[Callable[[], object]] = [
        lambda: network.probabilities(images),
        lambda: network(images),
        lambda: network(images=images),
        lambda: classifier.probabilities(images[:, 0].numpy()),
        lambda: classifier.logits(images[:, 0].numpy()),
    ]
    for door in doors:
        with pytest.raises(ImageError, match=f"pixels of the images are {found}.*; expected 0 .* to 1"):
            door()


@pytest.mark.parametrize("kind", ["mlp", "ensemble"])
def test_the_right_range_is_read(kind: str, tmp_path: Path) -> None:
    """Pixels in [0, 1] are taken, also rounded ones, no images at all, and those of a data set."""
    path = saved(kind, tmp_path)
    network, classifier = digits.load(path), Classifier.load(path)
    expected = network.probabilities(INK / 255)
    data_set = Digits(INK[:, 0], torch.tensor([1, 2, 3]))
    assert torch.equal(network.probabilities(torch.stack([data_set[i][0] for i in range(3)])), expected)
    assert torch.allclose(compute_logits(network, data_set).softmax(1), expected, atol=1e-6)
    assert network.probabilities(INK / 255 * 1.0005 - 0.0002).isfinite().all()
    assert np.allclose(classifier.probabilities((INK[:, 0] / 255).numpy()), expected.numpy(), atol=1e-5)
    assert network.probabilities(torch.zeros(0, 1, 28, 28)).shape == (0, 10)


@pytest.mark.parametrize("shape", [(28, 28), (2, 28, 28), (2, 28, 28, 1), (2, 3, 28, 28), (2, 784)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """The message says the shape that was found and the expected one."""
    with pytest.raises(ImageError, match=r"images are \(.*\); expected \(N, 1, 28, 28\)"):
        digits.load("mlp").probabilities(torch.zeros(shape))


def test_training_is_not_slowed_down(tmp_path: Path) -> None:
    """In training mode, nothing is checked: the loop makes its images itself."""
    network = digits.load(saved("mlp", tmp_path)).train()
    assert network(INK.float()).shape == (3, 10)
