"""Logits of many images, and what is refused."""

import math

import numpy as np
import pytest
import torch
from support.predictions import answers
from torch import Tensor, nn

from digits.data.dataset import Digits
from digits.errors import DataError, TrainingError
from digits.evaluation.calibration import expected_calibration_error
from digits.evaluation.logits import compute_logits, probabilities
from digits.evaluation.metrics import evaluate_logits
from digits.networks.mlp import MLP


def pictures(n: int, seed: int = 0) -> Tensor:
    return torch.randint(256, (n, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


class Layers(nn.Module):
    """A network with layers that behave differently in training: batch normalisation and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(784, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(self.drop(self.norm(images)).flatten(1))
        return logits


def test_logits_are_those_of_the_network_on_unit_pixels() -> None:
    """Bytes are divided by 255, and splitting into batches does not change the logits."""
    model, images = MLP(), pictures(25)
    expected = model.eval()(torch.tensor(images.numpy()[:, None] / 255.0, dtype=torch.float32)).detach()
    torch.testing.assert_close(compute_logits(model, images, batch=10), expected, rtol=1e-5, atol=1e-6)


def test_a_data_set_is_read_like_its_images() -> None:
    """A `Digits` can be given instead of its images."""
    model, images = MLP(), pictures(3)
    digits = Digits(images, torch.zeros(3, dtype=torch.int64))
    assert torch.equal(compute_logits(model, digits), compute_logits(model, images))


@pytest.mark.parametrize("model", [MLP(), Layers()], ids=["MLP", "norm and dropout"])
def test_answers_do_not_depend_on_batch_neighbours(model: nn.Module) -> None:
    """An image gets the same logits among other images, and alone to within rounding."""
    first, second = pictures(20, seed=1), pictures(20, seed=2)
    second[7] = first[7]
    model.train()
    assert torch.equal(compute_logits(model, first)[7], compute_logits(model, second)[7])
    torch.testing.assert_close(
        compute_logits(model, first)[7:8], compute_logits(model, first[7:8]), rtol=1e-4, atol=1e-5
    )


def test_training_mode_is_restored_layer_by_layer() -> None:
    """Afterwards each layer is in the mode it had before, even after an error."""
    model = Layers().train()
    model.norm.eval()
    compute_logits(model, pictures(2))
    model.last = nn.Linear(3, 10)
    with pytest.raises(RuntimeError):
        compute_logits(model, pictures(2))
    assert (model.training, model.norm.training, model.drop.training) == (True, False, True)


def test_logits_can_be_trained_on() -> None:
    """A temperature can be fitted to the logits by gradient descent afterwards."""
    temperature = torch.ones(1, requires_grad=True)
    (compute_logits(MLP(), pictures(2)) / temperature).logsumexp(1).sum().backward()
    assert temperature.grad is not None
    assert temperature.grad.isfinite().all()


def test_no_images_give_no_logits() -> None:
    """No images give logits of shape (0, 10)."""
    assert compute_logits(MLP(), pictures(0)).shape == (0, 10)


def test_a_network_without_parameters_is_asked_too() -> None:
    """A network without parameters works too."""
    assert compute_logits(nn.AdaptiveAvgPool2d((1, 10)), pictures(2)).shape == (2, 1, 1, 10)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (torch.zeros(2, 28, 28), r"float32 \(2, 28, 28\)"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), r"uint8 \(2, 1, 28, 28\)"),
        (torch.zeros(28, 28, dtype=torch.uint8), r"uint8 \(28, 28\)"),
    ],
)
def test_other_images_are_refused(images: Tensor, found: str) -> None:
    """Images of another dtype or shape are refused, and the message names both."""
    with pytest.raises(DataError, match=f"found {found}"):
        compute_logits(MLP(), images)


def test_probabilities_are_a_softmax() -> None:
    """Probabilities are the softmax of the logits, even of large ones."""
    logits, _ = answers(20)
    expected = np.exp(logits.double().numpy())
    np.testing.assert_allclose(probabilities(logits), expected / expected.sum(1, keepdims=True), rtol=1e-12)
    assert probabilities(torch.tensor([[2000.0, 0.0]])).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_answers_that_are_not_numbers_are_refused(value: float) -> None:
    """A single NaN or infinite logit raises TrainingError with the number of images affected."""
    logits, labels = answers(50)
    logits[17, 3] = value
    for function in (evaluate_logits, expected_calibration_error):
        with pytest.raises(TrainingError, match=r"1 of 50 images .* lower learning rate"):
            function(logits, labels)
    with pytest.raises(TrainingError, match="1 of 50"):
        probabilities(logits)


def test_labels_of_another_set_are_refused() -> None:
    """Too few labels, or labels out of range, are refused."""
    logits, labels = answers(5)
    with pytest.raises(DataError, match=r"5 images and labels \(4,\)"):
        evaluate_logits(logits, labels[:4])
    for wrong, found in ((10, "found 0 to 10"), (-1, "found -1 to 0")):
        with pytest.raises(DataError, match=found):
            evaluate_logits(logits, torch.tensor([0, 0, 0, 0, wrong]))
