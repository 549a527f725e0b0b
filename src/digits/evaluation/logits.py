"""Compute a network's logits for many images, and check logits and labels.

The logits of an image are the network's outputs, one number per class. The highest one belongs to the
predicted class. Their softmax gives the class probabilities.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from digits.data.dataset import Digits, as_digits, as_fractions
from digits.errors import DataError, TrainingError
from digits.mnist import SIDE


def compute_logits(model: nn.Module, images: Tensor | Digits, batch: int = 1000) -> Tensor:
    """Compute a network's logits for many images.

    Dropout is off during the computation.

    Args:
        model: network for images, float32 (B, 1, 28, 28) in [0, 1]; on any device.
        images: uint8 (N, 28, 28) in 0..255, or a data set with such images.
        batch: number of images to process at a time; limits the memory.

    Returns:
        float (N, classes), on the CPU.

    Raises:
        DataError: if the images have another shape or dtype.
    """
    pixels = images if isinstance(images, Tensor) else as_digits(images).images
    if pixels.dtype != torch.uint8 or pixels.shape[1:] != (SIDE, SIDE):
        found = f"{str(pixels.dtype).removeprefix('torch.')} {tuple(pixels.shape)}"
        raise DataError(f"images must be uint8 (N, 28, 28), found {found}; give bytes from 0 to 255")
    parameter = next(model.parameters(), None)
    device = pixels.device if parameter is None else parameter.device
    with _evaluation_mode(model), torch.inference_mode():
        logits = [model(as_fractions(part.to(device)).unsqueeze(1)) for part in torch.split(pixels, batch)]
    return torch.cat(logits).cpu()  # a tensor made outside inference mode, which autograd can use


@contextlib.contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a `with` block."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:  # each layer gets its previous mode back
            module.training = training


def probabilities(logits: Tensor) -> Tensor:
    """Convert logits to class probabilities.

    Args:
        logits: float (N, classes).

    Returns:
        float64 (N, classes), on the CPU; each row sums to 1.

    Raises:
        DataError, TrainingError: if the logits are not valid; see `checked_logits`.
    """
    return checked_logits(logits).softmax(1)


def checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Check logits and labels and convert their dtypes.

    Args:
        logits: float (N, classes).
        labels: the true classes, integers (N,).

    Returns:
        The logits as float64 (N, classes), on the CPU.
        The labels as int64 (N,), on the CPU.

    Raises:
        DataError: if there are no images, or the labels do not fit them.
        TrainingError: if a logit is not finite.
    """
    logits, labels = checked_logits(logits), labels.detach().cpu().long()
    if labels.shape != logits.shape[:1]:
        raise DataError(
            f"every image needs one label, found {len(logits)} images and labels {tuple(labels.shape)}; "
            "use the images and the labels of the same data set"
        )
    low, high, classes = labels.min().item(), labels.max().item(), logits.shape[1]
    if low < 0 or high >= classes:
        raise DataError(
            f"labels must be from 0 to {classes - 1}, found {low} to {high}; "
            "use the data set that the network was trained for"
        )
    return logits, labels


def checked_logits(logits: Tensor) -> Tensor:
    """Check logits and convert them to float64.

    Args:
        logits: float (N, classes).

    Returns:
        float64 (N, classes), on the CPU.

    Raises:
        DataError: if the logits have another shape, or there are no images.
        TrainingError: if a logit is not finite.
    """
    if logits.ndim != 2 or logits.numel() == 0:
        raise DataError(
            f"nothing to evaluate: logits {tuple(logits.shape)}, expected (N, classes), at least one image"
        )
    logits = logits.detach().cpu().double()
    broken = int((~logits.isfinite()).any(1).sum())
    if broken:
        raise TrainingError(
            f"the network's logits for {broken} of {len(logits)} images are not finite numbers, "
            "because its weights have become too large: train again with a lower learning rate"
        )
    return logits
